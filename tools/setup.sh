#!/usr/bin/env bash
# Installs what tsukai builds with, from Debian 12's own packages. Idempotent; quick when nothing is missing.
set -euo pipefail

packages=(
  clang-19 libclang-rt-19-dev clang-tidy-19 clang-format-19 cmake ninja-build ccache mold pkg-config git
  libboost1.81-dev libboost-context1.81-dev libboost-url1.81-dev nlohmann-json3-dev libcurl4-openssl-dev
  libsqlite3-dev libssl-dev libexpected-dev libcli11-dev libyaml-cpp-dev libspdlog-dev libfmt-dev
  libvalijson-dev libre2-dev libutf8proc-dev libexpat1-dev zlib1g-dev libxml2-dev poppler-utils libxxhash-dev libzstd-dev libedit-dev
  doctest-dev libbenchmark-dev
  python3 python3-pip unzip
)

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this script knows Debian and its relatives; install the equivalents of: ${packages[*]}" >&2
  exit 3
fi

missing=()
installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
for package in "${packages[@]}"; do
  grep -qx "$package installed" <<<"$installed" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: everything is installed"
  exit 0
fi

install="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
  run=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  run=(sudo)
else
  echo "setup: ${#missing[@]} packages are missing. Run, as root:" >&2
  echo "  apt-get update && $install" >&2
  exit 3
fi

echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${run[@]}" apt-get update && "${run[@]}" $install; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "setup: the packages could not be installed (the end of the log is above). Run, as root:" >&2
  echo "  apt-get update && $install" >&2
  exit 3
fi
echo "setup: done"
