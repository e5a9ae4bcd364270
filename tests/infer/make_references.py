#!/usr/bin/env python3
"""Remakes the reference data of tests/infer/data with independent implementations.

  pip install torch transformers gguf sentencepiece      (made with torch 2.13.0+cpu, transformers 5.23.0, gguf 0.19.0)
  tests/infer/make_references.py tiny                    tiny random models and transformers' logits for them
  tests/infer/make_references.py moe                     the same for a tiny random mixture of experts
  tests/infer/make_references.py folders                 Hugging Face folders as transformers writes them, and their logits
  tests/infer/make_references.py blocks                  quantised blocks and what gguf's numpy dequantiser makes of them
  tests/infer/make_references.py smollm2 FILE.gguf       top-1 tokens of SmolLM2-135M-Instruct, dequantised, in fp32

Layout of what it writes: see the readers in tests/infer/*_test.cc.
"""
import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers import PreTrainedTokenizerFast, Qwen3MoeConfig, Qwen3MoeForCausalLM

DATA = pathlib.Path(__file__).parent / "data"
TOKENS = [3, 17, 42, 5, 5, 60, 1, 33, 8, 21, 9, 50, 2, 11, 62, 30, 30, 7, 44, 13, 29, 0, 55, 38]


def permuted(weight, heads):
    """Rows of q and k as GGUF stores them for llama: halves interleaved, so that adjacent pairs rotate."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def unpermuted(weight, heads):
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_tiny(name, architecture, model):
    config = model.config
    path = DATA / f"tiny_{name}.gguf"
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    names = {
        "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp",
    }
    if architecture == "qwen3moe":
        writer.add_expert_count(config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    for key, value in model.state_dict().items():
        array = value.numpy().astype(np.float32)
        if key.endswith("experts.gate_up_proj"):  # [experts, 2 * feed forward, embedding]
            layer, half = key.split(".")[2], array.shape[1] // 2
            writer.add_tensor(f"blk.{layer}.ffn_gate_exps.weight", np.ascontiguousarray(array[:, :half]))
            writer.add_tensor(f"blk.{layer}.ffn_up_exps.weight", np.ascontiguousarray(array[:, half:]))
            continue
        if key.endswith("experts.down_proj"):
            writer.add_tensor(f"blk.{key.split('.')[2]}.ffn_down_exps.weight", array)
            continue
        if key == "model.embed_tokens.weight":
            target = "token_embd.weight"
        elif key == "model.norm.weight":
            target = "output_norm.weight"
        elif key == "lm_head.weight":
            if config.tie_word_embeddings:
                continue
            target = "output.weight"
        else:
            _, _, layer, rest = key.split(".", 3)
            module, kind = rest.rsplit(".", 1)
            target = f"blk.{layer}.{names[module]}.{kind}"
            if architecture == "llama" and module == "self_attn.q_proj":
                array = permuted(array, config.num_attention_heads)
            if architecture == "llama" and module == "self_attn.k_proj":
                array = permuted(array, config.num_key_value_heads)
        writer.add_tensor(target, np.ascontiguousarray(array))
    if config.rope_parameters.get("rope_type") == "llama3":
        # What the converter stores: base frequencies divided by the scaled ones.
        plain = 1.0 / (config.rope_parameters["rope_theta"] ** (torch.arange(0, config.head_dim, 2).float() / config.head_dim))
        writer.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq).numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    write_logits(name, model)


def write_logits(name, model):
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS])).logits[0].float().numpy()
    header = np.array([len(TOKENS), logits.shape[1]], dtype=np.int32).tobytes()
    with torch.no_grad():
        hidden = model.model(torch.tensor([TOKENS])).last_hidden_state[0].double()
        pooled = torch.stack([hidden[-1], hidden.mean(0)])
        pooled = (pooled / pooled.norm(dim=-1, keepdim=True)).float().numpy()
    (DATA / f"tiny_{name}.pooled").write_bytes(pooled.tobytes())  # [2, embedding]: last position, mean
    (DATA / f"tiny_{name}.logits").write_bytes(header + np.array(TOKENS, dtype=np.int32).tobytes() + logits.tobytes())


SIZES = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=16, max_position_embeddings=512, rms_norm_eps=1e-5,
             initializer_range=0.25)
PLAIN = dict(rope_type="default", rope_theta=10000.0)
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)


def random_model(seed, kind, config):
    torch.manual_seed(seed)
    model = kind(config).eval()
    with torch.no_grad():
        for key, value in model.named_parameters():
            if key.endswith("bias"):
                value.normal_(0, 0.3)
            elif "norm" in key:
                value.add_(torch.randn_like(value) * 0.2)
    return model


def llama3_model():
    return random_model(2, LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=False, rope_parameters=LLAMA3))


def qwen2_model():
    return random_model(3, Qwen2ForCausalLM, Qwen2Config(**SIZES, tie_word_embeddings=True, rope_parameters=PLAIN))


def moe_model():
    config = Qwen3MoeConfig(**SIZES, tie_word_embeddings=False, rope_parameters=PLAIN, num_experts=6,
                            num_experts_per_tok=2, moe_intermediate_size=24, norm_topk_prob=True, mlp_only_layers=[1])
    return random_model(5, Qwen3MoeForCausalLM, config)


def tiny():
    llama = LlamaConfig(**SIZES, tie_word_embeddings=True, rope_parameters=PLAIN)
    write_tiny("llama", "llama", random_model(1, LlamaForCausalLM, llama))
    write_tiny("llama3", "llama", llama3_model())
    write_tiny("qwen2", "qwen2", qwen2_model())
    qwen3 = Qwen3Config(**SIZES, tie_word_embeddings=False, rope_parameters=PLAIN)
    write_tiny("qwen3", "qwen3", random_model(4, Qwen3ForCausalLM, qwen3))


def moe():
    write_tiny("qwen3moe", "qwen3moe", moe_model())


TEMPLATE = """{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"""


def tiny_tokenizer():
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    regex = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
             "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(regex), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=281, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(PROMPTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE,
        extra_special_tokens={"start_token": "<|im_start|>"})


def folders():
    """Folders below data/hf: every architecture as save_pretrained() writes it. llama3 in shards with an index."""
    home = DATA / "hf"
    llama3_model().save_pretrained(home / "llama3", max_shard_size="60KB")
    moe_model().save_pretrained(home / "qwen3moe")
    qwen2_model().half().save_pretrained(home / "qwen2")
    # Read back, because half() rounds the rotation frequencies too.
    write_logits("qwen2_f16", Qwen2ForCausalLM.from_pretrained(home / "qwen2", dtype=torch.float32).eval())
    sizes = SIZES | dict(vocab_size=288)
    config = Qwen3Config(**sizes, tie_word_embeddings=True, rope_parameters=PLAIN, eos_token_id=282)
    random_model(6, Qwen3ForCausalLM, config).bfloat16().save_pretrained(home / "qwen3")
    write_logits("qwen3_bf16", Qwen3ForCausalLM.from_pretrained(home / "qwen3", dtype=torch.float32).eval())
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(home / "qwen3")
    text = "The old gate, 東京 café: 2024 \n\n def f(x):"
    reference = dict(text=text, tokens=tokenizer(text)["input_ids"], chat=tokenizer.apply_chat_template(
        [dict(role="system", content="Be brief."), dict(role="user", content="Hi")], add_generation_prompt=True,
        return_dict=False))
    (home / "qwen3" / "reference.json").write_text(json.dumps(reference, ensure_ascii=False) + "\n")


def blocks():
    """blocks.bin: for each type: int32 type number, int32 elements, int32 bytes, the bytes, the fp32 values."""
    random = np.random.default_rng(7)
    types = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
    halves = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2],
              "Q6_K": [208]}
    out = b""
    for name in types:
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        count = 512 // elements
        data = random.integers(0, 256, (count, size), dtype=np.uint8)
        if name == "F16":
            data = random.normal(0, 1, 512).astype(np.float16).view(np.uint8).reshape(count, size)
        if name == "BF16":
            data = (random.normal(0, 1, 512).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
            data = data.reshape(count, size)
        for at in halves.get(name, []):
            data[:, at:at + 2] = random.normal(0, 0.02, count).astype(np.float16).view(np.uint8).reshape(count, 2)
        values = dequantize(data.reshape(1, -1), kind).astype(np.float32).reshape(-1)
        assert values.size == 512
        out += np.array([kind.value, values.size, data.size], dtype=np.int32).tobytes() + data.tobytes() + values.tobytes()
    (DATA / "blocks.bin").write_bytes(out)


PROMPTS = [
    "The capital of France is Paris, and the city is best known for its museums, cafes and",
    "def quicksort(items):\n    if len(items) <= 1:\n        return items\n    pivot = items[",
    "Once upon a time, in a small village beside a very long river, there lived an old",
    "The mitochondria are the parts of a cell that make most of its chemical energy, and they",
    "To make a good cup of coffee at home you need fresh beans, clean water, a grinder and",
    "In 1969, two astronauts landed on the Moon for the first time in history, while a third",
    "A prime number is a whole number greater than one that has no positive divisors other than",
    "The weather in London today is expected to be cloudy with some light rain in the afternoon and",
    "{\"name\": \"maps_around_search\", \"arguments\": {\"keywords\": \"coffee\", \"location\": \"116.48",
    "SELECT name, COUNT(*) FROM orders WHERE created_at > '2024-01-01' GROUP BY name ORDER",
    "Dear Sir or Madam, I am writing to ask about the open position in your sales department that",
    "Water boils at one hundred degrees Celsius at sea level, but at higher altitudes, where the air",
    "The main difference between a list and a tuple in Python is that a list can be changed",
    "She opened the door slowly and looked into the dark room, where somebody had left a candle",
    "Photosynthesis is the process by which green plants use sunlight, water and carbon dioxide to make",
    "If a train leaves the station at 9:00 and travels at 60 miles per hour, then by",
    "#include <stdio.h>\n\nint main(void) {\n    for (int i = 0; i < 10; i++) {\n",
    "The human heart has four chambers: the left and right atria and the left and right ventric",
    "Here are three tips for learning a new language quickly: first, practise every day; second, listen",
    "The stock market fell sharply on Monday after the central bank said that interest rates would remain",
]


def load_smollm2(path):
    reader = gguf.GGUFReader(path)
    field = lambda key: reader.fields[key].contents()
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    config = LlamaConfig(
        vocab_size=49152, hidden_size=field("llama.embedding_length"),
        intermediate_size=field("llama.feed_forward_length"), num_hidden_layers=field("llama.block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads, max_position_embeddings=8192,
        rms_norm_eps=field("llama.attention.layer_norm_rms_epsilon"), tie_word_embeddings=True,
        rope_parameters=dict(rope_type="default", rope_theta=float(field("llama.rope.freq_base"))))
    model = LlamaForCausalLM(config).eval()
    names = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
             "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    state = {}
    for tensor in reader.tensors:
        array = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name = tensor.name
        if name == "token_embd.weight":
            state["model.embed_tokens.weight"] = state["lm_head.weight"] = torch.from_numpy(array.copy())
            continue
        if name == "output_norm.weight":
            state["model.norm.weight"] = torch.from_numpy(array.copy())
            continue
        _, layer, rest, _ = name.split(".")
        if rest == "attn_q":
            array = unpermuted(array, heads)
        if rest == "attn_k":
            array = unpermuted(array, kv_heads)
        state[f"model.layers.{layer}.{names[rest]}.weight"] = torch.from_numpy(np.ascontiguousarray(array))
    model.load_state_dict(state)
    return model


def smollm2(path):
    """smollm2_top1.json: per prompt its tokens, and for every position from the 16th on the reference's top-1 token
    and the gap between its two largest logits, in thousandths. Prompts are cut to 16 tokens; even ones continue
    greedily, odd ones are sampled at temperature 1, so that uncertain positions occur too."""
    from transformers import AutoTokenizer
    path = pathlib.Path(path)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = load_smollm2(path)
    torch.manual_seed(1)
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in PROMPTS]
    assert all(len(p) >= 14 for p in prompts), [len(p) for p in prompts]
    prompts = [p[:14] for p in prompts]
    tokens = torch.tensor(prompts)
    with torch.no_grad():
        cache, fed = None, tokens
        for _ in range(128):
            result = model(fed, past_key_values=cache, use_cache=True)
            cache, logits = result.past_key_values, result.logits[:, -1]
            greedy = logits.argmax(-1)
            sampled = torch.multinomial(torch.softmax(logits, -1), 1)[:, 0]
            fed = torch.where(torch.arange(len(prompts)) % 2 == 0, greedy, sampled)[:, None]
            tokens = torch.cat([tokens, fed], 1)
        rows = []
        for row in tokens:
            top = model(row[None]).logits[0].topk(2, -1)
            gaps = ((top.values[:, 0] - top.values[:, 1]) * 1000).floor().int()
            rows.append(dict(tokens=row.tolist(), top1=top.indices[:, 0].tolist(), gap_thousandths=gaps.tolist()))
    (DATA / "smollm2_top1.json").write_text(
        "[" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "]\n")


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    if sys.argv[1:2] == ["tiny"]:
        tiny()
    elif sys.argv[1:2] == ["moe"]:
        moe()
    elif sys.argv[1:2] == ["folders"]:
        folders()
    elif sys.argv[1:2] == ["blocks"]:
        blocks()
    elif len(sys.argv) == 3 and sys.argv[1] == "smollm2":
        smollm2(sys.argv[2])
    else:
        sys.exit(__doc__)
