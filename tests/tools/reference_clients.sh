#!/usr/bin/env bash
# Lists and calls every tool of the three servers, over standard input and output and over Streamable HTTP, with the clients
# that others wrote: the TypeScript SDK (the one of the older revisions and the one of 2026-07-28), the Python SDK and the
# Inspector's command line.
#   tests/tools/reference_clients.sh FOLDER_OF_THE_PROGRAMS [tsukai-maps|tsukai-search|tsukai-shop ...]
# npm and PyPI are asked for the clients, once; they are kept in .cache/reference ($REFERENCE_CACHE). The calls are in
# reference/calls.json. Exit codes: 0 every client could do all, 1 one could not, 2 usage, 3 a client could not be installed.
set -euo pipefail
[ $# -gt 0 ] && [ -d "$1" ] || { echo "usage: $0 FOLDER_OF_THE_PROGRAMS [PROGRAM...]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
bin=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- tsukai-maps tsukai-search tsukai-shop
cache=${REFERENCE_CACHE:-$here/../../.cache/reference}
mkdir -p "$cache"
cd "$cache"
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false

install() {
  "$@" >install.log 2>&1 || { tail -n 5 install.log >&2; echo "reference_clients: $* failed" >&2; exit 3; }
}
[ -f package.json ] || echo '{"private": true, "type": "module"}' >package.json
[ -d node_modules/@modelcontextprotocol/client ] && [ -d node_modules/@modelcontextprotocol/sdk ] ||
  install npm install @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/client@2.4.0
# The Inspector needs a newer Node than Debian's.
[ -d inspector/node_modules/@modelcontextprotocol/inspector ] ||
  install npm install --prefix inspector node@22 @modelcontextprotocol/inspector@2.12.0
[ -x python/bin/python ] && python/bin/python -c 'import mcp' 2>/dev/null ||
  { install python3 -m venv python && install python/bin/pip install mcp==2.3.0; }
cp "$here/reference/clients.mjs" clients.mjs

# Whatever the clients and the servers write: gone at the end.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export XDG_CACHE_HOME=$scratch/cache MCP_CATALOG_PATH=$scratch/catalog.json
calls=$here/reference/calls.json
failed=0

# step NAME stdio|http PROGRAM CLIENT...: the client, with the program and its arguments after its own.
step() {
  local name=$1 over=$2 program=$3 rc=0 server=
  shift 3
  echo "== $program, $name, $over"
  local served=("$bin/$program")
  # A shop of its own for each, so that all see the same.
  [ "$program" != tsukai-shop ] || served+=(--fast --data "$(mktemp -d "$scratch/shop.XXXXXX")/shop.db")
  if [ "$over" = http ]; then
    : >"$scratch/url"
    "${served[@]}" --http 127.0.0.1:0 >"$scratch/url" &
    server=$!
    for _ in $(seq 200); do [ -s "$scratch/url" ] && break; sleep 0.05; done
    REFERENCE_URL=$(head -n 1 "$scratch/url") "$@" "${served[@]}" || rc=$?
    kill "$server" && wait "$server" || rc=$?
  else
    "$@" "${served[@]}" || rc=$?
  fi
  [ "$rc" = 0 ] || { failed=1; echo "FAILED: $program, $name, $over (exit code $rc)"; }
}

for program in "$@"; do
  for over in stdio http; do
    step "TypeScript SDK 1.32.2" $over "$program" node clients.mjs 1 "$calls"
    step "TypeScript SDK 2.4.0" $over "$program" node clients.mjs 2 "$calls"
    step "Python SDK 2.3.0" $over "$program" python/bin/python "$here/reference/client.py" "$calls"
    step "Inspector 2.12.0" $over "$program" python3 "$here/reference/inspector.py" inspector/node_modules/.bin/node \
      inspector/node_modules/.bin/mcp-inspector "$calls"
  done
done
exit $failed
