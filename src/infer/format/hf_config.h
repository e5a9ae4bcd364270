// config.json of a Hugging Face folder: a model's numbers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tsukai::infer {

struct HfConfig {
  // By GGUF's keys: "general.architecture", "qwen3.block_count", ...
  std::map<std::string, std::variant<std::uint64_t, double, std::string>, std::less<>> values;
  bool ties_embeddings = false;
  // Llama 3.1's rope scaling: what each frequency is divided by (GGUF's "rope_freqs.weight"); else empty.
  std::vector<float> rope_divisors;
  std::vector<std::int64_t> ends;  // eos_token_id
};

// A number that is absent or of another type is left out: reading the shape says which is missing.
// kUnsupported: what the forward pass does not do (quantised weights, sliding windows, other activations).
// Source: transformers' LlamaConfig, Qwen2Config, Qwen3Config, Qwen3MoeConfig, versions 4 and 5.
Result<HfConfig> read_hf_config(std::string_view text);

// "eos_token_id" of config.json or generation_config.json: a number or a list of them.
std::vector<std::int64_t> end_tokens_of(std::string_view text);

}  // namespace tsukai::infer
