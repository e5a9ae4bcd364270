// GGUF model files: a header of key-value metadata and tensor descriptions, then the tensors. Read in place
// (mmap). Source: github.com/ggml-org/ggml docs/gguf.md, versions 2 and 3.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

// Tensor element types by their number in the file.
enum class TensorType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};
std::string type_name(std::uint32_t type);  // "Q4_1"; "type 99" when unknown

struct TensorView {
  std::string_view name;
  TensorType type;
  std::vector<std::uint64_t> shape;  // As in the file: the innermost dimension (row length) first.
  std::span<const std::byte> bytes;
};

// A mapped file. Every offset, count and length was checked against the file's size. Immutable, shared.
class GgufFile {
 public:
  virtual ~GgufFile() = default;
  // kNotFound; kCorrupt names the field and byte; kUnsupported names version or tensor type.
  static Result<std::shared_ptr<const GgufFile>> open(const std::string& path);
  // The same checks over bytes in memory (fuzzing, tests); the bytes must outlive the file.
  static Result<std::shared_ptr<const GgufFile>> parse(std::span<const std::byte> bytes,
                                                       const std::string& name);

  virtual const std::string& path() const = 0;
  virtual std::uint64_t file_bytes() const = 0;
  virtual std::optional<std::uint64_t> integer(std::string_view key) const = 0;
  virtual std::optional<double> real(std::string_view key) const = 0;
  virtual std::optional<std::string> string(std::string_view key) const = 0;
  virtual const TensorView* tensor(std::string_view name) const = 0;
  virtual const std::vector<TensorView>& tensors() const = 0;

  // The tokenizer.ggml.* metadata. kCorrupt when it contradicts itself, kNotFound when absent.
  virtual Result<VocabularyData> vocabulary() const = 0;
  // sha256 over the header (all metadata and tensor descriptions) and the file size.
  virtual std::string digest() const = 0;
};

}  // namespace tsukai::infer
