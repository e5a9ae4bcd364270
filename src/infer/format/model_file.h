// A model's weights, numbers and vocabulary as the engine asks for them, whatever files they lie in.
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

// Tensor element types by their number in GGUF files.
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
  std::vector<std::uint64_t> shape;  // The innermost dimension (row length) first.
  std::span<const std::byte> bytes;
};

// Mapped, checked, immutable, shared. Keys and tensors go by GGUF's names ("llama.block_count",
// "blk.0.attn_q.weight"); other formats translate theirs. Experts are one stacked tensor a layer
// ("blk.0.ffn_up_exps.weight", [columns, rows, experts]) or one tensor each ("blk.0.ffn_up.7.weight").
class ModelFile {
 public:
  virtual ~ModelFile() = default;
  // A .gguf file, any part of a split one (NAME-00001-of-00003.gguf; the other parts lie beside it), or a
  // Hugging Face folder. kNotFound; kCorrupt and kUnsupported say where and what.
  static Result<std::shared_ptr<const ModelFile>> open(const std::string& path);

  virtual const std::string& path() const = 0;
  virtual std::uint64_t file_bytes() const = 0;
  virtual std::optional<std::uint64_t> integer(std::string_view key) const = 0;  // Booleans are 0 and 1.
  virtual std::optional<double> real(std::string_view key) const = 0;
  virtual std::optional<std::string> string(std::string_view key) const = 0;
  virtual const TensorView* tensor(std::string_view name) const = 0;
  virtual const std::vector<TensorView>& tensors() const = 0;

  // Are the rows of q and k stored so that neighbours rotate together (llama as converted to GGUF)? Else the
  // two halves of a head do.
  virtual bool rotates_neighbours() const = 0;
  // kCorrupt when it contradicts itself, kNotFound when absent.
  virtual Result<VocabularyData> vocabulary() const = 0;
  // sha256 over everything but the weights' bytes, and their size.
  virtual std::string digest() const = 0;
};

}  // namespace tsukai::infer
