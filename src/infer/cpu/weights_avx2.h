// Weights of every element type to fp32, with AVX2.
#pragma once

#include <cstddef>

#include "infer/format/model_file.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace tsukai::infer::cpu {

// As Kernels::dequantise and Kernels::dot_packed.
void dequantise_avx2(TensorType type, const std::byte* row, std::size_t columns, float* out);
bool dot_packed_avx2(TensorType type, const std::byte* weights, std::size_t row_bytes, int rows,
                     const float* x, std::size_t width, float* out);

// The eight partial sums of a dot product, in the one order that all kernels add them up.
__attribute__((target("avx2"))) inline float sum_of(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

}  // namespace tsukai::infer::cpu
#endif
