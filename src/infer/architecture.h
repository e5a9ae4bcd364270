// The transformer families and their forward pass, written once over Backend.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "infer/backend.h"
#include "infer/format/model_file.h"

namespace tsukai::infer {

// The numbers of one model, from its file's metadata, checked against each other.
struct ModelShape {
  std::string architecture;  // llama | qwen2 | qwen3 | qwen3moe
  int layers = 0, embedding = 0, heads = 0, kv_heads = 0, head_dim = 0, feed_forward = 0, vocabulary = 0;
  std::size_t context = 0;  // what it was trained for
  float norm_epsilon = 0;
  float rope_base = 0, rope_position_scale = 1;
  int rotated = 0;
  int experts = 0, expert_feed_forward = 0;  // 0: a dense model
  MixtureShape mixture;
  RopePairs rope_pairs = RopePairs::kHalves;
};

// kUnsupported names the architecture or the variant; kCorrupt a key that is missing or impossible.
Result<ModelShape> read_model_shape(const ModelFile& file);

// Weights on a backend plus the scratch memory of one step.
class Architecture {
 public:
  // kCorrupt: a tensor is missing or of the wrong shape. `context`: the most positions a sequence will have.
  // `rows_max`: the most rows of one step.
  static Result<std::unique_ptr<Architecture>> load(std::shared_ptr<const ModelFile> file, Backend& backend,
                                                    std::size_t context, int rows_max);

  const ModelShape& shape() const { return shape_; }

  // Runs `batch` through all layers, storing K and V. `logit_rows` are the batch's rows whose logits are
  // wanted: logits() then holds [logit_rows.size(), vocabulary] fp32. REQUIRES: 1 to rows_max rows, tokens
  // below the vocabulary.
  // Of `hidden_rows` the normed output of the last layer is wanted: hidden() then holds [.., embedding].
  void forward(const Batch& batch, std::span<const std::int32_t> logit_rows,
               std::span<const std::int32_t> hidden_rows);
  Buffer& logits() { return *logits_; }
  const Buffer& hidden() const { return *hidden_; }

 private:
  struct Layer {
    std::unique_ptr<Buffer> attention_norm, feed_forward_norm, q_norm, k_norm, q_bias, k_bias, v_bias;
    std::unique_ptr<Matrix> q, k, v, output, gate, up, down;
    // A mixture in place of gate, up and down:
    std::unique_ptr<Matrix> router;
    std::vector<Expert> experts;
  };

  Architecture(std::shared_ptr<const ModelFile> file, ModelShape shape, Backend& backend)
      : file_(std::move(file)), shape_(std::move(shape)), backend_(backend) {}
  Result<void> bind();
  Result<void> bind_layer(int index, Layer& layer);
  Result<void> bind_feed_forward(const std::string& prefix, Layer& layer);
  Result<void> bind_experts(const std::string& prefix, Layer& layer);
  Result<std::unique_ptr<Matrix>> expert(const std::string& prefix, const char* part, int index, int rows,
                                         int columns);
  Result<std::unique_ptr<Matrix>> matrix(const std::string& name, int rows, int columns);
  Result<std::unique_ptr<Buffer>> vector(const std::string& name, int width);
  Result<std::unique_ptr<Buffer>> vector_if_present(const std::string& name, int width);
  Result<void> make_rope(std::size_t context);
  Result<void> make_scratch(int rows_max);

  std::shared_ptr<const ModelFile> file_;
  ModelShape shape_;
  Backend& backend_;
  std::unique_ptr<Matrix> embedding_, head_;  // head_ null: tied to the embedding
  std::unique_ptr<Buffer> output_norm_, cosines_, sines_;
  std::vector<Layer> layers_;
  // Scratch [rows_max, ...]: the residual stream, its norm, and the intermediate results.
  std::unique_ptr<Buffer> x_, normed_, q_, k_, v_, attended_, gate_, up_, router_, last_, hidden_, logits_;
};

}  // namespace tsukai::infer
