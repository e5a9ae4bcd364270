#!/usr/bin/env bash
# Kills runs at every named place and at random instants, resumes them, and counts effects.
#   tests/crash/run.sh [RANDOM_TRIALS] [SEED]      1,000 trials and seed 1 unless told; the last line is the result
set -euo pipefail
cd "$(dirname "$0")/../.."
preset=${PRESET:-release}
[ -d "build/$preset" ] || cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" --target crash_driver tsukai-shop >/dev/null
exec "build/$preset/bin/crash_driver" --random "${1:-1000}" --seed "${2:-1}"
