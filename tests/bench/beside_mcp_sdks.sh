#!/usr/bin/env bash
# tsukai's MCP client beside the reference SDKs, against one echo server in C++, in one session. The clients run
# turn about, so that what else the machine does meets all of them; every figure is the median of the rounds.
#   tests/bench/beside_mcp_sdks.sh FOLDER [SECONDS] [ROUNDS] [--json]
# FOLDER: where `npm i @modelcontextprotocol/client` was run and `python3 -m venv py && py/bin/pip install mcp`.
set -euo pipefail
json=0
words=()
for word in "$@"; do
  if [ "$word" = --json ]; then json=1; else words+=("$word"); fi
done
peer=$(cd "${words[0]:?the folder with node_modules and py}" && pwd)
seconds=${words[1]:-1}
rounds=${words[2]:-5}
here=$(cd "$(dirname "$0")" && pwd)
bench=$here/../../build/release/bin/mcp_bench
cmake --build "$here/../../build/release" --target mcp_bench >/dev/null
cp "$here/peer_mcp.mjs" "$peer/peer_mcp.mjs"
work=$(mktemp -d)
"$bench" --serve http >"$work/url" &
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
while [ ! -s "$work/url" ]; do sleep 0.05; done
url=$(cat "$work/url")

for target in stdio "$url"; do
  program=$target
  [ "$target" = stdio ] && program=$bench
  for _ in $(seq "$rounds"); do
    "$bench" "$target" "$seconds"
    node "$peer/peer_mcp.mjs" "$program" "$seconds"
    "$peer/py/bin/python" "$here/peer_mcp.py" "$program" "$seconds"
  done
done >"$work/figures"
{
  "$bench" many 100
  node "$peer/peer_mcp.mjs" many "$bench" 100
  "$peer/py/bin/python" "$here/peer_mcp.py" many "$bench" 100
} >>"$work/figures"
python3 "$here/beside_mcp_table.py" "$json" <"$work/figures"
