#!/usr/bin/env bash
# Sets up, builds and runs every test that needs no network and no GPU. The last lines are ctest's summary.
#   tests/run.sh            all of them, release build
#   tests/run.sh asan       another preset (dev, release, asan, tsan); the rest of the line goes to ctest: tests/run.sh asan -L fast
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
[ $# -gt 0 ] && shift
tools/setup.sh
cmake --preset "$preset" >"/tmp/tsukai-configure-$preset.log" 2>&1 || { cat "/tmp/tsukai-configure-$preset.log" >&2; exit 3; }
# TARGETS: build only these (.ci/run under sanitizers); the rest of the line must then name no other tests.
cmake --build "build/$preset" --target ${TARGETS:-all} -- -k 20
exec ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" -LE 'net|gpu' "$@"
