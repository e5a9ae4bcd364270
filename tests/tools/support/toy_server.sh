#!/bin/sh
# An MCP server of few words, for tests of the command line. Needs nothing but a shell.
#   toy_server.sh [FOLDER]   FOLDER/pid will hold its process id, FOLDER/hanging appears when `hang` was called
folder=${1:-}
[ -n "$folder" ] && echo $$ >"$folder/pid"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
while IFS= read -r line; do
  id=${line#*\"id\":}
  id=${id%%[,\}]*}
  case $line in
  *'"initialize"'*)
    answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"toy","version":"1.2"}}'
    ;;
  *'"tools/list"'*)
    answer '{"tools":[
      {"name":"greet","description":"Greets a person.","inputSchema":{"type":"object","properties":{"name":{"type":"string"},"times":{"type":"integer"}},"required":["name"]}},
      {"name":"fail","description":"Always fails.","inputSchema":{"type":"object"}},
      {"name":"paint","description":"Answers with escape sequences.","inputSchema":{"type":"object"}},
      {"name":"hang","description":"Never answers.","inputSchema":{"type":"object"}}]}' | tr -d '\n'
    echo
    ;;
  *'"tools/call"'*'"fail"'*) answer '{"content":[{"type":"text","text":"no luck"}],"isError":true}' ;;
  *'"tools/call"'*'"paint"'*) answer '{"content":[{"type":"text","text":"\u001b[31mred"}]}' ;;
  *'"tools/call"'*'"die"'*) exit 7 ;;
  *'"tools/call"'*'"hang"'*)
    [ -n "$folder" ] && echo 1 >"$folder/hanging"
    sleep 1000
    ;;
  *'"tools/call"'*'"greet"'*)
    # What was sent, so that a test sees how the arguments were read.
    arguments=${line#*\"arguments\":}
    arguments=${arguments%%\}*}
    text=$(printf '%s}' "$arguments" | sed 's/"/\\"/g')
    answer "{\"content\":[{\"type\":\"text\",\"text\":\"$text\"}]}"
    ;;
  *'"tools/call"'*)
    printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"Unknown tool"}}\n' "$id"
    ;;
  *'"ping"'*) answer '{}' ;;
  *'"id":'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}\n' "$id" ;;
  esac
done
