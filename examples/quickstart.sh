#!/usr/bin/env bash
# From a bare Debian 12 machine to a finished agent task: sets up, builds, fetches a small model, runs.
# Everything is done once; the second time only the run is left.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh
if ! { cmake --preset release && cmake --build build/release --target tsukai tsukai-maps; } >/tmp/tsukai-quickstart.log 2>&1; then
  tail -n 30 /tmp/tsukai-quickstart.log >&2
  echo "quickstart: the build failed (the end of its log is above; whole: /tmp/tsukai-quickstart.log)" >&2
  exit 3
fi
tools/fetch_smollm2.sh >/dev/null

task="Find an Old Gate coffee shop."
echo
echo "\$ build/release/bin/tsukai run examples/day-out.yaml \"$task\""
build/release/bin/tsukai run examples/day-out.yaml "$task"
echo
echo "Look at what it did:   build/release/bin/tsukai runs show last"
echo "What else there is:    build/release/bin/tsukai --help"
