// Each element type is described once, as what gives its weights eight at a time in ascending order. Turning
// a row to fp32 stores them; a dot product adds them up as they come, in the order and with the roundings
// that storing them first and multiplying then would have: the same bits.
#include "infer/cpu/weights_avx2.h"

#if defined(__x86_64__)
#include <cstdint>

#include "infer/format/quantisation.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define TSUKAI_INLINE __attribute__((always_inline)) inline

namespace tsukai::infer::cpu {
namespace {

TSUKAI_INLINE float half_at(const std::uint8_t* bytes) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, bytes, 2);
  return _cvtsh_ss(bits);
}
TSUKAI_INLINE __m128i load16(const std::uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}
TSUKAI_INLINE __m128i low_nibbles(__m128i bytes) { return _mm_and_si128(bytes, _mm_set1_epi8(15)); }
TSUKAI_INLINE __m128i high_nibbles(__m128i bytes) {
  return _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
}

// The half at `bytes` in all lanes.
TSUKAI_INLINE __m256 half_lanes(const std::uint8_t* bytes) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, bytes, 2);
  return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

// 16 small integers q in bytes as the weights d * q + m from `at` on.
template <typename Each>
TSUKAI_INLINE void give16(__m128i bytes, __m256 d, __m256 m, int at, Each& each) {
  each.give(at, _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), d, m));
  each.give(at + 8,
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))), d, m));
}

// 16 where a bit is set, else 0, for 16 bits.
TSUKAI_INLINE __m128i fifth_bits(std::uint32_t bits) {
  const __m128i spread = _mm_shuffle_epi8(_mm_cvtsi32_si128(static_cast<int>(bits)),
                                          _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const __m128i each = _mm_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
  return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(spread, each), each), _mm_set1_epi8(16));
}
TSUKAI_INLINE std::uint32_t word_at(const std::uint8_t* bytes) {
  std::uint32_t word;
  __builtin_memcpy(&word, bytes, 4);
  return word;
}

// An element type: blocks of kWeights in kBytes, given in kParts parts of kWeights / kParts each; Head is
// what the parts of a block share.
struct F16 {
  static constexpr int kWeights = 8, kBytes = 16, kParts = 1;
  struct Head {};
  static Head head(const std::uint8_t*) { return {}; }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head&, const std::uint8_t* block, int, Each& each) {
    each.give(0, _mm256_cvtph_ps(load16(block)));
  }
};

struct BF16 {
  static constexpr int kWeights = 8, kBytes = 16, kParts = 1;
  struct Head {};
  static Head head(const std::uint8_t*) { return {}; }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head&, const std::uint8_t* block, int, Each& each) {
    each.give(0, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(block)), 16)));
  }
};

struct F32 {
  static constexpr int kWeights = 8, kBytes = 32, kParts = 1;
  struct Head {};
  static Head head(const std::uint8_t*) { return {}; }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head&, const std::uint8_t* block, int, Each& each) {
    each.give(0, _mm256_loadu_ps(reinterpret_cast<const float*>(block)));
  }
};

struct ScaleAndOffset {
  __m256 d, m;
};

struct Q4_0 {
  static constexpr int kWeights = 32, kBytes = 18, kParts = 1;
  using Head = ScaleAndOffset;
  TSUKAI_INLINE static Head head(const std::uint8_t* block) {
    const __m256 scale = half_lanes(block);
    return {scale, _mm256_mul_ps(scale, _mm256_set1_ps(-8))};
  }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head& head, const std::uint8_t* block, int, Each& each) {
    const __m128i bytes = load16(block + 2);
    give16(low_nibbles(bytes), head.d, head.m, 0, each);
    give16(high_nibbles(bytes), head.d, head.m, 16, each);
  }
};

struct Q4_1 {
  static constexpr int kWeights = 32, kBytes = 20, kParts = 1;
  using Head = ScaleAndOffset;
  TSUKAI_INLINE static Head head(const std::uint8_t* block) {
    const __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128(static_cast<int>(word_at(block))));
    return {_mm256_broadcastss_ps(both), _mm256_broadcastss_ps(_mm_movehdup_ps(both))};
  }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head& head, const std::uint8_t* block, int, Each& each) {
    const __m128i bytes = load16(block + 4);
    give16(low_nibbles(bytes), head.d, head.m, 0, each);
    give16(high_nibbles(bytes), head.d, head.m, 16, each);
  }
};

