"""llama.cpp's server on a port of its own choice, from the package xllamacpp: llama_server.py MODEL.gguf
Prints its address once it answers, and ends with its standard input."""
import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx = 4096
params.n_parallel = 1
params.use_jinja = True
params.hostnames = ["127.0.0.1"]
params.port = 0
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
