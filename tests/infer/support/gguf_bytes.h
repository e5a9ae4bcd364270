// GGUF files made in memory, right or deliberately wrong.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace tsukai::infer {

class GgufBytes {
 public:
  template <typename T>
  GgufBytes& raw(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  GgufBytes& text(std::string_view text) {
    raw<std::uint64_t>(text.size());
    bytes_.append(text);
    return *this;
  }
  GgufBytes& header(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
    return raw<std::uint32_t>(0x46554747).raw(version).raw(tensors).raw(keys);
  }
  GgufBytes& key_u32(std::string_view key, std::uint32_t value) {
    return text(key).raw<std::uint32_t>(4).raw(value);
  }
  GgufBytes& key_f32(std::string_view key, float value) { return text(key).raw<std::uint32_t>(6).raw(value); }
  GgufBytes& key_text(std::string_view key, std::string_view value) {
    return text(key).raw<std::uint32_t>(8).text(value);
  }
  GgufBytes& key_texts(std::string_view key, const std::vector<std::string>& values) {
    text(key).raw<std::uint32_t>(9).raw<std::uint32_t>(8).raw<std::uint64_t>(values.size());
    for (const std::string& value : values) text(value);
    return *this;
  }
  template <typename T>
  GgufBytes& key_numbers(std::string_view key, std::uint32_t type, const std::vector<T>& values) {
    text(key).raw<std::uint32_t>(9).raw(type).template raw<std::uint64_t>(values.size());
    for (const T value : values) raw(value);
    return *this;
  }
  GgufBytes& tensor(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                    std::uint64_t offset) {
    text(name).raw(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t extent : shape) raw(extent);
    return raw(type).raw(offset);
  }
  // Fills up to the alignment, then adds `bytes` zeros of tensor data.
  GgufBytes& data(std::size_t bytes, std::size_t alignment = 32) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment + bytes);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace tsukai::infer
