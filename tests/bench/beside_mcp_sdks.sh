#!/usr/bin/env bash
# tsukai's MCP client beside the reference SDKs, against one echo server in C++, in one session: a line a figure.
#   tests/bench/beside_mcp_sdks.sh FOLDER [SECONDS]
# FOLDER: where `npm i @modelcontextprotocol/client` was run and `python3 -m venv py && py/bin/pip install mcp`.
set -euo pipefail
peer=$(cd "${1:?the folder with node_modules and py}" && pwd)
seconds=${2:-3}
here=$(cd "$(dirname "$0")" && pwd)
bench=$here/../../build/release/bin/mcp_bench
cp "$here/peer_mcp.mjs" "$peer/peer_mcp.mjs"
"$bench" --serve http >"$peer/url" &
server=$!
trap 'kill $server' EXIT
while [ ! -s "$peer/url" ]; do sleep 0.05; done
url=$(cat "$peer/url")
for target in stdio "$url"; do
  program=$target
  [ "$target" = stdio ] && program=$bench
  "$bench" "$target" "$seconds"
  node "$peer/peer_mcp.mjs" "$program" "$seconds"
  "$peer/py/bin/python" "$here/peer_mcp.py" "$program" "$seconds"
done
"$bench" many 100
node "$peer/peer_mcp.mjs" many "$bench" 100
"$peer/py/bin/python" "$here/peer_mcp.py" many "$bench" 100