struct Q5_0 {
  static constexpr int kWeights = 32, kBytes = 22, kParts = 1;
  using Head = ScaleAndOffset;
  TSUKAI_INLINE static Head head(const std::uint8_t* block) {
    const __m256 scale = half_lanes(block);
    return {scale, _mm256_mul_ps(scale, _mm256_set1_ps(-16))};
  }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head& head, const std::uint8_t* block, int, Each& each) {
    const __m128i bytes = load16(block + 6);
    const std::uint32_t bits = word_at(block + 2);
    give16(_mm_or_si128(low_nibbles(bytes), fifth_bits(bits)), head.d, head.m, 0, each);
    give16(_mm_or_si128(high_nibbles(bytes), fifth_bits(bits >> 16)), head.d, head.m, 16, each);
  }
};

struct Q5_1 {
  static constexpr int kWeights = 32, kBytes = 24, kParts = 1;
  using Head = ScaleAndOffset;
  TSUKAI_INLINE static Head head(const std::uint8_t* block) { return Q4_1::head(block); }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head& head, const std::uint8_t* block, int, Each& each) {
    const __m128i bytes = load16(block + 8);
    const std::uint32_t bits = word_at(block + 4);
    give16(_mm_or_si128(low_nibbles(bytes), fifth_bits(bits)), head.d, head.m, 0, each);
    give16(_mm_or_si128(high_nibbles(bytes), fifth_bits(bits >> 16)), head.d, head.m, 16, each);
  }
};

struct Q8_0 {
  static constexpr int kWeights = 32, kBytes = 34, kParts = 1;
  using Head = ScaleAndOffset;
  TSUKAI_INLINE static Head head(const std::uint8_t* block) {
    return {half_lanes(block), _mm256_setzero_ps()};
  }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head& head, const std::uint8_t* block, int, Each& each) {
    give16(load16(block + 2), head.d, head.m, 0, each);
    give16(load16(block + 18), head.d, head.m, 16, each);
  }
};

// The scales and minima of the eight sub-blocks of a Q4_K or Q5_K block, packed as 6-bit integers.
struct EightScales {
  float d[8], m[8];
};
TSUKAI_INLINE EightScales scales_k(const std::uint8_t* block) {
  const float d = half_at(block), dmin = half_at(block + 2);
  const std::uint8_t* packed = block + 4;
  EightScales scales;
  for (int j = 0; j < 4; ++j) {
    scales.d[j] = d * static_cast<float>(packed[j] & 63);
    scales.m[j] = -dmin * static_cast<float>(packed[j + 4] & 63);
    scales.d[j + 4] = d * static_cast<float>((packed[j + 8] & 15) | ((packed[j] >> 6) << 4));
    scales.m[j + 4] = -dmin * static_cast<float>((packed[j + 8] >> 4) | ((packed[j + 4] >> 6) << 4));
  }
  return scales;
}

// A part: two sub-blocks, the low and the high nibbles of 32 bytes.
struct Q4_K {
  static constexpr int kWeights = 256, kBytes = 144, kParts = 4;
  using Head = EightScales;
  TSUKAI_INLINE static Head head(const std::uint8_t* block) { return scales_k(block); }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head& head, const std::uint8_t* block, int part, Each& each) {
    const __m128i first = load16(block + 16 + 32 * part), second = load16(block + 32 + 32 * part);
    const __m256 d0 = _mm256_set1_ps(head.d[2 * part]), m0 = _mm256_set1_ps(head.m[2 * part]);
    give16(low_nibbles(first), d0, m0, 0, each);
    give16(low_nibbles(second), d0, m0, 16, each);
    const __m256 d1 = _mm256_set1_ps(head.d[2 * part + 1]), m1 = _mm256_set1_ps(head.m[2 * part + 1]);
    give16(high_nibbles(first), d1, m1, 32, each);
    give16(high_nibbles(second), d1, m1, 48, each);
  }
};

