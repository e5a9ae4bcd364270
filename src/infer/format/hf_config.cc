#include "infer/format/hf_config.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <optional>

#include "base/json.h"
#include "base/text.h"

namespace tsukai::infer {
namespace {

constexpr JsonLimits kLimits{.bytes_max = 4 << 20, .depth_max = 32};
constexpr std::uint64_t kHeadDimMax = 4096;
constexpr std::size_t kEndsMax = 64;

std::optional<std::uint64_t> count_of(const Json& object, std::string_view key) {
  const Json* value = find(object, key);
  if (value == nullptr || !value->is_number_integer() || value->get<std::int64_t>() < 0) return std::nullopt;
  return value->get<std::uint64_t>();
}

std::vector<std::int64_t> ends_in(const Json& object) {
  std::vector<std::int64_t> ends;
  const Json* value = find(object, "eos_token_id");
  if (value == nullptr) return ends;
  if (value->is_number_integer()) ends.push_back(value->get<std::int64_t>());
  if (value->is_array() && value->size() <= kEndsMax) {
    for (const Json& end : *value) {
      if (end.is_number_integer()) ends.push_back(end.get<std::int64_t>());
    }
  }
  return ends;
}

class ConfigReader {
 public:
  explicit ConfigReader(const Json& root) : root_(root) {}

  Result<HfConfig> run() {
    TSUKAI_TRY_VOID(refuse_unsupported());
    architecture_ = string_at(root_, "model_type");
    if (architecture_ == "qwen3_moe") architecture_ = "qwen3moe";
    config_.values["general.architecture"] = architecture_;
    config_.ties_embeddings = bool_at(root_, "tie_word_embeddings");
    config_.ends = ends_in(root_);
    copy("num_hidden_layers", "block_count");
    copy("hidden_size", "embedding_length");
    copy("intermediate_size", "feed_forward_length");
    copy("num_attention_heads", "attention.head_count");
    copy("num_key_value_heads", "attention.head_count_kv");
    copy("max_position_embeddings", "context_length");
    copy("head_dim", "attention.key_length");
    copy("num_experts", "expert_count");
    copy("num_local_experts", "expert_count");
    copy("num_experts_per_tok", "expert_used_count");
    copy("moe_intermediate_size", "expert_feed_forward_length");
    if (architecture_ == "qwen3moe")
      put("expert_weights_norm", std::uint64_t{bool_at(root_, "norm_topk_prob")});
    if (const Json* epsilon = find(root_, "rms_norm_eps"); epsilon && epsilon->is_number())
      put("attention.layer_norm_rms_epsilon", epsilon->get<double>());
    TSUKAI_TRY_VOID(read_rope());
    return std::move(config_);
  }

 private:
  template <typename Value>
  void put(const char* key, Value value) {
    config_.values[architecture_ + "." + key] = value;
  }
  void copy(const char* from, const char* to) {
    if (const auto value = count_of(root_, from)) put(to, *value);
  }

  Result<void> refuse_unsupported() const {
    if (const Json* quantised = find(root_, "quantization_config"); quantised && quantised->is_object()) {
      return fail(Code::kUnsupported,
                  "weights quantised by \"" + shortened(string_at(*quantised, "quant_method"), 40) + "\"",
                  "choose the model's folder in BF16, or a GGUF file of it");
    }
    const std::string activation = string_at(root_, "hidden_act", "silu");
    if (activation != "silu")
      return fail(Code::kUnsupported, "activation \"" + shortened(activation, 40) + "\"");
    if (bool_at(root_, "use_sliding_window"))
      return fail(Code::kUnsupported, "attention through a sliding window");
    return {};
  }

  Result<void> read_rope() {
    // Version 5 keeps all in rope_parameters; version 4 had rope_theta beside rope_scaling.
    const Json* rope = find(root_, "rope_parameters");
    if (rope == nullptr || !rope->is_object()) rope = find(root_, "rope_scaling");
    const Json none = Json::object();
    if (rope == nullptr || !rope->is_object()) rope = &none;
    const double base = number_at(*rope, "rope_theta", number_at(root_, "rope_theta", 10'000));
    put("rope.freq_base", base);
    const std::uint64_t heads = count_of(root_, "num_attention_heads").value_or(1);
    const std::uint64_t head_dim =
        count_of(root_, "head_dim")
            .value_or(count_of(root_, "hidden_size").value_or(0) / std::max<std::uint64_t>(heads, 1));
    const double part =
        number_at(*rope, "partial_rotary_factor", number_at(root_, "partial_rotary_factor", 1));
    if (head_dim > kHeadDimMax || !(part > 0 && part <= 1))
      return fail(Code::kCorrupt, "head_dim or partial_rotary_factor is impossible");
    const auto rotated = static_cast<std::uint64_t>(static_cast<double>(head_dim) * part);
    if (part < 1) put("rope.dimension_count", rotated);

    const std::string type = string_at(*rope, "rope_type", string_at(*rope, "type", "default"));
    if (type == "linear") {
      put("rope.scaling.type", type);
      put("rope.scaling.factor", number_at(*rope, "factor", 1));
    } else if (type == "llama3") {
      return read_llama3(*rope, base, rotated);
    } else if (type != "default") {
      put("rope.scaling.type", type);  // Refused, by name, where the shape is read.
    }
    return {};
  }

  // Long waves are slowed down by `factor`, short ones not at all, those between by something between.
  // Source: transformers' modeling_rope_utils.py, _compute_llama3_parameters.
  Result<void> read_llama3(const Json& rope, double base, std::uint64_t rotated) {
    const double factor = number_at(rope, "factor"), low = number_at(rope, "low_freq_factor"),
                 high = number_at(rope, "high_freq_factor"),
                 trained = number_at(rope, "original_max_position_embeddings");
    if (!(factor >= 1) || !(low > 0) || !(high > low) || !(trained > 0) || !(base > 1))
      return fail(Code::kCorrupt, "the llama3 rope scaling has impossible numbers");
    for (std::uint64_t i = 0; i < rotated / 2; ++i) {
      const double wave =
          2 * std::numbers::pi * std::pow(base, 2 * static_cast<double>(i) / static_cast<double>(rotated));
      double divisor = 1;
      if (wave > trained / low) {
        divisor = factor;
      } else if (wave >= trained / high) {
        const double smooth = (trained / wave - low) / (high - low);
        divisor = 1 / ((1 - smooth) / factor + smooth);
      }
      config_.rope_divisors.push_back(static_cast<float>(divisor));
    }
    return {};
  }

  const Json& root_;
  std::string architecture_;
  HfConfig config_;
};

}  // namespace

Result<HfConfig> read_hf_config(std::string_view text) {
  auto root = parse_json(text, kLimits);
  if (!root) return fail(Code::kCorrupt, root.error().message());
  if (!root->is_object()) return fail(Code::kCorrupt, "it is no JSON object");
  return ConfigReader(*root).run();
}

std::vector<std::int64_t> end_tokens_of(std::string_view text) {
  const auto root = parse_json(text, kLimits);
  return root ? ends_in(*root) : std::vector<std::int64_t>{};
}

}  // namespace tsukai::infer
