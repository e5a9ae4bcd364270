// The plain kernels: what the others are tested against. Right before fast; sums in double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "infer/backend.h"
#include "infer/cpu/kernels.h"
#include "infer/format/quantisation.h"

namespace tsukai::infer::cpu {
namespace {

void dot(const float* w, int rows, const float* x, int columns, std::size_t width, float* out,
         std::size_t out_stride) {
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      double sum = 0;
      for (std::size_t i = 0; i < width; ++i) {
        sum += static_cast<double>(w[r * width + i]) * static_cast<double>(x[c * width + i]);
      }
      out[c * out_stride + r] = static_cast<float>(sum);
    }
  }
}

bool dot_packed(TensorType, const std::byte*, std::size_t, int, const float*, std::size_t, float*) {
  return false;
}

inline float widened(std::uint16_t half) { return half_to_float(half); }
inline float widened(float value) { return value; }
inline float widened(std::int8_t value) { return value; }

// What the elements at a position of a page are multiplied by.
template <typename Element>
float scale_at(const std::byte* page, int head_dim, int position) {
  if constexpr (!std::is_same_v<Element, std::int8_t>) return 1;
  float scale;
  std::memcpy(
      &scale,
      page + (static_cast<std::size_t>(head_dim) * kPageTokens + static_cast<std::size_t>(position) * 4), 4);
  return scale;
}

// Softmax over all positions at once; no chunks are needed where sums are in double and in order.
template <typename Element>
void attend(const AttentionTile& tile, int index) {
  const int d = tile.head_dim;
  const int count = tile.position[index] + 1;
  std::vector<double> weights(count);
  double largest = -INFINITY, total = 0;
  for (int t = 0; t < count; ++t) {
    const std::byte* page = tile.k + tile.pages[t / kPageTokens] * tile.page_stride;
    const auto* k = reinterpret_cast<const Element*>(page) + t % kPageTokens;
    double score = 0;
    for (int i = 0; i < d; ++i) score += static_cast<double>(tile.q[index][i]) * widened(k[i * kPageTokens]);
    weights[t] = score * scale_at<Element>(page, d, t % kPageTokens) * tile.scale;
    largest = std::max(largest, weights[t]);
  }
  for (double& weight : weights) {
    weight = std::exp(weight - largest);
    total += weight;
  }
  for (int i = 0; i < d; ++i) {
    double sum = 0;
    for (int t = 0; t < count; ++t) {
      const std::byte* page = tile.v + tile.pages[t / kPageTokens] * tile.page_stride;
      const auto* v = reinterpret_cast<const Element*>(page) + (t % kPageTokens) * d;
      sum += weights[t] * widened(v[i]) * scale_at<Element>(page, d, t % kPageTokens);
    }
    tile.out[index][i] = static_cast<float>(sum / total);
  }
}

void attention(const AttentionTile& tile) {
  for (int i = 0; i < tile.count; ++i) {
    if (tile.type == KvType::kF16) {
      attend<std::uint16_t>(tile, i);
    } else if (tile.type == KvType::kQ8) {
      attend<std::int8_t>(tile, i);
    } else {
      attend<float>(tile, i);
    }
  }
}

void silu_multiply(float* gate, const float* up, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) {
    const double g = gate[i];
    gate[i] = static_cast<float>(g / (1 + std::exp(-g)) * up[i]);
  }
}

}  // namespace

const Kernels& reference_kernels() {
  static const Kernels kernels{"reference", dequantise_row, dot_packed,      dot,
                               attention,   silu_multiply,  sample_reference};
  return kernels;
}

}  // namespace tsukai::infer::cpu
