"""llama.cpp's server on a port of its own choice, from the package xllamacpp: llama_server.py MODEL.gguf
Prints its address once it answers, and ends with its standard input. SmolLM2's own template knows no tools, and the
server then leaves them out, so it gets one that has them as Qwen2.5's has (the same ChatML), and two examples, since the server lets a model that
must call a tool say as much as it likes before."""
import sys

import xllamacpp

TEMPLATE = r"""
{%- if tools %}
  {{- '<|im_start|>system\n' }}
  {%- if messages[0].role == 'system' %}
    {{- messages[0].content + '\n\n' }}
  {%- endif %}
  {{- "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
  {%- for tool in tools %}
    {{- '\n' }}{{- tool | tojson }}
  {%- endfor %}
  {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
  {%- set example = '<tool_call>\n{"name": "' + tools[0].function.name + '", "arguments": {"keywords": "' %}
  {{- '<|im_start|>user\nFind a museum near the harbour.<|im_end|>\n<|im_start|>assistant\n' + example + 'museum harbour"}}\n</tool_call><|im_end|>\n' }}
  {{- '<|im_start|>user\nFind a book shop near the station.<|im_end|>\n<|im_start|>assistant\n' + example + 'book shop station"}}\n</tool_call><|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
  {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
  {%- if message.role == 'tool' %}
    {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
  {%- elif message.role != 'system' or not loop.first %}
    {{- '<|im_start|>' + message.role }}
    {%- if message.content %}
      {{- '\n' + message.content }}
    {%- endif %}
    {%- for call in message.tool_calls or [] %}
      {{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments | tojson + '}\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx = 4096
params.n_parallel = 1
params.use_jinja = True
params.chat_template = TEMPLATE.strip()
params.hostnames = ["127.0.0.1"]
params.port = 0
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
