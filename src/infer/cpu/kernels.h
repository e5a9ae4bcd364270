// The inner loops of the CPU backend, in one table per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "infer/backend.h"
#include "infer/cpu/sampling.h"
#include "infer/format/model_file.h"

namespace tsukai::infer::cpu {

constexpr int kAttentionTile = 4;  // query vectors that read the same K and V together
constexpr int kHeadDimMax = 256;

// Up to kAttentionTile query vectors of one sequence that share a KV head.
//   K of a page: [head_dim, 16], the 16 positions innermost; V of a page: [16, head_dim]; both of `type`;
//   kv_head_bytes() tells the size.
struct AttentionTile {
  const float* q[kAttentionTile];  // each [head_dim]
  float* out[kAttentionTile];      // each [head_dim]
  int position[kAttentionTile];    // attends to 0 .. position
  int count = 0;
  const std::int32_t* pages = nullptr;
  const std::byte* k = nullptr;  // of page 0, this layer and KV head
  const std::byte* v = nullptr;
  KvType type = KvType::kF16;
  std::size_t page_stride = 0;  // in bytes, from page to page
  int head_dim = 0;             // a multiple of 16, at most kHeadDimMax
  float scale = 1;
};

struct Kernels {
  const char* name;
  // A row of a tensor to fp32.
  void (*dequantise)(TensorType type, const std::byte* row, std::size_t columns, float* out);
  // out[r] = the dot product of row r of `weights`, row_bytes apart, with x [width]: the bits that
  // dequantise() and dot() give. False, and nothing is done, when there is no faster way than those two.
  bool (*dot_packed)(TensorType type, const std::byte* weights, std::size_t row_bytes, int rows,
                     const float* x, std::size_t width, float* out);
  // out[c * out_stride + r] = dot(w + r * width, x + c * width) for r < rows, c < columns; width a multiple
  // of 16 is fast, any is right. The order of a sum depends on width alone.
  void (*dot)(const float* w, int rows, const float* x, int columns, std::size_t width, float* out,
              std::size_t out_stride);
  void (*attention)(const AttentionTile& tile);
  // gate[i] = silu(gate[i]) * up[i]
  void (*silu_multiply)(float* gate, const float* up, std::size_t width);
  std::int32_t (*sample)(const SampleTask& task, SampleScratch& scratch);
};

const Kernels& reference_kernels();
#if defined(__x86_64__)
const Kernels& avx2_kernels();
#endif

// By name, if this processor can run them; "auto" is the best. Nothing: unknown here.
const Kernels* find_kernels(std::string_view name);
std::vector<std::string> available_kernels();  // best first

}  // namespace tsukai::infer::cpu
