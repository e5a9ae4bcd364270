#!/usr/bin/env python3
"""What llama.cpp makes of the same tokens: perplexity_llama.py MODEL.gguf IDS [f16|q8_0|f32]

  pip install cyllama numpy        (wheels with llama.cpp inside; made with cyllama 0.2.18)
  perplexity_bench MODEL.gguf TEXT --ids IDS && tests/bench/perplexity_llama.py MODEL.gguf IDS

Windows of 512 tokens, each on its own, every token but the first predicted: as perplexity_bench counts. The last
argument is the type of keys and values, f16 by default. beside_llama_perplexity.sh runs both and compares.
"""
import importlib.metadata
import json
import sys

import numpy as np
from cyllama.llama import llama_cpp

WINDOW = 512
KV = {"f32": 0, "f16": 1, "q8_0": 8}  # enum ggml_type



class Model(llama_cpp.LlamaModel):
    n_vocab = property(lambda self: self.get_vocab().n_vocab)  # What get_logits_ith() of 0.2.18 asks for in vain.


llama_cpp.disable_logging()
model = Model(sys.argv[1], llama_cpp.LlamaModelParams(), verbose=False)
parameters = llama_cpp.LlamaContextParams()
parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = WINDOW
parameters.n_threads = parameters.n_threads_batch = 2
kv = sys.argv[3] if len(sys.argv) > 3 else "f16"
parameters.type_k = parameters.type_v = KV[kv]
context = llama_cpp.LlamaContext(model, parameters, verbose=False)
tokens = [int(line) for line in open(sys.argv[2])]
total, predicted, top1 = 0.0, 0, 0
for begin in range(0, len(tokens) - WINDOW + 1, WINDOW):
    window = tokens[begin:begin + WINDOW]
    context.kv_cache_clear()
    batch = llama_cpp.LlamaBatch(n_tokens=WINDOW, embd=0, n_seq_max=1)
    batch.set_batch(window, 0, True)
    context.decode(batch)
    for i in range(WINDOW - 1):
        row = np.array(context.get_logits_ith(i), dtype=np.float64)
        largest = row.max()
        total += float(np.log(np.exp(row - largest).sum()) + largest - row[window[i + 1]])
        top1 += int(row.argmax() == window[i + 1])
    predicted += WINDOW - 1
print(json.dumps(dict(engine="llama.cpp in cyllama " + importlib.metadata.version("cyllama"), kv=kv,
                      predicted=predicted, perplexity=float(np.exp(total / predicted)), top1=top1 / predicted)))
