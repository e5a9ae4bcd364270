#!/usr/bin/env bash
# Runs the official MCP conformance suite against this project's test programs. Needs npm; fetches the suite once.
#   tests/conformance/run.sh [BUILD_FOLDER] [server|client]     (default build/dev, both)
# Exit status 0: every required scenario passed, 3: the suite could not be fetched, else the suite's own.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/dev}
sides=${2:-server client}
suite=${TSUKAI_CONFORMANCE:-$build/conformance}
if [ ! -x "$suite/node_modules/.bin/conformance" ]; then
  mkdir -p "$suite"
  (cd "$suite" && npm install --silent --no-audit --no-fund @modelcontextprotocol/conformance@0.2.0-alpha.12 node@22) || {
    echo "tests/conformance/run.sh: npm could not fetch the suite; is there a network?" >&2
    exit 3
  }
fi
conformance() {
  "$suite/node_modules/.bin/node" "$suite/node_modules/@modelcontextprotocol/conformance/dist/index.js" "$@"
}
status=0
for side in $sides; do
  if [ "$side" = server ]; then
    exec 3< <("$build/bin/everything_server")
    server=$!
    trap 'kill $server 2>/dev/null' EXIT
    read -r port <&3
  fi
  for revision in 2025-11-25 2026-07-28; do
    echo "== $side $revision"
    if [ "$side" = server ]; then
      conformance server --url "http://localhost:$port/mcp" --requirements "$revision" \
        -o "$build/conformance-results/$side-$revision" || status=$?
    else
      conformance client --command "$(realpath "$build")/bin/everything_client" --requirements "$revision" \
        -o "$build/conformance-results/$side-$revision" || status=$?
    fi
  done
done
exit $status
