// Safetensors files: 8 bytes of header length, a JSON header of names, types, shapes and offsets, the data.
// Read in place (mmap). Source: github.com/huggingface/safetensors README, "Format".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "infer/format/model_file.h"

namespace tsukai::infer {

inline constexpr std::size_t kSafetensorsHeaderBytesMax = 32u << 20;  // About 200,000 tensors.

struct SafetensorsEntry {
  std::string name;
  std::string stored_as;             // "BF16", as the file says.
  std::optional<TensorType> type;    // Nothing for an element type that is not read: I64, F8_E4M3, ...
  std::vector<std::uint64_t> shape;  // As in the file: the innermost dimension last; empty for a scalar.
  std::span<const std::byte> bytes;
};

// Every length and offset was checked: each tensor lies inside the data, has the bytes its shape needs, and
// the tensors cover the data without gap or overlap. Immutable.
class SafetensorsFile {
 public:
  virtual ~SafetensorsFile() = default;
  // kNotFound; kCorrupt names the tensor or the byte.
  static Result<std::unique_ptr<const SafetensorsFile>> open(const std::string& path);
  // The same checks over bytes in memory (fuzzing, tests); the bytes must outlive the file.
  static Result<std::unique_ptr<const SafetensorsFile>> parse(std::span<const std::byte> bytes,
                                                              const std::string& name);

  virtual const std::vector<SafetensorsEntry>& entries() const = 0;  // By name.
  virtual std::string_view header() const = 0;                       // The JSON text.
  virtual std::uint64_t file_bytes() const = 0;
};

}  // namespace tsukai::infer
