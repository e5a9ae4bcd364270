#include "infer/format/gguf.h"

#include <bit>
#include <cstring>
#include <map>
#include <unordered_map>
#include <variant>

#include "base/hash.h"
#include "infer/format/gguf_metadata.h"
#include "infer/format/gguf_split.h"
#include "infer/format/mapped_file.h"
#include "infer/format/quantisation.h"

namespace tsukai::infer {
namespace {

constexpr std::uint64_t kTensorsMax = 65'536;
constexpr std::uint64_t kKeysMax = 65'536;
constexpr std::uint64_t kKeyBytesMax = 65'535;  // of the specification
constexpr std::uint64_t kDimensionsMax = 4;
constexpr std::uint64_t kAlignmentMax = 1 << 20;
constexpr std::uint64_t kElementsMax = std::uint64_t{1} << 48;

class MappedGguf : public GgufFile {
 public:
  static Result<std::shared_ptr<const GgufFile>> make(std::span<const std::byte> bytes, std::string path,
                                                      std::unique_ptr<MappedFile> mapping) {
    auto file = std::make_shared<MappedGguf>();
    file->bytes_ = bytes;
    file->path_ = std::move(path);
    file->mapping_ = std::move(mapping);
    if (auto read = file->read(); !read) {
      Error error = std::move(read).error();
      const bool corrupt = error.code() == Code::kCorrupt;
      error = std::move(error).in(file->path_);
      if (corrupt && error.remedy().empty()) error = std::move(error).with_remedy("download the model again");
      return fail(std::move(error));
    }
    return file;
  }

  const std::string& path() const override { return path_; }
  std::uint64_t file_bytes() const override { return bytes_.size(); }
  std::optional<std::uint64_t> integer(std::string_view key) const override {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (const auto* number = std::get_if<std::uint64_t>(value)) return *number;
    if (const auto* number = std::get_if<std::int64_t>(value); number != nullptr && *number >= 0) {
      return static_cast<std::uint64_t>(*number);
    }
    return std::nullopt;
  }
  std::optional<double> real(std::string_view key) const override {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (const auto* number = std::get_if<double>(value)) return *number;
    if (const auto* number = std::get_if<std::uint64_t>(value)) return static_cast<double>(*number);
    if (const auto* number = std::get_if<std::int64_t>(value)) return static_cast<double>(*number);
    return std::nullopt;
  }
  std::optional<std::string> string(std::string_view key) const override {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (const auto* text = std::get_if<std::string_view>(value)) return std::string(*text);
    return std::nullopt;
  }
  const TensorView* tensor(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &tensors_[found->second];
  }
  const std::vector<TensorView>& tensors() const override { return tensors_; }
  bool rotates_neighbours() const override { return string("general.architecture") == "llama"; }
  Result<VocabularyData> vocabulary() const override {
    auto data = read_vocabulary(metadata_);
    if (!data) return fail(std::move(data).error().in(path_));
    return data;
  }
  std::string digest() const override {
    std::string header(reinterpret_cast<const char*>(bytes_.data()), header_bytes_);
    return sha256_hex(header + "\n" + std::to_string(bytes_.size()));
  }

 private:
  const GgufValue* find(std::string_view key) const {
    const auto found = metadata_.find(key);
    return found == metadata_.end() ? nullptr : &found->second;
  }

  Result<void> read() {
    GgufCursor cursor(bytes_);
    TSUKAI_TRY(const std::uint32_t magic, cursor.read<std::uint32_t>("magic"));
    if (magic != 0x46554747) {
      return fail(Code::kCorrupt, "does not begin with GGUF", "give a GGUF model file");
    }
    TSUKAI_TRY(const std::uint32_t version, cursor.read<std::uint32_t>("version"));
    if (version != 2 && version != 3) {
      return fail(Code::kUnsupported,
                  "GGUF version " + std::to_string(version) + "; versions 2 and 3 are read");
    }
    TSUKAI_TRY(const std::uint64_t tensors, cursor.read<std::uint64_t>("tensor count"));
    if (tensors > kTensorsMax)
      return cursor.corrupt("tensor count " + std::to_string(tensors) + " is too large");
    TSUKAI_TRY(const std::uint64_t keys, cursor.read<std::uint64_t>("metadata count"));
    if (keys > kKeysMax) return cursor.corrupt("metadata count " + std::to_string(keys) + " is too large");
    for (std::uint64_t i = 0; i < keys; ++i) {
      TSUKAI_TRY(const std::string_view key, cursor.read_string("key of metadata " + std::to_string(i)));
      if (key.empty() || key.size() > kKeyBytesMax)
        return cursor.corrupt("a metadata key is empty or too long");
      TSUKAI_TRY(GgufValue value, cursor.read_value(key));
      if (!metadata_.emplace(std::string(key), value).second) {
        return cursor.corrupt("metadata key \"" + std::string(key) + "\" stands twice");
      }
    }
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t i = 0; i < tensors; ++i) {
      TSUKAI_TRY(const std::uint64_t offset, read_tensor(cursor, i));
      offsets.push_back(offset);
    }
    return place_tensors(cursor, offsets);
  }

