// Kernels for AVX2 + FMA + F16C. Only the functions below the pragma use those instructions: a flag on the
// whole file would let inline functions of shared headers be compiled with them and picked by the linker for
// every machine.
#include "infer/cpu/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "infer/backend.h"
#include "infer/cpu/weights_avx2.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

namespace tsukai::infer::cpu {
namespace {

// R x C dot products; each is eight partial sums over every eighth element, then their sum, then the tail:
// the same operations in the same order whatever R and C.
template <int R, int C>
inline void dot_tile(const float* w, const float* x, std::size_t width, float* out, std::size_t out_stride) {
  __m256 sums[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) sums[r][c] = _mm256_setzero_ps();
  }
  const std::size_t whole = width / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    __m256 columns[C];
    for (int c = 0; c < C; ++c) columns[c] = _mm256_loadu_ps(x + c * width + i);
    for (int r = 0; r < R; ++r) {
      const __m256 row = _mm256_loadu_ps(w + r * width + i);
      for (int c = 0; c < C; ++c) sums[r][c] = _mm256_fmadd_ps(row, columns[c], sums[r][c]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      float sum = sum_of(sums[r][c]);
      for (std::size_t i = whole; i < width; ++i) sum += w[r * width + i] * x[c * width + i];
      out[c * out_stride + r] = sum;
    }
  }
}

template <int C>
inline void dot_columns(const float* w, int rows, const float* x, std::size_t width, float* out,
                        std::size_t out_stride) {
  int r = 0;
  for (; r + 4 <= rows; r += 4) dot_tile<4, C>(w + r * width, x, width, out + r, out_stride);
  for (; r < rows; ++r) dot_tile<1, C>(w + r * width, x, width, out + r, out_stride);
}

void dot(const float* w, int rows, const float* x, int columns, std::size_t width, float* out,
         std::size_t out_stride) {
  int c = 0;
  for (; c + 3 <= columns; c += 3)
    dot_columns<3>(w, rows, x + c * width, width, out + c * out_stride, out_stride);
  for (; c < columns; ++c) dot_columns<1>(w, rows, x + c * width, width, out + c * out_stride, out_stride);
}

// e^x for x <= 88: 2^n * p(f), relative error below 2e-7; 0 below -87.
inline __m256 exponential(__m256 x) {
  const __m256 in_range = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0f), _CMP_GE_OQ);
  x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-87.0f)), _mm256_set1_ps(88.0f));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // x - n ln 2 in two parts, so that the difference keeps its low bits.
  __m256 f = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  f = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), f);
  __m256 p = _mm256_set1_ps(1.0f / 5040);
  for (const float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(c));
  }
  const __m256i power =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_and_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(power)), in_range);
}

void silu_multiply(float* gate, const float* up, std::size_t width) {
  const __m256 one = _mm256_set1_ps(1);
  std::size_t i = 0;
  for (; i + 8 <= width; i += 8) {
    const __m256 g = _mm256_loadu_ps(gate + i);
    const __m256 e = exponential(_mm256_sub_ps(_mm256_setzero_ps(), g));
    _mm256_storeu_ps(gate + i,
                     _mm256_mul_ps(_mm256_div_ps(g, _mm256_add_ps(one, e)), _mm256_loadu_ps(up + i)));
  }
  for (; i < width; ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

inline __m256 load8(const std::uint16_t* halves) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)));
}
inline __m256 load8(const float* values) { return _mm256_loadu_ps(values); }
inline __m256 load8(const std::int8_t* values) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values))));
}

// scores[i] *= scale of the page's position i
template <typename Element>
inline void apply_scales(const std::byte* page, int head_dim, float* scores) {
  if constexpr (std::is_same_v<Element, std::int8_t>) {
    const auto* scales =
        reinterpret_cast<const float*>(page + static_cast<std::size_t>(head_dim) * kPageTokens);
    _mm256_storeu_ps(scores, _mm256_mul_ps(_mm256_loadu_ps(scores), _mm256_loadu_ps(scales)));
    _mm256_storeu_ps(scores + 8, _mm256_mul_ps(_mm256_loadu_ps(scores + 8), _mm256_loadu_ps(scales + 8)));
  }
}

constexpr int T = kAttentionTile;

// scores[t][0..16) = q[t] . K of one page
template <typename Element>
inline void page_scores(const float* const* q, const Element* k, int head_dim,
                        float (*scores)[kAttentionChunk]) {
  __m256 low[T], high[T];
  for (int t = 0; t < T; ++t) low[t] = high[t] = _mm256_setzero_ps();
  for (int i = 0; i < head_dim; ++i) {
    const __m256 k0 = load8(k + i * kPageTokens), k1 = load8(k + i * kPageTokens + 8);
    for (int t = 0; t < T; ++t) {
      const __m256 x = _mm256_broadcast_ss(q[t] + i);
      low[t] = _mm256_fmadd_ps(x, k0, low[t]);
      high[t] = _mm256_fmadd_ps(x, k1, high[t]);
    }
  }
  for (int t = 0; t < T; ++t) {
    _mm256_storeu_ps(scores[t], low[t]);
    _mm256_storeu_ps(scores[t] + 8, high[t]);
  }
}

