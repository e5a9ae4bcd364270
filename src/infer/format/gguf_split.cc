#include "infer/format/gguf_split.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/hash.h"

namespace tsukai::infer {
namespace {

constexpr std::uint64_t kPartsMax = 1000;
constexpr std::size_t kSuffixBytes = std::string_view("-00001-of-00003.gguf").size();

class SplitGguf : public GgufFile {
 public:
  explicit SplitGguf(std::vector<std::shared_ptr<const GgufFile>> parts) : parts_(std::move(parts)) {}

  Result<void> join() {
    for (const auto& part : parts_) {
      for (const TensorView& tensor : part->tensors()) {
        if (!by_name_.emplace(tensor.name, tensors_.size()).second) {
          return fail(Code::kCorrupt, fmt::format("{}: tensor \"{}\" stands in an earlier part too",
                                                  part->path(), tensor.name.substr(0, 80)));
        }
        tensors_.push_back(tensor);
      }
    }
    const auto expected = parts_[0]->integer("split.tensors.count");
    if (expected && *expected != tensors_.size()) {
      return fail(Code::kCorrupt, fmt::format("{}: the parts hold {} tensors, split.tensors.count is {}",
                                              path(), tensors_.size(), *expected));
    }
    return {};
  }

  const std::string& path() const override { return parts_[0]->path(); }
  std::uint64_t file_bytes() const override {
    std::uint64_t bytes = 0;
    for (const auto& part : parts_) bytes += part->file_bytes();
    return bytes;
  }
  std::optional<std::uint64_t> integer(std::string_view key) const override {
    return parts_[0]->integer(key);
  }
  std::optional<double> real(std::string_view key) const override { return parts_[0]->real(key); }
  std::optional<std::string> string(std::string_view key) const override { return parts_[0]->string(key); }
  const TensorView* tensor(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &tensors_[found->second];
  }
  const std::vector<TensorView>& tensors() const override { return tensors_; }
  bool rotates_neighbours() const override { return parts_[0]->rotates_neighbours(); }
  Result<VocabularyData> vocabulary() const override { return parts_[0]->vocabulary(); }
  std::string digest() const override {
    std::string all;
    for (const auto& part : parts_) all += part->digest();
    return sha256_hex(all);
  }

 private:
  std::vector<std::shared_ptr<const GgufFile>> parts_;  // Views of names and bytes point into these.
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

}  // namespace

std::optional<std::string> split_part_path(const std::string& path, unsigned number) {
  if (path.size() <= kSuffixBytes) return std::nullopt;
  std::string suffix = path.substr(path.size() - kSuffixBytes);
  std::string form = suffix;
  std::ranges::replace_if(form, [](char c) { return c >= '0' && c <= '9'; }, '0');
  if (form != "-00000-of-00000.gguf") return std::nullopt;
  return path.substr(0, path.size() - kSuffixBytes) + fmt::format("-{:05}", number) + suffix.substr(6);
}

Result<std::shared_ptr<const GgufFile>> open_split_gguf(std::shared_ptr<const GgufFile> part) {
  const std::uint64_t count = part->integer("split.count").value_or(0);
  if (count < 2 || count > kPartsMax)
    return fail(Code::kCorrupt, fmt::format("{}: split.count is {}", part->path(), count));
  std::vector<std::shared_ptr<const GgufFile>> parts;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto path = split_part_path(part->path(), static_cast<unsigned>(i + 1));
    if (!path) {
      return fail(Code::kInvalidArgument,
                  fmt::format("{} is one of {} parts, but is not named NAME-00001-of-{:05}.gguf",
                              part->path(), count, count),
                  "give the parts their names back");
    }
    if (*path == part->path()) {
      parts.push_back(part);
    } else {
      auto opened = GgufFile::open_part(*path);
      if (!opened && opened.error().code() == Code::kNotFound) {
        return fail(Code::kNotFound, fmt::format("part {} of {} is not there: {}", i + 1, count, *path),
                    "download all parts into one folder");
      }
      if (!opened) return fail(std::move(opened).error());
      parts.push_back(*std::move(opened));
    }
    const GgufFile& one = *parts.back();
    if (one.integer("split.no") != i || one.integer("split.count") != count) {
      return fail(Code::kCorrupt, fmt::format("{} says it is part {} of {}, not {} of {}", one.path(),
                                              one.integer("split.no").value_or(0) + 1,
                                              one.integer("split.count").value_or(0), i + 1, count));
    }
  }
  auto whole = std::make_shared<SplitGguf>(std::move(parts));
  TSUKAI_TRY_VOID(whole->join());
  return std::shared_ptr<const GgufFile>(std::move(whole));
}

}  // namespace tsukai::infer
