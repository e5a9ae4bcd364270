// The metadata of a GGUF header: values, arrays left in place, and the vocabulary they describe.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

// The value types of GGUF by their numbers in the file.
enum class GgufType : std::uint32_t {
  kU8 = 0,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

// An array whose elements were all checked to lie inside the file; read through a cursor when needed.
struct GgufArray {
  GgufType type;
  std::uint64_t count;
  std::span<const std::byte> bytes;
};

// bool and unsigned as uint64, signed as int64, floats as double.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, std::string_view, GgufArray>;
using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

// Reads forward; every read is checked against the end and errors name field and byte.
class GgufCursor {
 public:
  explicit GgufCursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  Result<T> read(std::string_view what) {
    if (bytes_.size() - at_ < sizeof(T)) return ends_in(what);
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  Result<std::string_view> read_string(std::string_view what);
  Result<GgufValue> read_value(std::string_view key);

  std::size_t position() const { return at_; }
  tl::unexpected<Error> corrupt(std::string what) const;

 private:
  tl::unexpected<Error> ends_in(std::string_view what) const;
  Result<GgufValue> read_scalar(GgufType type, std::string_view key);
  Result<GgufValue> read_array(std::string_view key);

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

// The tokenizer.ggml.* keys. kNotFound without tokens, kCorrupt when they contradict each other.
Result<VocabularyData> read_vocabulary(const GgufMetadata& metadata);

}  // namespace tsukai::infer
