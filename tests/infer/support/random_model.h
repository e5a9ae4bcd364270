// Models of any shape with random weights, as GGUF bytes: speed and counts are real, text is noise.
#pragma once

#include <cmath>
#include <string>

#include "infer/format/quantisation.h"
#include "infer/support/gguf_bytes.h"

namespace tsukai::infer {

struct RandomShape {
  std::string architecture = "llama";
  std::uint32_t layers = 2, embedding = 32, heads = 4, kv_heads = 2, head_dim = 16, feed_forward = 48;
  std::uint32_t vocabulary = 64, context = 8192;
  TensorType type = TensorType::kF32;  // of the matrices: F32, Q8_0, Q4_1 or Q4_0
};

class RandomModel {
 public:
  explicit RandomModel(const RandomShape& shape) : shape_(shape) {
    const std::uint32_t d = shape.embedding, q = shape.heads * shape.head_dim,
                        kv = shape.kv_heads * shape.head_dim;
    add("token_embd.weight", d, shape.vocabulary, shape.type);
    add("output_norm.weight", d, 0, TensorType::kF32);
    for (std::uint32_t i = 0; i < shape.layers; ++i) {
      const std::string prefix = "blk." + std::to_string(i) + ".";
      add(prefix + "attn_norm.weight", d, 0, TensorType::kF32);
      add(prefix + "attn_q.weight", d, q, shape.type);
      add(prefix + "attn_k.weight", d, kv, shape.type);
      add(prefix + "attn_v.weight", d, kv, shape.type);
      add(prefix + "attn_output.weight", q, d, shape.type);
      add(prefix + "ffn_norm.weight", d, 0, TensorType::kF32);
      add(prefix + "ffn_gate.weight", d, shape.feed_forward, shape.type);
      add(prefix + "ffn_up.weight", d, shape.feed_forward, shape.type);
      add(prefix + "ffn_down.weight", shape.feed_forward, d, shape.type);
      if (shape.architecture == "qwen3") {
        add(prefix + "attn_q_norm.weight", shape.head_dim, 0, TensorType::kF32);
        add(prefix + "attn_k_norm.weight", shape.head_dim, 0, TensorType::kF32);
      }
    }
  }

  std::string bytes() {
    const std::string& a = shape_.architecture;
    GgufBytes file;
    file.header(tensors_.size(), 12).key_text("general.architecture", a).key_text("general.name", "random");
    file.key_u32(a + ".block_count", shape_.layers).key_u32(a + ".embedding_length", shape_.embedding);
    file.key_u32(a + ".feed_forward_length", shape_.feed_forward)
        .key_u32(a + ".context_length", shape_.context);
    file.key_u32(a + ".attention.head_count", shape_.heads)
        .key_u32(a + ".attention.head_count_kv", shape_.kv_heads);
    file.key_u32(a + ".attention.key_length", shape_.head_dim);
    file.key_u32(a + ".attention.value_length", shape_.head_dim);
    file.key_f32(a + ".attention.layer_norm_rms_epsilon", 1e-5f).key_f32(a + ".rope.freq_base", 10'000);
    std::uint64_t offset = 0;
    for (const Tensor& tensor : tensors_) {
      file.tensor(tensor.name, tensor.shape, static_cast<std::uint32_t>(tensor.type), offset);
      offset += (tensor.bytes + 31) / 32 * 32;
    }
    file.data(0);
    std::string whole = file.bytes();
    for (const Tensor& tensor : tensors_) {
      fill(whole, tensor);
      whole.resize((whole.size() + 31) / 32 * 32);
    }
    return whole;
  }

 private:
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;
    TensorType type;
    std::size_t bytes;
  };

  void add(std::string name, std::uint32_t columns, std::uint32_t rows, TensorType type) {
    std::vector<std::uint64_t> shape{columns};
    if (rows != 0) shape.push_back(rows);
    tensors_.push_back({std::move(name), shape, type, row_bytes(type, columns) * (rows == 0 ? 1 : rows)});
  }
  std::uint32_t next() { return state_ = state_ * 1664525u + 1013904223u; }
  float uniform() { return static_cast<float>(next() >> 8) * 0x1p-23f - 1; }

  void fill(std::string& out, const Tensor& tensor) {
    if (tensor.type == TensorType::kF32) {
      const bool norm = tensor.shape.size() == 1;
      const float scale = std::sqrt(3.0f / static_cast<float>(tensor.shape[0]));
      for (std::size_t i = 0; i < tensor.bytes / 4; ++i) {
        const float value = norm ? 1 + 0.1f * uniform() : scale * uniform();
        out.append(reinterpret_cast<const char*>(&value), 4);
      }
      return;
    }
    // Random integers, and a scale of each block that gives rows of about unit norm.
    const std::size_t block = row_bytes(tensor.type, 32), halves = tensor.type == TensorType::kQ4_1 ? 2 : 1;
    const float levels = tensor.type == TensorType::kQ8_0 ? 127.0f : 7.5f;
    const float scale = std::sqrt(3.0f / static_cast<float>(tensor.shape[0])) / levels;
    const std::uint16_t d = float_to_half(scale), m = float_to_half(-levels * scale);
    for (std::size_t i = 0; i < tensor.bytes; i += block) {
      out.append(reinterpret_cast<const char*>(&d), 2);
      if (halves == 2) out.append(reinterpret_cast<const char*>(&m), 2);
      for (std::size_t j = 2 * halves; j < block; ++j) out.push_back(static_cast<char>(next() >> 24));
    }
  }

  RandomShape shape_;
  std::vector<Tensor> tensors_;
  std::uint32_t state_ = 2463534242u;
};

}  // namespace tsukai::infer
