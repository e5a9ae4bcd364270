// Tensor element types: their blocks in a file, and what the bits mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "infer/format/model_file.h"

namespace tsukai::infer {

// A row of a tensor is a sequence of blocks of `elements` weights in `bytes` bytes.
struct BlockLayout {
  std::size_t elements, bytes;
};
std::optional<BlockLayout> block_layout(std::uint32_t type);  // Nothing for a type this build can't read.

// Bytes of a row. REQUIRES: `columns` is a multiple of the block's elements.
std::size_t row_bytes(TensorType type, std::size_t columns);

// The plain, exact meaning of a row: `out` [columns] fp32. Every faster kernel is tested against this one.
// Block layouts: ggml-common.h and the dequantize_row_* functions of ggml-quants.c (ggml), read as a format
// description.
void dequantise_row(TensorType type, const std::byte* row, std::size_t columns, float* out);

// IEEE half precision, round to nearest even; finite values beyond its range become +-65,504.
float half_to_float(std::uint16_t half);
std::uint16_t float_to_half(float value);

inline float bfloat_to_float(std::uint16_t bits) {
  const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

}  // namespace tsukai::infer