struct Q5_K {
  static constexpr int kWeights = 256, kBytes = 176, kParts = 4;
  using Head = EightScales;
  TSUKAI_INLINE static Head head(const std::uint8_t* block) { return scales_k(block); }
  // 16 where bit `bit` of a byte is set.
  TSUKAI_INLINE static __m128i fifth(__m128i high, int bit) {
    const __m128i wanted = _mm_set1_epi8(static_cast<char>(1 << bit));
    return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(high, wanted), wanted), _mm_set1_epi8(16));
  }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head& head, const std::uint8_t* block, int part, Each& each) {
    const __m128i first = load16(block + 48 + 32 * part), second = load16(block + 64 + 32 * part);
    const __m128i high0 = load16(block + 16), high1 = load16(block + 32);
    const __m256 d0 = _mm256_set1_ps(head.d[2 * part]), m0 = _mm256_set1_ps(head.m[2 * part]);
    give16(_mm_or_si128(low_nibbles(first), fifth(high0, 2 * part)), d0, m0, 0, each);
    give16(_mm_or_si128(low_nibbles(second), fifth(high1, 2 * part)), d0, m0, 16, each);
    const __m256 d1 = _mm256_set1_ps(head.d[2 * part + 1]), m1 = _mm256_set1_ps(head.m[2 * part + 1]);
    give16(_mm_or_si128(high_nibbles(first), fifth(high0, 2 * part + 1)), d1, m1, 32, each);
    give16(_mm_or_si128(high_nibbles(second), fifth(high1, 2 * part + 1)), d1, m1, 48, each);
  }
};

// A part: half a block, four quarters of 32 with a scale for each 16.
struct Q6_K {
  static constexpr int kWeights = 256, kBytes = 210, kParts = 2;
  struct Head {
    float d[16];
  };
  TSUKAI_INLINE static Head head(const std::uint8_t* block) {
    const float d = half_at(block + 208);
    const auto* scales = reinterpret_cast<const std::int8_t*>(block + 192);
    Head head;
    for (int i = 0; i < 16; ++i) head.d[i] = d * static_cast<float>(scales[i]);
    return head;
  }
  template <typename Each>
  TSUKAI_INLINE static void part(const Head& head, const std::uint8_t* block, int half, Each& each) {
    const std::uint8_t* low = block + 64 * half;
    const __m128i high[2] = {load16(block + 128 + 32 * half), load16(block + 144 + 32 * half)};
    for (int quarter = 0; quarter < 4; ++quarter) {
      for (int i = 0; i < 2; ++i) {
        const __m128i bytes = load16(low + 32 * (quarter & 1) + 16 * i);
        const __m128i nibbles = quarter < 2 ? low_nibbles(bytes) : high_nibbles(bytes);
        const __m128i pairs =
            _mm_and_si128(_mm_srl_epi16(high[i], _mm_cvtsi32_si128(2 * quarter)), _mm_set1_epi8(3));
        const float scale = head.d[8 * half + 2 * quarter + i];
        give16(_mm_or_si128(nibbles, _mm_slli_epi16(pairs, 4)), _mm256_set1_ps(scale),
               _mm256_set1_ps(-32 * scale), 32 * quarter + 16 * i, each);
      }
    }
  }
};

struct Store {
  float* out;
  TSUKAI_INLINE void give(int at, __m256 weights) { _mm256_storeu_ps(out + at, weights); }
};

struct Add {
  const float* x;
  __m256 sums;
  TSUKAI_INLINE void give(int at, __m256 weights) {
    sums = _mm256_fmadd_ps(weights, _mm256_loadu_ps(x + at), sums);
  }
};

template <typename Type>
void dequantise_blocks(const std::uint8_t* block, std::size_t blocks, float* out) {
  for (std::size_t b = 0; b < blocks; ++b, block += Type::kBytes) {
    const typename Type::Head head = Type::head(block);
    for (int part = 0; part < Type::kParts; ++part, out += Type::kWeights / Type::kParts) {
      Store store{out};
      Type::part(head, block, part, store);
    }
  }
}

