#!/usr/bin/env bash
# Perplexity of one model on one text, tsukai's and llama.cpp's, and how far they are apart.
#   tests/bench/beside_llama_perplexity.sh FOLDER [TEXT [MODEL.gguf [TOKENS]]]
# FOLDER gets a Python environment with llama.cpp (PyPI's cyllama) when it has none; TEXT is this project's documents,
# MODEL SmolLM2-135M (tools/fetch_smollm2.sh). Both engines read the same token ids: the first TOKENS (4,096), in windows of 512.
# llama.cpp multiplies with activations rounded to 8 bits, tsukai with 32-bit ones: that rounding is all that lies
# between them, so the figures are close and not the same.
set -euo pipefail
folder=$(mkdir -p "${1:?a folder for the Python environment}" && cd "$1" && pwd)
text=${2:+$(realpath "$2")}
model=${3:+$(realpath "$3")}
tokens=${4:-4096}
cd "$(dirname "$0")/../.."
model=${model:-$(tools/fetch_smollm2.sh)}
cmake --build build/release --target perplexity_bench >/dev/null
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "$text" ]; then
  text=$scratch/text
  cat docs/ARCHITECTURE.md docs/TESTING.md docs/adr/*.md docs/formats/*.md >"$text"
fi
if ! [ -x "$folder/bin/python3" ]; then
  python3 -m venv "$folder"
  "$folder/bin/python3" -m pip install -q --disable-pip-version-check --only-binary=:all: cyllama==0.2.18 numpy
fi
for kv in f16 f32; do
  build/release/bin/perplexity_bench "$model" "$text" --kv $kv --tokens "$tokens" --ids "$scratch/ids" >"$scratch/tsukai.$kv"
done
"$folder/bin/python3" tests/bench/perplexity_llama.py "$model" "$scratch/ids" >"$scratch/llama"
python3 - "$scratch" <<'PY'
import json, sys
def read(name):
    return json.load(open(f"{sys.argv[1]}/{name}"))
llama = read("llama")
print(f"{llama['engine']}, kv f16: perplexity {llama['perplexity']:.4f}, top-1 {100 * llama['top1']:.2f} %")
for kv in ("f16", "f32"):
    own = read(f"tsukai.{kv}")
    assert own["predicted"] == llama["predicted"]
    print(f"tsukai, kv {kv}: perplexity {own['perplexity']:.4f}, top-1 {100 * own['top1']:.2f} %, "
          f"{100 * (own['perplexity'] / llama['perplexity'] - 1):+.3f} % from llama.cpp's "
          f"({own['predicted']} tokens, text {own['text_sha256'][:12]})")
PY
