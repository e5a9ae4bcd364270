#include "base/base64.h"

#include <cstdint>

namespace tsukai {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0;
    };
    const std::uint32_t group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += kLetters[group >> 18 & 63];
    out += kLetters[group >> 12 & 63];
    out += i + 1 < bytes.size() ? kLetters[group >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? kLetters[group & 63] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    std::size_t letters = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const auto value = kLetters.find(text[i + k]);
      group <<= 6;
      if (value == std::string_view::npos) continue;
      if (letters != k) return std::nullopt;  // a letter after padding
      group |= static_cast<std::uint32_t>(value);
      ++letters;
    }
    if (letters < 2) return std::nullopt;
    for (std::size_t k = 0; k + 1 < letters; ++k) out += static_cast<char>(group >> (16 - 8 * k) & 255);
  }
  // One spelling only: what does not come out the same was not written by base64().
  if (base64(out) != text) return std::nullopt;
  return out;
}

}  // namespace tsukai
