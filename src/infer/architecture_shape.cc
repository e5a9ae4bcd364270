// Reading a model's numbers from GGUF metadata.
#include "infer/architecture.h"

namespace tsukai::infer {
namespace {

// Far above any model there is; keeps products of these inside 64 bits.
constexpr std::uint64_t kLayersMax = 1024;
constexpr std::uint64_t kWidthMax = 1 << 20;
constexpr std::uint64_t kExpertsMax = 4096;
constexpr std::uint64_t kContextMax = 1 << 24;

class ShapeReader {
 public:
  ShapeReader(const ModelFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  Result<int> integer(const char* key, std::uint64_t most) const {
    const auto value = file_.integer(prefix_ + key);
    if (!value)
      return fail(Code::kCorrupt, file_.path() + ": metadata " + prefix_ + key + " is missing or no integer");
    if (*value == 0 || *value > most) {
      return fail(Code::kCorrupt,
                  file_.path() + ": metadata " + prefix_ + key + " is " + std::to_string(*value));
    }
    return static_cast<int>(*value);
  }
  Result<int> integer_or(const char* key, std::uint64_t most, int otherwise) const {
    if (!file_.integer(prefix_ + key)) return otherwise;
    return integer(key, most);
  }

 private:
  const ModelFile& file_;
  std::string prefix_;
};

}  // namespace

Result<ModelShape> read_model_shape(const ModelFile& file) {
  ModelShape shape;
  const auto architecture = file.string("general.architecture");
  if (!architecture) return fail(Code::kCorrupt, file.path() + ": metadata general.architecture is missing");
  shape.architecture = *architecture;
  if (shape.architecture != "llama" && shape.architecture != "qwen2" && shape.architecture != "qwen3" &&
      shape.architecture != "qwen3moe") {
    return fail(Code::kUnsupported,
                file.path() + ": architecture \"" + shape.architecture + "\" is not supported",
                "choose a model of architecture llama, qwen2, qwen3 or qwen3moe");
  }
  const std::string prefix = shape.architecture + ".";
  const ShapeReader reader(file, prefix);
  TSUKAI_TRY(shape.layers, reader.integer("block_count", kLayersMax));
  TSUKAI_TRY(shape.embedding, reader.integer("embedding_length", kWidthMax));
  TSUKAI_TRY(shape.feed_forward, reader.integer("feed_forward_length", kWidthMax));
  TSUKAI_TRY(shape.heads, reader.integer("attention.head_count", kWidthMax));
  TSUKAI_TRY(shape.kv_heads, reader.integer_or("attention.head_count_kv", kWidthMax, shape.heads));
  TSUKAI_TRY(const int context, reader.integer("context_length", kContextMax));
  shape.context = static_cast<std::size_t>(context);
  TSUKAI_TRY(shape.head_dim, reader.integer_or("attention.key_length", kWidthMax,
                                               std::max(1, shape.embedding / shape.heads)));
  TSUKAI_TRY(const int value_dim, reader.integer_or("attention.value_length", kWidthMax, shape.head_dim));
  TSUKAI_TRY(shape.rotated, reader.integer_or("rope.dimension_count", kWidthMax, shape.head_dim));
  const auto epsilon = file.real(prefix + "attention.layer_norm_rms_epsilon");
  if (!epsilon || !(*epsilon > 0) || *epsilon > 1) {
    return fail(Code::kCorrupt, file.path() + ": metadata " + prefix +
                                    "attention.layer_norm_rms_epsilon is missing or impossible");
  }
  shape.norm_epsilon = static_cast<float>(*epsilon);
  shape.rope_base = static_cast<float>(file.real(prefix + "rope.freq_base").value_or(10'000));
  if (!(shape.rope_base > 1))
    return fail(Code::kCorrupt, file.path() + ": metadata " + prefix + "rope.freq_base is impossible");
  shape.rope_pairs = file.rotates_neighbours() ? RopePairs::kAdjacent : RopePairs::kHalves;

  const std::string scaling = file.string(prefix + "rope.scaling.type").value_or("none");
  if (scaling == "linear") {
    const double factor = file.real(prefix + "rope.scaling.factor").value_or(1);
    if (!(factor >= 1))
      return fail(Code::kCorrupt, file.path() + ": metadata " + prefix + "rope.scaling.factor is impossible");
    shape.rope_position_scale = static_cast<float>(1 / factor);
  } else if (scaling != "none") {
    return fail(Code::kUnsupported, file.path() + ": rope scaling \"" + scaling + "\" is not supported");
  }

  if (shape.heads % shape.kv_heads != 0) {
    return fail(Code::kCorrupt, file.path() + ": " + std::to_string(shape.heads) + " heads can't share " +
                                    std::to_string(shape.kv_heads) + " KV heads");
  }
  if (value_dim != shape.head_dim) {
    return fail(Code::kUnsupported, file.path() + ": keys and values of different lengths are not supported");
  }
  if (shape.rotated % 2 != 0 || shape.rotated > shape.head_dim) {
    return fail(Code::kCorrupt, file.path() + ": metadata " + prefix + "rope.dimension_count is impossible");
  }
  if (shape.architecture == "qwen3moe") {
    TSUKAI_TRY(shape.experts, reader.integer("expert_count", kExpertsMax));
    TSUKAI_TRY(shape.mixture.used,
               reader.integer("expert_used_count", static_cast<std::uint64_t>(shape.experts)));
    TSUKAI_TRY(shape.expert_feed_forward, reader.integer("expert_feed_forward_length", kWidthMax));
    // GGUF files of qwen3moe leave it out: all published ones normalise.
    shape.mixture.normalises = file.integer(prefix + "expert_weights_norm").value_or(1) != 0;
  }
  const TensorView* embedding = file.tensor("token_embd.weight");
  if (embedding == nullptr)
    return fail(Code::kCorrupt, file.path() + ": tensor token_embd.weight is missing");
  if (embedding->shape.size() != 2 || embedding->shape[1] > (1u << 24)) {
    return fail(Code::kCorrupt, file.path() + ": tensor token_embd.weight has the wrong shape");
  }
  shape.vocabulary = static_cast<int>(embedding->shape[1]);
  return shape;
}

}  // namespace tsukai::infer
