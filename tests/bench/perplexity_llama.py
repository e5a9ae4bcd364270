#!/usr/bin/env python3
"""What llama.cpp makes of the same tokens: perplexity_llama.py MODEL.gguf IDS

  pip install llama-cpp-python        (made with llama_cpp_python 0.3.36)
  perplexity_bench MODEL.gguf TEXT --ids IDS && tests/bench/perplexity_llama.py MODEL.gguf IDS

Windows of 512 tokens, each on its own, every token but the first predicted: as perplexity_bench counts.
"""
import json
import sys

import numpy as np
from llama_cpp import Llama

WINDOW = 512

model = Llama(sys.argv[1], n_ctx=WINDOW, n_batch=WINDOW, logits_all=True, n_threads=2, verbose=False)
tokens = [int(line) for line in open(sys.argv[2])]
total, predicted, top1 = 0.0, 0, 0
for begin in range(0, len(tokens) - WINDOW + 1, WINDOW):
    window = tokens[begin:begin + WINDOW]
    model.reset()
    model.eval(window)
    logits = np.array(model.scores[:WINDOW - 1], dtype=np.float64)
    largest = logits.max(-1)
    norm = np.log(np.exp(logits - largest[:, None]).sum(-1)) + largest
    total += float((norm - logits[np.arange(WINDOW - 1), window[1:]]).sum())
    top1 += int((logits.argmax(-1) == np.array(window[1:])).sum())
    predicted += WINDOW - 1
print(json.dumps(dict(predicted=predicted, perplexity=float(np.exp(total / predicted)), top1=top1 / predicted)))
