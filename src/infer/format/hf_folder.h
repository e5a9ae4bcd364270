// A model folder as Hugging Face transformers writes it: config.json, *.safetensors (one file, or shards with
// model.safetensors.index.json), tokenizer.json, tokenizer_config.json, generation_config.json and
// chat_template.jinja.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "infer/format/model_file.h"

namespace tsukai::infer {

// Numbers and tensors are given GGUF's names; the weights stay as they are in the mapped files (BF16, F16,
// F32). A tensor that the forward pass has no place for is refused rather than left out.
class HfFolder : public ModelFile {
 public:
  // kNotFound without config.json or weights; kCorrupt, kUnsupported say which file and what in it.
  static Result<std::shared_ptr<const HfFolder>> open(const std::string& path);
};

// "model.layers.3.self_attn.q_proj.weight" is "blk.3.attn_q.weight". Empty: known and not needed (stored
// rotation tables); nothing: not known.
std::optional<std::string> gguf_tensor_name(std::string_view name);

}  // namespace tsukai::infer
