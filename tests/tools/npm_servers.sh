#!/usr/bin/env bash
# Installs the published MCP servers of npm_servers.txt into FOLDER, once: later calls find them there.
#   tests/tools/npm_servers.sh FOLDER
# Exit status 0: they are there, 3: npm is missing or could not fetch them (what it said is in FOLDER/log).
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
list=$(cd "$(dirname "$0")" && pwd)/npm_servers.txt
mkdir -p "$1"
cd "$1"
exec 9>lock
flock 9
if cmp -s "$list" installed; then exit 0; fi
command -v npm >/dev/null || { echo "npm_servers.sh: npm is not installed" >&2; exit 3; }
rm -rf node_modules package.json package-lock.json
# shellcheck disable=SC2046 # One word a line.
npm install --silent --no-audit --no-fund --prefix . $(cat "$list") >log 2>&1 || {
  echo "npm_servers.sh: npm could not fetch the servers: $(tail -n 1 log)" >&2
  exit 3
}
cp "$list" installed