// R rows at once: the sum of one waits for its last addition, that of another meanwhile goes on.
template <typename Type, int R>
void dot_blocks(const std::uint8_t* weights, std::size_t row_bytes, const float* x, std::size_t blocks,
                float* out) {
  __m256 sums[R];
  for (int r = 0; r < R; ++r) sums[r] = _mm256_setzero_ps();
  // The rows lie one behind another: what is read two groups of rows later is asked for now.
  const std::uint8_t* later = weights + 2 * R * row_bytes;
  for (std::size_t b = 0; b < blocks; ++b, weights += Type::kBytes) {
    for (int i = 0; i < R * Type::kBytes; i += 64) _mm_prefetch(later + i, _MM_HINT_T0);
    later += R * Type::kBytes;
    typename Type::Head head[R];
    for (int r = 0; r < R; ++r) head[r] = Type::head(weights + static_cast<std::size_t>(r) * row_bytes);
    for (int part = 0; part < Type::kParts; ++part, x += Type::kWeights / Type::kParts) {
#pragma clang loop unroll(full)
      for (int r = 0; r < R; ++r) {
        Add add{x, sums[r]};
        Type::part(head[r], weights + static_cast<std::size_t>(r) * row_bytes, part, add);
        sums[r] = add.sums;
      }
    }
  }
  for (int r = 0; r < R; ++r) out[r] = sum_of(sums[r]);
}

template <typename Type>
bool dot_rows(const std::uint8_t* weights, std::size_t row_bytes, int rows, const float* x, std::size_t width,
              float* out) {
  if (width % Type::kWeights != 0) return false;
  const std::size_t blocks = width / Type::kWeights;
  int r = 0;
  for (; r + 4 <= rows; r += 4)
    dot_blocks<Type, 4>(weights + static_cast<std::size_t>(r) * row_bytes, row_bytes, x, blocks, out + r);
  for (; r < rows; ++r)
    dot_blocks<Type, 1>(weights + static_cast<std::size_t>(r) * row_bytes, row_bytes, x, blocks, out + r);
  return true;
}

// Whole blocks of eight, then the rest in the plain way.
template <typename Type>
void dequantise_wide(TensorType type, const std::uint8_t* bytes, std::size_t columns, float* out) {
  const std::size_t whole = columns / 8;
  dequantise_blocks<Type>(bytes, whole, out);
  if (columns % 8 != 0) {
    dequantise_row(type, reinterpret_cast<const std::byte*>(bytes + whole * Type::kBytes), columns % 8,
                   out + whole * 8);
  }
}

}  // namespace

void dequantise_avx2(TensorType type, const std::byte* row, std::size_t columns, float* out) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(row);
  switch (type) {
    case TensorType::kF32:
      return dequantise_row(type, row, columns, out);
    case TensorType::kF16:
      return dequantise_wide<F16>(type, bytes, columns, out);
    case TensorType::kBF16:
      return dequantise_wide<BF16>(type, bytes, columns, out);
    case TensorType::kQ4_0:
      return dequantise_blocks<Q4_0>(bytes, columns / 32, out);
    case TensorType::kQ4_1:
      return dequantise_blocks<Q4_1>(bytes, columns / 32, out);
    case TensorType::kQ5_0:
      return dequantise_blocks<Q5_0>(bytes, columns / 32, out);
    case TensorType::kQ5_1:
      return dequantise_blocks<Q5_1>(bytes, columns / 32, out);
    case TensorType::kQ8_0:
      return dequantise_blocks<Q8_0>(bytes, columns / 32, out);
    case TensorType::kQ4_K:
      return dequantise_blocks<Q4_K>(bytes, columns / 256, out);
    case TensorType::kQ5_K:
      return dequantise_blocks<Q5_K>(bytes, columns / 256, out);
    case TensorType::kQ6_K:
      return dequantise_blocks<Q6_K>(bytes, columns / 256, out);
  }
}

bool dot_packed_avx2(TensorType type, const std::byte* weights, std::size_t row_bytes, int rows,
                     const float* x, std::size_t width, float* out) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(weights);
  switch (type) {
    case TensorType::kF32:
      return dot_rows<F32>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kF16:
      return dot_rows<F16>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kBF16:
      return dot_rows<BF16>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kQ4_0:
      return dot_rows<Q4_0>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kQ4_1:
      return dot_rows<Q4_1>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kQ5_0:
      return dot_rows<Q5_0>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kQ5_1:
      return dot_rows<Q5_1>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kQ8_0:
      return dot_rows<Q8_0>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kQ4_K:
      return dot_rows<Q4_K>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kQ5_K:
      return dot_rows<Q5_K>(bytes, row_bytes, rows, x, width, out);
    case TensorType::kQ6_K:
      return dot_rows<Q6_K>(bytes, row_bytes, rows, x, width, out);
  }
  return false;
}

}  // namespace tsukai::infer::cpu

#undef TSUKAI_INLINE
#pragma clang attribute pop
#endif
