#include "infer/architecture.h"

#include <algorithm>
#include <cmath>

#include "infer/format/quantisation.h"

namespace tsukai::infer {
namespace {

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text;
  for (const std::uint64_t extent : shape) text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return text;
}

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

Result<std::unique_ptr<Architecture>> Architecture::load(std::shared_ptr<const ModelFile> file,
                                                         Backend& backend, std::size_t context,
                                                         int rows_max) {
  TSUKAI_TRY(ModelShape shape, read_model_shape(*file));
  std::unique_ptr<Architecture> model(new Architecture(std::move(file), std::move(shape), backend));
  TSUKAI_TRY_VOID(model->bind());
  TSUKAI_TRY_VOID(model->make_rope(context));
  TSUKAI_TRY_VOID(model->make_scratch(rows_max));
  return model;
}

Result<void> Architecture::bind() {
  TSUKAI_TRY(embedding_, matrix("token_embd.weight", shape_.vocabulary, shape_.embedding));
  TSUKAI_TRY(output_norm_, vector("output_norm.weight", shape_.embedding));
  if (file_->tensor("output.weight") != nullptr) {
    TSUKAI_TRY(head_, matrix("output.weight", shape_.vocabulary, shape_.embedding));
  }
  layers_.resize(static_cast<std::size_t>(shape_.layers));
  for (int i = 0; i < shape_.layers; ++i)
    TSUKAI_TRY_VOID(bind_layer(i, layers_[static_cast<std::size_t>(i)]));
  return {};
}

Result<void> Architecture::bind_layer(int index, Layer& layer) {
  const std::string prefix = "blk." + std::to_string(index) + ".";
  const int d = shape_.embedding, q = shape_.heads * shape_.head_dim, kv = shape_.kv_heads * shape_.head_dim;
  TSUKAI_TRY(layer.attention_norm, vector(prefix + "attn_norm.weight", d));
  TSUKAI_TRY(layer.q, matrix(prefix + "attn_q.weight", q, d));
  TSUKAI_TRY(layer.k, matrix(prefix + "attn_k.weight", kv, d));
  TSUKAI_TRY(layer.v, matrix(prefix + "attn_v.weight", kv, d));
  TSUKAI_TRY(layer.output, matrix(prefix + "attn_output.weight", d, q));
  TSUKAI_TRY(layer.feed_forward_norm, vector(prefix + "ffn_norm.weight", d));
  TSUKAI_TRY_VOID(bind_feed_forward(prefix, layer));
  TSUKAI_TRY(layer.q_bias, vector_if_present(prefix + "attn_q.bias", q));
  TSUKAI_TRY(layer.k_bias, vector_if_present(prefix + "attn_k.bias", kv));
  TSUKAI_TRY(layer.v_bias, vector_if_present(prefix + "attn_v.bias", kv));
  if (shape_.architecture == "qwen2" && (!layer.q_bias || !layer.k_bias || !layer.v_bias)) {
    return fail(Code::kCorrupt, file_->path() + ": a bias of " + prefix + "attn_q, _k or _v is missing");
  }
  if (shape_.architecture == "qwen3" || shape_.architecture == "qwen3moe") {
    TSUKAI_TRY(layer.q_norm, vector(prefix + "attn_q_norm.weight", shape_.head_dim));
    TSUKAI_TRY(layer.k_norm, vector(prefix + "attn_k_norm.weight", shape_.head_dim));
  }
  return {};
}

Result<void> Architecture::bind_feed_forward(const std::string& prefix, Layer& layer) {
  // Single layers of a mixture may be dense; which ones, only their tensors say.
  if (shape_.experts > 0 && file_->tensor(prefix + "ffn_gate_inp.weight") != nullptr)
    return bind_experts(prefix, layer);
  TSUKAI_TRY(layer.gate, matrix(prefix + "ffn_gate.weight", shape_.feed_forward, shape_.embedding));
  TSUKAI_TRY(layer.up, matrix(prefix + "ffn_up.weight", shape_.feed_forward, shape_.embedding));
  TSUKAI_TRY(layer.down, matrix(prefix + "ffn_down.weight", shape_.embedding, shape_.feed_forward));
  return {};
}

Result<void> Architecture::bind_experts(const std::string& prefix, Layer& layer) {
  const int d = shape_.embedding, width = shape_.expert_feed_forward;
  TSUKAI_TRY(layer.router, matrix(prefix + "ffn_gate_inp.weight", shape_.experts, d));
  for (int i = 0; i < shape_.experts; ++i) {
    Expert& one = layer.experts.emplace_back();
    TSUKAI_TRY(one.gate, expert(prefix, "gate", i, width, d));
    TSUKAI_TRY(one.up, expert(prefix, "up", i, width, d));
    TSUKAI_TRY(one.down, expert(prefix, "down", i, d, width));
  }
  return {};
}

// A slice of the layer's stacked tensor, or a tensor of its own.
Result<std::unique_ptr<Matrix>> Architecture::expert(const std::string& prefix, const char* part, int index,
                                                     int rows, int columns) {
  const std::string name = prefix + "ffn_" + part + "_exps.weight";
  const TensorView* stacked = file_->tensor(name);
  if (stacked == nullptr)
    return matrix(prefix + "ffn_" + part + "." + std::to_string(index) + ".weight", rows, columns);
  const std::vector<std::uint64_t> shape{static_cast<std::uint64_t>(columns),
                                         static_cast<std::uint64_t>(rows),
                                         static_cast<std::uint64_t>(shape_.experts)};
  if (stacked->shape != shape) {
    return fail(Code::kCorrupt, file_->path() + ": tensor " + name + " is " + shape_text(stacked->shape) +
                                    ", not " + shape_text(shape));
  }
  const std::size_t bytes = stacked->bytes.size() / static_cast<std::size_t>(shape_.experts);
  return backend_.matrix({stacked->name,
                          stacked->type,
                          {shape[0], shape[1]},
                          stacked->bytes.subspan(static_cast<std::size_t>(index) * bytes, bytes)});
}

Result<std::unique_ptr<Matrix>> Architecture::matrix(const std::string& name, int rows, int columns) {
  const TensorView* tensor = file_->tensor(name);
  if (tensor == nullptr) return fail(Code::kCorrupt, file_->path() + ": tensor " + name + " is missing");
  if (tensor->shape.size() != 2 || tensor->shape[0] != static_cast<std::uint64_t>(columns) ||
      tensor->shape[1] != static_cast<std::uint64_t>(rows)) {
    return fail(Code::kCorrupt, file_->path() + ": tensor " + name + " is " + shape_text(tensor->shape) +
                                    ", not " + std::to_string(columns) + " x " + std::to_string(rows));
  }
  return backend_.matrix(*tensor);
}

Result<std::unique_ptr<Buffer>> Architecture::vector_if_present(const std::string& name, int width) {
  if (file_->tensor(name) == nullptr) return std::unique_ptr<Buffer>();
  return vector(name, width);
}

Result<std::unique_ptr<Buffer>> Architecture::vector(const std::string& name, int width) {
  const TensorView* tensor = file_->tensor(name);
  if (tensor == nullptr) return fail(Code::kCorrupt, file_->path() + ": tensor " + name + " is missing");
  if (tensor->shape.size() != 1 || tensor->shape[0] != static_cast<std::uint64_t>(width)) {
    return fail(Code::kCorrupt, file_->path() + ": tensor " + name + " is " + shape_text(tensor->shape) +
                                    ", not " + std::to_string(width));
  }
  std::vector<float> values(static_cast<std::size_t>(width));
  dequantise_row(tensor->type, tensor->bytes.data(), values.size(), values.data());
  TSUKAI_TRY(auto buffer, backend_.allocate(values.size() * sizeof(float)));
  backend_.upload(*buffer, 0, bytes_of(values));
  return buffer;
}

// Angles as the reference implementation computes them: inverse frequencies and products in fp32.
Result<void> Architecture::make_rope(std::size_t context) {
  const auto half = static_cast<std::size_t>(shape_.rotated / 2);
  std::vector<float> frequencies(half);
  for (std::size_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(shape_.rotated);
    frequencies[i] = 1.0f / static_cast<float>(std::pow(static_cast<double>(shape_.rope_base),
                                                        static_cast<double>(exponent)));
  }
  // Llama 3.1 and later: how much each frequency is slowed down, computed once by the converter.
  if (const TensorView* factors = file_->tensor("rope_freqs.weight")) {
    if (factors->shape.size() != 1 || factors->shape[0] != half) {
      return fail(Code::kCorrupt, file_->path() + ": tensor rope_freqs.weight is " +
                                      shape_text(factors->shape) + ", not " + std::to_string(half));
    }
    std::vector<float> values(half);
    dequantise_row(factors->type, factors->bytes.data(), half, values.data());
    for (std::size_t i = 0; i < half; ++i) frequencies[i] /= values[i];
  }
  std::vector<float> cosines(context * half), sines(context * half);
  for (std::size_t p = 0; p < context; ++p) {
    for (std::size_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(p) * shape_.rope_position_scale * frequencies[i];
      cosines[p * half + i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sines[p * half + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  TSUKAI_TRY(cosines_, backend_.allocate(cosines.size() * sizeof(float)));
  TSUKAI_TRY(sines_, backend_.allocate(sines.size() * sizeof(float)));
  backend_.upload(*cosines_, 0, bytes_of(cosines));
  backend_.upload(*sines_, 0, bytes_of(sines));
  return {};
}

Result<void> Architecture::make_scratch(int rows_max) {
  const std::size_t row = sizeof(float) * static_cast<std::size_t>(rows_max);
  const auto width = [&](int columns) { return backend_.allocate(row * static_cast<std::size_t>(columns)); };
  TSUKAI_TRY(x_, width(shape_.embedding));
  TSUKAI_TRY(normed_, width(shape_.embedding));
  TSUKAI_TRY(q_, width(shape_.heads * shape_.head_dim));
  TSUKAI_TRY(k_, width(shape_.kv_heads * shape_.head_dim));
  TSUKAI_TRY(v_, width(shape_.kv_heads * shape_.head_dim));
  TSUKAI_TRY(attended_, width(shape_.heads * shape_.head_dim));
  TSUKAI_TRY(gate_, width(shape_.feed_forward));
  TSUKAI_TRY(up_, width(shape_.feed_forward));
  TSUKAI_TRY(router_, width(std::max(shape_.experts, 1)));
  TSUKAI_TRY(last_, width(shape_.embedding));
  TSUKAI_TRY(hidden_, width(shape_.embedding));
  // Committed as it is touched, so the rarely used rest costs no memory on the CPU.
  TSUKAI_TRY(logits_, width(shape_.vocabulary));
  return {};
}

void Architecture::forward(const Batch& batch, std::span<const std::int32_t> logit_rows,
                           std::span<const std::int32_t> hidden_rows) {
  Backend& b = backend_;
  const int rows = static_cast<int>(batch.tokens.size());
  const int d = shape_.embedding;
  const float epsilon = shape_.norm_epsilon;
  const Rope rope{shape_.rope_pairs, shape_.rotated, cosines_.get(), sines_.get()};
  AttentionShape attention{0, shape_.heads, 1.0f / std::sqrt(static_cast<float>(shape_.head_dim))};

  b.begin(batch);
  b.embed(*embedding_, *x_);
  for (int i = 0; i < shape_.layers; ++i) {
    const Layer& layer = layers_[static_cast<std::size_t>(i)];
    b.rms_norm(*x_, *layer.attention_norm, rows, d, epsilon, *normed_);
    b.multiply(*normed_, *layer.q, layer.q_bias.get(), rows, *q_, false);
    b.multiply(*normed_, *layer.k, layer.k_bias.get(), rows, *k_, false);
    b.multiply(*normed_, *layer.v, layer.v_bias.get(), rows, *v_, false);
    b.norm_and_rotate(*q_, shape_.heads, shape_.head_dim, layer.q_norm.get(), epsilon, rope);
    b.norm_and_rotate(*k_, shape_.kv_heads, shape_.head_dim, layer.k_norm.get(), epsilon, rope);
    b.store_kv(i, *k_, *v_);
    attention.layer = i;
    b.attention(attention, *q_, *attended_);
    b.multiply(*attended_, *layer.output, nullptr, rows, *x_, true);

    b.rms_norm(*x_, *layer.feed_forward_norm, rows, d, epsilon, *normed_);
    if (layer.router) {
      b.multiply(*normed_, *layer.router, nullptr, rows, *router_, false);
      b.mix_experts(shape_.mixture, layer.experts, *normed_, *router_, rows, *x_);
      continue;
    }
    b.multiply(*normed_, *layer.gate, nullptr, rows, *gate_, false);
    b.multiply(*normed_, *layer.up, nullptr, rows, *up_, false);
    b.silu_multiply(*gate_, *up_, rows, shape_.feed_forward);
    b.multiply(*gate_, *layer.down, nullptr, rows, *x_, true);
  }
  if (!hidden_rows.empty()) {
    b.gather_rows(*x_, hidden_rows, d, *last_);
    b.rms_norm(*last_, *output_norm_, static_cast<int>(hidden_rows.size()), d, epsilon, *hidden_);
  }
  if (logit_rows.empty()) return;
  const int wanted = static_cast<int>(logit_rows.size());
  b.gather_rows(*x_, logit_rows, d, *last_);
  b.rms_norm(*last_, *output_norm_, wanted, d, epsilon, *normed_);
  b.multiply(*normed_, head_ ? *head_ : *embedding_, nullptr, wanted, *logits_, false);
}

}  // namespace tsukai::infer