  Result<std::uint64_t> read_tensor(GgufCursor& cursor, std::uint64_t index) {
    TensorView view;
    TSUKAI_TRY(view.name, cursor.read_string("name of tensor " + std::to_string(index)));
    const std::string label = "tensor \"" + std::string(view.name.substr(0, 80)) + "\"";
    TSUKAI_TRY(const std::uint32_t dimensions, cursor.read<std::uint32_t>(label));
    if (dimensions == 0 || dimensions > kDimensionsMax) {
      return cursor.corrupt(label + " has " + std::to_string(dimensions) + " dimensions");
    }
    std::uint64_t elements = 1;
    for (std::uint32_t d = 0; d < dimensions; ++d) {
      TSUKAI_TRY(const std::uint64_t extent, cursor.read<std::uint64_t>(label));
      if (extent == 0 || extent > kElementsMax / elements)
        return cursor.corrupt(label + " has an impossible shape");
      elements *= extent;
      view.shape.push_back(extent);
    }
    TSUKAI_TRY(const std::uint32_t type, cursor.read<std::uint32_t>(label));
    const auto layout = block_layout(type);
    if (!layout) {
      return fail(Code::kUnsupported,
                  label + " is stored as " + type_name(type) + ", which this build does not read",
                  "choose a file in F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K");
    }
    if (view.shape[0] % layout->elements != 0) {
      return cursor.corrupt(label + ": rows of " + std::to_string(view.shape[0]) + " can't be stored as " +
                            type_name(type));
    }
    view.type = static_cast<TensorType>(type);
    TSUKAI_TRY(const std::uint64_t offset, cursor.read<std::uint64_t>(label));
    if (!by_name_.emplace(view.name, tensors_.size()).second) return cursor.corrupt(label + " stands twice");
    tensors_.push_back(std::move(view));
    return offset;
  }

  Result<void> place_tensors(GgufCursor& cursor, const std::vector<std::uint64_t>& offsets) {
    const std::uint64_t alignment = integer("general.alignment").value_or(32);
    if (alignment < 8 || alignment > kAlignmentMax || !std::has_single_bit(alignment)) {
      return cursor.corrupt("general.alignment is " + std::to_string(alignment));
    }
    header_bytes_ = cursor.position();
    const std::uint64_t start = (cursor.position() + alignment - 1) / alignment * alignment;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      TensorView& view = tensors_[i];
      const BlockLayout layout = *block_layout(static_cast<std::uint32_t>(view.type));
      std::uint64_t elements = 1;
      for (const std::uint64_t extent : view.shape) elements *= extent;
      const std::uint64_t bytes = elements / layout.elements * layout.bytes;
      const std::string label = "tensor \"" + std::string(view.name.substr(0, 80)) + "\"";
      if (offsets[i] % alignment != 0) return cursor.corrupt(label + " is not aligned");
      if (start > bytes_.size() || offsets[i] > bytes_.size() - start ||
          bytes > bytes_.size() - start - offsets[i]) {
        return fail(Code::kCorrupt,
                    label + " needs bytes " + std::to_string(offsets[i]) + " to " +
                        std::to_string(offsets[i] + bytes) + " of the data, but the file ends after " +
                        std::to_string(bytes_.size() - std::min<std::uint64_t>(start, bytes_.size())));
      }
      view.bytes = bytes_.subspan(start + offsets[i], bytes);
    }
    return {};
  }

  std::string path_;
  std::unique_ptr<MappedFile> mapping_;
  std::span<const std::byte> bytes_;
  std::size_t header_bytes_ = 0;
  GgufMetadata metadata_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

}  // namespace

std::string type_name(std::uint32_t type) {
  switch (type) {
    case 0:
      return "F32";
    case 1:
      return "F16";
    case 2:
      return "Q4_0";
    case 3:
      return "Q4_1";
    case 6:
      return "Q5_0";
    case 7:
      return "Q5_1";
    case 8:
      return "Q8_0";
    case 9:
      return "Q8_1";
    case 10:
      return "Q2_K";
    case 11:
      return "Q3_K";
    case 12:
      return "Q4_K";
    case 13:
      return "Q5_K";
    case 14:
      return "Q6_K";
    case 15:
      return "Q8_K";
    case 16:
      return "IQ2_XXS";
    case 17:
      return "IQ2_XS";
    case 18:
      return "IQ3_XXS";
    case 19:
      return "IQ1_S";
    case 20:
      return "IQ4_NL";
    case 21:
      return "IQ3_S";
    case 22:
      return "IQ2_S";
    case 23:
      return "IQ4_XS";
    case 24:
      return "I8";
    case 25:
      return "I16";
    case 26:
      return "I32";
    case 27:
      return "I64";
    case 28:
      return "F64";
    case 29:
      return "IQ1_M";
    case 30:
      return "BF16";
    case 34:
      return "TQ1_0";
    case 35:
      return "TQ2_0";
    case 39:
      return "MXFP4";
    default:
      return "type " + std::to_string(type);
  }
}

Result<std::shared_ptr<const GgufFile>> GgufFile::open(const std::string& path) {
  TSUKAI_TRY(auto file, open_part(path));
  if (file->integer("split.count").value_or(1) <= 1) return file;
  return open_split_gguf(std::move(file));
}

Result<std::shared_ptr<const GgufFile>> GgufFile::open_part(const std::string& path) {
  TSUKAI_TRY(auto mapping, MappedFile::open(path));
  const auto bytes = mapping->bytes();
  return MappedGguf::make(bytes, path, std::move(mapping));
}

Result<std::shared_ptr<const GgufFile>> GgufFile::parse(std::span<const std::byte> bytes,
                                                        const std::string& name) {
  return MappedGguf::make(bytes, name, nullptr);
}

}  // namespace tsukai::infer
