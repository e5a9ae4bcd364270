#include "infer/format/quantisation.h"

#include <bit>

#include "base/result.h"

namespace tsukai::infer {
namespace {

float half_at(const std::uint8_t* bytes) {
  std::uint16_t bits;
  std::memcpy(&bits, bytes, 2);
  return half_to_float(bits);
}

std::uint32_t word_at(const std::uint8_t* bytes) {
  std::uint32_t word;
  std::memcpy(&word, bytes, 4);
  return word;
}

// Q4_0: half d; 16 bytes. Weight i < 16 is the low nibble of byte i, weight 16 + i the high one; w = d * (q -
// 8).
void block_q4_0(const std::uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((block[2 + i] & 15) - 8);
    out[16 + i] = d * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}

// Q4_1: half d, half m; 16 bytes as Q4_0; w = d * q + m.
void block_q4_1(const std::uint8_t* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(block[4 + i] & 15) + m;
    out[16 + i] = d * static_cast<float>(block[4 + i] >> 4) + m;
  }
}

// Q5_0: half d; 32 fifth bits, little-endian, bit i for weight i; 16 bytes of nibbles; w = d * (q - 16).
// Q5_1: half d, half m; the same; w = d * q + m.
void block_q5(const std::uint8_t* nibbles, std::uint32_t high, float d, float m, int centre, float* out) {
  for (int i = 0; i < 16; ++i) {
    const int low = static_cast<int>(nibbles[i] & 15) | static_cast<int>((high >> i) & 1) << 4;
    const int up = static_cast<int>(nibbles[i] >> 4) | static_cast<int>((high >> (i + 16)) & 1) << 4;
    out[i] = d * static_cast<float>(low - centre) + m;
    out[16 + i] = d * static_cast<float>(up - centre) + m;
  }
}

// Q8_0: half d; 32 signed bytes; w = d * q.
void block_q8_0(const std::uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
}

// The 6-bit scale and minimum of sub-block j of a Q4_K or Q5_K block, packed in 12 bytes.
void scale_min_k4(int j, const std::uint8_t* packed, int& scale, int& minimum) {
  if (j < 4) {
    scale = packed[j] & 63;
    minimum = packed[j + 4] & 63;
  } else {
    scale = (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4);
    minimum = (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4);
  }
}

// Q4_K: half d, half dmin, 12 bytes of scales, 128 bytes of nibbles. Sub-blocks of 32: 2j the low nibbles of
// the 32 bytes from 32j, 2j + 1 the high ones; w = d * scale * q - dmin * minimum.
void block_q4_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  for (int j = 0; j < 8; ++j) {
    int scale, minimum;
    scale_min_k4(j, block + 4, scale, minimum);
    const float ds = d * static_cast<float>(scale), m = dmin * static_cast<float>(minimum);
    const std::uint8_t* nibbles = block + 16 + 32 * (j / 2);
    for (int i = 0; i < 32; ++i) {
      out[32 * j + i] = ds * static_cast<float>((nibbles[i] >> (4 * (j & 1))) & 15) - m;
    }
  }
}

// Q5_K: as Q4_K with 32 bytes of fifth bits before the nibbles: bit j of byte i belongs to weight i of
// sub-block j.
void block_q5_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  for (int j = 0; j < 8; ++j) {
    int scale, minimum;
    scale_min_k4(j, block + 4, scale, minimum);
    const float ds = d * static_cast<float>(scale), m = dmin * static_cast<float>(minimum);
    const std::uint8_t* high = block + 16;
    const std::uint8_t* nibbles = block + 48 + 32 * (j / 2);
    for (int i = 0; i < 32; ++i) {
      const int q = ((nibbles[i] >> (4 * (j & 1))) & 15) | (((high[i] >> j) & 1) << 4);
      out[32 * j + i] = ds * static_cast<float>(q) - m;
    }
  }
}

