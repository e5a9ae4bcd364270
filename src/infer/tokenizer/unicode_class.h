// What pre-tokenizers need to know of a character: letter, number, white space or none of these.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tsukai::infer {

enum class CharacterClass : std::uint8_t {
  kOther,
  kLetter,   // \p{L}
  kNumber,   // \p{N}
  kSpace,    // \s (the property White_Space) except the two below
  kNewline,  // \r and \n
};

// Facts of all code points: a byte per code point in pages of 256, equal pages shared (about 60 KB).
// Built once per process from utf8proc's tables, in about 3 ms; immutable after.
class CharacterClasses {
 public:
  static const CharacterClasses& get();

  CharacterClass of(std::uint32_t code_point) const {
    return static_cast<CharacterClass>(facts(code_point) & kClassBits);
  }
  // Does it stay as it is under NFC whatever stands beside it, unless what follows joins it? (Its combining
  // class is 0, it has no other canonical form and never joins the character before.)
  bool stable(std::uint32_t code_point) const { return (facts(code_point) & kUnstable) == 0; }
  // The classes of ASCII.
  const std::array<CharacterClass, 128>& ascii() const { return ascii_; }

 private:
  static constexpr std::uint8_t kClassBits = 7, kUnstable = 8;

  CharacterClasses();
  std::uint8_t facts(std::uint32_t code_point) const {
    return pages_[page_of_[code_point >> 8] * 256u + (code_point & 255)];
  }
  static std::uint8_t facts_of(std::uint32_t code_point);

  std::array<CharacterClass, 128> ascii_;
  std::array<std::uint16_t, 0x1100> page_of_;
  std::unique_ptr<std::uint8_t[]> pages_;
};

// The well-formed character at text[at], or kMalformed and one byte.
struct DecodedCharacter {
  std::uint32_t code_point = 0;
  std::uint32_t length = 1;
};
inline constexpr std::uint32_t kMalformed = 0xffffffff;
inline DecodedCharacter decode_character(std::string_view text, std::size_t at) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data()) + at;
  const std::size_t left = text.size() - at;
  const std::uint32_t first = bytes[0];
  auto tail = [&](std::size_t i) { return i < left && (bytes[i] & 0xc0) == 0x80; };
  if (first < 0x80) return {first, 1};
  if (first >= 0xc2 && first <= 0xdf) {
    if (tail(1)) return {(first & 0x1f) << 6 | (bytes[1] & 0x3fu), 2};
  } else if (first >= 0xe0 && first <= 0xef) {
    if (tail(1) && tail(2)) {
      const std::uint32_t c = (first & 0x0f) << 12 | (bytes[1] & 0x3fu) << 6 | (bytes[2] & 0x3fu);
      if (c >= 0x800 && (c < 0xd800 || c > 0xdfff)) return {c, 3};
    }
  } else if (first >= 0xf0 && first <= 0xf4) {
    if (tail(1) && tail(2) && tail(3)) {
      const std::uint32_t c =
          (first & 0x07) << 18 | (bytes[1] & 0x3fu) << 12 | (bytes[2] & 0x3fu) << 6 | (bytes[3] & 0x3fu);
      if (c >= 0x10000 && c <= 0x10ffff) return {c, 4};
    }
  }
  return {kMalformed, 1};
}

// Appends a code point (at most 0x10FFFF) as UTF-8.
void append_utf8(std::string& out, std::uint32_t code_point);

}  // namespace tsukai::infer