// Turns the scores of one chunk into weights e^(s - max), 0 from `valid` on; gives their maximum and sum.
inline void chunk_softmax(float* scores, int valid, float scale, float& largest, float& total) {
  const __m256 factor = _mm256_set1_ps(scale);
  __m256 max = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
  for (int i = valid; i < kAttentionChunk; ++i) scores[i] = -std::numeric_limits<float>::infinity();
  for (int i = 0; i < kAttentionChunk; i += 8) {
    const __m256 s = _mm256_mul_ps(_mm256_loadu_ps(scores + i), factor);
    _mm256_storeu_ps(scores + i, s);
    max = _mm256_max_ps(max, s);
  }
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, max);
  largest = *std::max_element(lanes, lanes + 8);
  __m256 sum = _mm256_setzero_ps();
  for (int i = 0; i < kAttentionChunk; i += 8) {
    const __m256 e = exponential(_mm256_sub_ps(_mm256_loadu_ps(scores + i), _mm256_set1_ps(largest)));
    _mm256_storeu_ps(scores + i, e);
    sum = _mm256_add_ps(sum, e);
  }
  total = sum_of(sum);
}

// Adds a chunk's sums, scaled to the common maximum, to those of the chunks before it.
struct Running {
  float largest = -std::numeric_limits<float>::infinity(), total = 0;
  float before = 0, chunk = 0;  // factors of the sums so far and of this chunk's

  void merge(float chunk_largest, float chunk_total) {
    const float common = std::max(largest, chunk_largest);
    before = largest == common ? 1.0f : std::exp(largest - common);
    chunk = chunk_largest == common ? 1.0f : std::exp(chunk_largest - common);
    total = total * before + chunk_total * chunk;
    largest = common;
  }
};

template <typename Element>
void attend(const AttentionTile& tile) {
  const int d = tile.head_dim;
  const float* q[T];
  int position[T], last = 0;
  for (int t = 0; t < T; ++t) {  // a short tile repeats its first vector and drops the results
    q[t] = tile.q[t < tile.count ? t : 0];
    position[t] = tile.position[t < tile.count ? t : 0];
    last = std::max(last, position[t]);
  }
  alignas(32) float sums[T][kHeadDimMax];
  alignas(32) float scores[T][kAttentionChunk];
  Running running[T];
  for (int t = 0; t < T; ++t) std::fill_n(sums[t], d, 0.0f);

  for (int start = 0; start <= last; start += kAttentionChunk) {
    const int filled = std::min(kAttentionChunk, last + 1 - start);
    const std::int32_t* pages = tile.pages + start / kPageTokens;
    for (int p = 0; p * kPageTokens < filled; ++p) {
      float page[T][kAttentionChunk];
      const std::byte* k = tile.k + pages[p] * tile.page_stride;
      page_scores(q, reinterpret_cast<const Element*>(k), d, page);
      for (int t = 0; t < T; ++t) {
        apply_scales<Element>(k, d, page[t]);
        std::copy_n(page[t], kPageTokens, scores[t] + p * kPageTokens);
      }
    }
    bool takes_part[T];
    for (int t = 0; t < T; ++t) {
      const int valid = std::min(filled, position[t] + 1 - start);
      takes_part[t] = valid > 0;
      if (!takes_part[t]) {
        std::fill_n(scores[t], kAttentionChunk, 0.0f);
        continue;
      }
      float largest, total;
      chunk_softmax(scores[t], valid, tile.scale, largest, total);
      running[t].merge(largest, total);
      for (int p = 0; p * kPageTokens < filled; ++p)
        apply_scales<Element>(tile.v + pages[p] * tile.page_stride, d, scores[t] + p * kPageTokens);
    }
    for (int i = 0; i < d; i += 16) {
      __m256 low[T], high[T];
      for (int t = 0; t < T; ++t) low[t] = high[t] = _mm256_setzero_ps();
      for (int j = 0; j < filled; ++j) {
        const auto* v = reinterpret_cast<const Element*>(tile.v + pages[j / kPageTokens] * tile.page_stride) +
                        (j % kPageTokens) * d + i;
        const __m256 v0 = load8(v), v1 = load8(v + 8);
        for (int t = 0; t < T; ++t) {
          const __m256 weight = _mm256_broadcast_ss(scores[t] + j);
          low[t] = _mm256_fmadd_ps(weight, v0, low[t]);
          high[t] = _mm256_fmadd_ps(weight, v1, high[t]);
        }
      }
      for (int t = 0; t < T; ++t) {
        if (!takes_part[t]) continue;
        const __m256 before = _mm256_set1_ps(running[t].before), chunk = _mm256_set1_ps(running[t].chunk);
        float* sum = sums[t] + i;
        _mm256_storeu_ps(sum, _mm256_fmadd_ps(low[t], chunk, _mm256_mul_ps(_mm256_loadu_ps(sum), before)));
        _mm256_storeu_ps(sum + 8,
                         _mm256_fmadd_ps(high[t], chunk, _mm256_mul_ps(_mm256_loadu_ps(sum + 8), before)));
      }
    }
  }
  for (int t = 0; t < tile.count; ++t) {
    for (int i = 0; i < d; ++i) tile.out[t][i] = sums[t][i] / running[t].total;
  }
}

void attention(const AttentionTile& tile) {
  if (tile.type == KvType::kF16) {
    attend<std::uint16_t>(tile);
  } else if (tile.type == KvType::kQ8) {
    attend<std::int8_t>(tile);
  } else {
    attend<float>(tile);
  }
}

}  // namespace

const Kernels& avx2_kernels() {
  static const Kernels kernels{"avx2",    dequantise_avx2, dot_packed_avx2, dot,
                               attention, silu_multiply,   sample_avx2};
  return kernels;
}

}  // namespace tsukai::infer::cpu

#pragma clang attribute pop
#endif
