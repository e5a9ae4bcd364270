#include "infer/format/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "infer/format/mapped_file.h"

namespace tsukai::infer {
namespace {

constexpr std::size_t kShapeMax = 8;
constexpr std::uint64_t kTensorElementsMax = std::uint64_t{1} << 48;

struct Element {
  const char* name;
  std::uint64_t bits;
  std::optional<TensorType> type;
};
// All element types of the format, so that the sizes of those that are not read are checked too.
const Element* find_element(std::string_view name) {
  static const Element elements[] = {{"F32", 32, TensorType::kF32},
                                     {"F16", 16, TensorType::kF16},
                                     {"BF16", 16, TensorType::kBF16},
                                     {"F64", 64, {}},
                                     {"I64", 64, {}},
                                     {"U64", 64, {}},
                                     {"C64", 64, {}},
                                     {"I32", 32, {}},
                                     {"U32", 32, {}},
                                     {"I16", 16, {}},
                                     {"U16", 16, {}},
                                     {"I8", 8, {}},
                                     {"U8", 8, {}},
                                     {"BOOL", 8, {}},
                                     {"F8_E5M2", 8, {}},
                                     {"F8_E4M3", 8, {}},
                                     {"F8_E8M0", 8, {}},
                                     {"F6_E2M3", 6, {}},
                                     {"F6_E3M2", 6, {}},
                                     {"F4", 4, {}}};
  const auto* found = std::ranges::find(elements, name, &Element::name);
  return found == std::end(elements) ? nullptr : found;
}

// An unsigned number below 2^63; nothing for any other JSON.
std::optional<std::uint64_t> number_of(const Json& value) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0) return std::nullopt;
  return value.get<std::uint64_t>();
}

class MappedSafetensors : public SafetensorsFile {
 public:
  static Result<std::unique_ptr<const SafetensorsFile>> make(std::span<const std::byte> bytes,
                                                             const std::string& name,
                                                             std::unique_ptr<MappedFile> mapping) {
    auto file = std::make_unique<MappedSafetensors>();
    file->bytes_ = bytes;
    file->mapping_ = std::move(mapping);
    if (auto read = file->read(); !read) {
      Error error = std::move(read).error().in(name);
      if (error.remedy().empty()) error = std::move(error).with_remedy("download the model again");
      return fail(std::move(error));
    }
    return std::unique_ptr<const SafetensorsFile>(std::move(file));
  }

  const std::vector<SafetensorsEntry>& entries() const override { return entries_; }
  std::string_view header() const override { return header_; }
  std::uint64_t file_bytes() const override { return bytes_.size(); }

 private:
  static tl::unexpected<Error> corrupt(std::string what) { return fail(Code::kCorrupt, std::move(what)); }

  Result<void> read() {
    std::uint64_t length = 0;
    if (bytes_.size() < sizeof(length)) return corrupt("ends inside the header's length");
    std::memcpy(&length, bytes_.data(), sizeof(length));
    if (length > kSafetensorsHeaderBytesMax || length > bytes_.size() - sizeof(length)) {
      return corrupt(fmt::format("claims a header of {} bytes; the file has {}", length, bytes_.size()));
    }
    header_ = {reinterpret_cast<const char*>(bytes_.data()) + sizeof(length), length};
    data_ = bytes_.subspan(sizeof(length) + length);
    auto root = parse_json(header_, {.bytes_max = kSafetensorsHeaderBytesMax, .depth_max = 4});
    if (!root) return corrupt("header: " + root.error().message());
    if (!root->is_object()) return corrupt("the header is no JSON object");
    for (const auto& [name, description] : root->items()) {
      if (name != "__metadata__") TSUKAI_TRY_VOID(read_entry(name, description));
    }
    return check_cover();
  }

  Result<void> read_entry(const std::string& name, const Json& description) {
    const std::string label = fmt::format("tensor \"{}\"", shortened(name, 80));
    SafetensorsEntry entry;
    entry.name = name;
    entry.stored_as = string_at(description, "dtype");
    const Element* element = find_element(entry.stored_as);
    if (element == nullptr) {
      return fail(Code::kUnsupported,
                  fmt::format("{} has element type \"{}\"", label, shortened(entry.stored_as, 20)),
                  "choose a model in BF16, F16 or F32");
    }
    entry.type = element->type;
    const Json *shape = find(description, "shape"), *offsets = find(description, "data_offsets");
    if (!shape || !shape->is_array() || shape->size() > kShapeMax) return corrupt(label + " has no shape");
    std::uint64_t elements = 1;
    for (const Json& dimension : *shape) {
      const auto extent = number_of(dimension);
      if (!extent || (*extent != 0 && elements > kTensorElementsMax / *extent))
        return corrupt(label + " has an impossible shape");
      elements *= *extent;
      entry.shape.push_back(*extent);
    }
    if (!offsets || !offsets->is_array() || offsets->size() != 2) return corrupt(label + " has no offsets");
    const auto begin = number_of((*offsets)[0]), end = number_of((*offsets)[1]);
    if (!begin || !end || *begin > *end || *end > data_.size()) {
      return corrupt(fmt::format("{} lies outside the file's {} bytes of data: {}", label, data_.size(),
                                 print_json(*offsets)));
    }
    if (elements * element->bits % 8 != 0 || *end - *begin != elements * element->bits / 8) {
      return corrupt(fmt::format("{} has {} bytes, but its shape needs {}", label, *end - *begin,
                                 elements * element->bits / 8));
    }
    entry.bytes = data_.subspan(*begin, *end - *begin);
    entries_.push_back(std::move(entry));
    return {};
  }

  // What the format demands: no byte of the data belongs to two tensors or to none.
  Result<void> check_cover() const {
    std::vector<const SafetensorsEntry*> order;
    for (const SafetensorsEntry& entry : entries_) order.push_back(&entry);
    std::ranges::sort(order, [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
      return std::pair(a->bytes.data(), a->bytes.size()) < std::pair(b->bytes.data(), b->bytes.size());
    });
    const std::byte* at = data_.data();
    for (const SafetensorsEntry* entry : order) {
      if (entry->bytes.data() != at) {
        return corrupt(fmt::format("tensor \"{}\" overlaps another or leaves a gap before it",
                                   shortened(entry->name, 80)));
      }
      at += entry->bytes.size();
    }
    if (at != data_.data() + data_.size()) {
      return corrupt(fmt::format("{} bytes after the last tensor", data_.data() + data_.size() - at));
    }
    return {};
  }

  std::unique_ptr<MappedFile> mapping_;
  std::span<const std::byte> bytes_, data_;
  std::string_view header_;
  std::vector<SafetensorsEntry> entries_;
};

}  // namespace

Result<std::unique_ptr<const SafetensorsFile>> SafetensorsFile::open(const std::string& path) {
  TSUKAI_TRY(auto mapping, MappedFile::open(path));
  const auto bytes = mapping->bytes();
  return MappedSafetensors::make(bytes, path, std::move(mapping));
}

Result<std::unique_ptr<const SafetensorsFile>> SafetensorsFile::parse(std::span<const std::byte> bytes,
                                                                      const std::string& name) {
  return MappedSafetensors::make(bytes, name, nullptr);
}

}  // namespace tsukai::infer
