#!/usr/bin/env bash
# Prefill and decode speed beside llama.cpp in one session, turn about: prints a line a run and the medians.
#   tests/bench/beside_llama.sh FOLDER [ROUNDS]     FOLDER: where `npm i --ignore-scripts node-llama-cpp` was run
set -euo pipefail
peer=$(cd "${1:?the folder with node_modules/node-llama-cpp}" && pwd)
rounds=${2:-5}
cd "$(dirname "$0")/../.."
model=${TSUKAI_SMOLLM2:-${XDG_CACHE_HOME:-$HOME/.cache}/tsukai/models/SmolLM2-135M-Instruct.Q4_1.gguf}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
head -c 2200 docs/ARCHITECTURE.md >"$scratch/text"
cp tests/bench/peer_llama.mjs "$peer/peer_llama.mjs"
for _ in $(seq "$rounds"); do
  build/release/bin/tsukai model generate "$model" - --plain -n 64 --threads 2 --json <"$scratch/text" | tr -d '\n' >>"$scratch/tsukai"
  echo >>"$scratch/tsukai"
  node "$peer/peer_llama.mjs" "$model" "$scratch/text" 64 2 >>"$scratch/llama"
done
python3 - "$scratch" <<'PY'
import json, statistics, sys
def rows(name):
    for line in open(f"{sys.argv[1]}/{name}"):
        line = line.strip()
        if line.startswith("{"):
            row = json.loads(line)
            row = row.get("usage", row)
            yield row["prompt_tokens"] * 1000 / row["prefill_ms"], row["generated_tokens"] * 1000 / row["decode_ms"]
figures = {name: list(rows(name)) for name in ("tsukai", "llama")}
for name, values in figures.items():
    print(f"{name:8} prefill {[round(v[0]) for v in values]} tok/s   decode {[round(v[1]) for v in values]} tok/s")
for index, what in enumerate(("prefill", "decode")):
    a, b = (statistics.median(v[index] for v in figures[name]) for name in ("tsukai", "llama"))
    print(f"{what}: tsukai {a:.0f} tok/s, llama.cpp {b:.0f} tok/s, ratio {a / b:.2f}")
PY