// Q6_K: 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales (one per 16 weights), half d. Each
// half of 128 weights has 4 quarters of 32; w = d * scale * (q - 32).
void block_q6_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block + 208);
  for (int half = 0; half < 2; ++half) {
    const std::uint8_t* low = block + 64 * half;
    const std::uint8_t* high = block + 128 + 32 * half;
    const std::uint8_t* scales = block + 192 + 8 * half;
    for (int quarter = 0; quarter < 4; ++quarter) {
      for (int i = 0; i < 32; ++i) {
        const int nibble = (low[(quarter & 1) * 32 + i] >> (4 * (quarter >> 1))) & 15;
        const int q = (nibble | ((high[i] >> (2 * quarter)) & 3) << 4) - 32;
        const auto scale = static_cast<std::int8_t>(scales[2 * quarter + i / 16]);
        out[128 * half + 32 * quarter + i] = d * static_cast<float>(scale) * static_cast<float>(q);
      }
    }
  }
}

}  // namespace

std::optional<BlockLayout> block_layout(std::uint32_t type) {
  switch (static_cast<TensorType>(type)) {
    case TensorType::kF32:
      return BlockLayout{1, 4};
    case TensorType::kF16:
      return BlockLayout{1, 2};
    case TensorType::kBF16:
      return BlockLayout{1, 2};
    case TensorType::kQ4_0:
      return BlockLayout{32, 18};
    case TensorType::kQ4_1:
      return BlockLayout{32, 20};
    case TensorType::kQ5_0:
      return BlockLayout{32, 22};
    case TensorType::kQ5_1:
      return BlockLayout{32, 24};
    case TensorType::kQ8_0:
      return BlockLayout{32, 34};
    case TensorType::kQ4_K:
      return BlockLayout{256, 144};
    case TensorType::kQ5_K:
      return BlockLayout{256, 176};
    case TensorType::kQ6_K:
      return BlockLayout{256, 210};
  }
  return std::nullopt;
}

std::size_t row_bytes(TensorType type, std::size_t columns) {
  const BlockLayout layout = *block_layout(static_cast<std::uint32_t>(type));
  return columns / layout.elements * layout.bytes;
}

void dequantise_row(TensorType type, const std::byte* row, std::size_t columns, float* out) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(row);
  const BlockLayout layout = *block_layout(static_cast<std::uint32_t>(type));
  if (type == TensorType::kF32) {
    std::memcpy(out, row, columns * 4);
    return;
  }
  for (std::size_t i = 0; i < columns; i += layout.elements, bytes += layout.bytes, out += layout.elements) {
    switch (type) {
      case TensorType::kF32:
        break;
      case TensorType::kF16:
        *out = half_at(bytes);
        break;
      case TensorType::kBF16: {
        std::uint16_t bits;
        std::memcpy(&bits, bytes, 2);
        *out = bfloat_to_float(bits);
        break;
      }
      case TensorType::kQ4_0:
        block_q4_0(bytes, out);
        break;
      case TensorType::kQ4_1:
        block_q4_1(bytes, out);
        break;
      case TensorType::kQ5_0:
        block_q5(bytes + 6, word_at(bytes + 2), half_at(bytes), 0, 16, out);
        break;
      case TensorType::kQ5_1:
        block_q5(bytes + 8, word_at(bytes + 4), half_at(bytes), half_at(bytes + 2), 0, out);
        break;
      case TensorType::kQ8_0:
        block_q8_0(bytes, out);
        break;
      case TensorType::kQ4_K:
        block_q4_k(bytes, out);
        break;
      case TensorType::kQ5_K:
        block_q5_k(bytes, out);
        break;
      case TensorType::kQ6_K:
        block_q6_k(bytes, out);
        break;
    }
  }
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  std::uint32_t exponent = (half >> 10) & 31, mantissa = half & 1023;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, exact in fp32
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t bits =
      exponent == 31 ? sign | 0x7f800000 | mantissa << 13 : sign | (exponent + 112) << 23 | mantissa << 13;
  return std::bit_cast<float>(bits);
}

std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<std::uint16_t>(sign | 0x7e00);   // NaN
  if (magnitude >= 0x477ff000) return static_cast<std::uint16_t>(sign | 0x7bff);  // would round to infinity
  if (magnitude < 0x38800000) {  // subnormal: adding 0.5 leaves round(value * 2^24) in the low bits
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000));
  }
  const std::uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000) >> 13));
}

}  // namespace tsukai::infer
