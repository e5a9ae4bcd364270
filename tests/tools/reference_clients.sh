#!/usr/bin/env bash
# Lists and calls every tool of a server with the reference clients: the TypeScript SDK (stdio and Streamable HTTP), the
# Python SDK and the Inspector's CLI. npm and PyPI are asked for them, once; they are kept in .cache/reference.
#   tests/tools/reference_clients.sh SERVER_PROGRAM [ARGUMENT...]
# Arguments of the calls are in reference/calls.json by the program's name; tools not named there are called with none, and
# an error as their answer is not counted. Exit codes: 0 all clients could do all, 1 not, 3 a client could not be installed.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: $0 SERVER_PROGRAM [ARGUMENT...]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "$1")
shift
cache=$here/../../.cache/reference
mkdir -p "$cache"
cd "$cache"
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false MCP_CATALOG_PATH=$cache/catalog.json

install() {
  "$@" >install.log 2>&1 || { tail -n 5 install.log >&2; echo "reference_clients: $* failed" >&2; exit 3; }
}
[ -f package.json ] || echo '{"private": true, "type": "module"}' >package.json
[ -d node_modules/@modelcontextprotocol/sdk ] || install npm install @modelcontextprotocol/sdk@1.32.2
# The Inspector needs a newer Node than Debian's.
[ -d inspector/node_modules/@modelcontextprotocol/inspector ] ||
  install npm install --prefix inspector node@22 @modelcontextprotocol/inspector@2.12.0
[ -x python/bin/python ] || { install python3 -m venv python && install python/bin/pip install mcp==2.3.0; }
cp "$here/reference/clients.mjs" clients.mjs

failed=0
step() {
  echo "== $1"
  shift
  if "$@"; then return; fi
  failed=1
  echo "FAILED: $*"
}

step "TypeScript SDK, stdio" node clients.mjs "$here/reference/calls.json" "$program" "$@"

over_http() {
  "$program" "$@" --http 127.0.0.1:0 >url.txt &
  local server=$!
  for _ in $(seq 100); do [ -s url.txt ] && break; sleep 0.1; done
  local rc=0
  REFERENCE_URL=$(head -n 1 url.txt) node clients.mjs "$here/reference/calls.json" "$program" || rc=$?
  kill "$server" && wait "$server" || true
  return $rc
}
step "TypeScript SDK, Streamable HTTP" over_http "$@"
step "Python SDK, stdio" python/bin/python "$here/reference/client.py" "$here/reference/calls.json" "$program" "$@"

inspect() {
  local node=inspector/node_modules/.bin/node cli=inspector/node_modules/.bin/mcp-inspector rc=0
  "$node" "$cli" --cli "$program" "$@" --method tools/list >list.json || return 1
  for tool in $(python3 -c 'import json; print(*[t["name"] for t in json.load(open("list.json"))["tools"]])'); do
    mapfile -t words < <(python3 - "$here/reference/calls.json" "$(basename "$program")" "$tool" <<'PYTHON'
import json, sys

def is_json(text):
    try:
        json.loads(text)
        return True
    except ValueError:
        return False

calls = json.load(open(sys.argv[1])).get(sys.argv[2], {})
for key, value in calls.get(sys.argv[3], {}).items():
    # The Inspector reads what looks like JSON as JSON: a text such as 800 needs its quotes.
    plain = isinstance(value, str) and not is_json(value)
    print("--tool-arg")
    print(f"{key}={value if plain else json.dumps(value)}")
PYTHON
    )
    if "$node" "$cli" --cli "$program" "$@" --method tools/call --tool-name "$tool" "${words[@]}" >call.json 2>call.err; then
      echo "ok  $tool: $(tr -d '\n' <call.json | cut -c 1-80)"
    else
      echo "error  $tool: $(head -n 1 call.err)"
      [ ${#words[@]} -eq 0 ] || rc=1
    fi
  done
  return $rc
}
step "Inspector CLI, stdio" inspect "$@"
exit $failed
