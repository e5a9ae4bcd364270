#include "infer/tokenizer/unicode_class.h"

#include <utf8proc.h>

#include <cstdlib>
#include <cstring>
#include <vector>

namespace tsukai::infer {
namespace {

// White_Space of Unicode 15: what \s means in the regular expressions of Hugging Face tokenizers.
bool is_white_space(std::uint32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

CharacterClass classify(std::uint32_t c) {
  if (c == '\r' || c == '\n') return CharacterClass::kNewline;
  if (is_white_space(c)) return CharacterClass::kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharacterClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharacterClass::kNumber;
    default:
      return CharacterClass::kOther;
  }
}

bool is_mark(utf8proc_category_t category) {
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

// Every character that can join the one before it in NFC is a mark or a Hangul vowel or final, so taking all
// of those for unstable errs on the safe side only.
bool may_change(std::uint32_t c) {
  if (c < 0xc0 || (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xd800 && c <= 0xdfff)) return false;
  const auto character = static_cast<utf8proc_int32_t>(c);
  if ((c >= 0x1100 && c <= 0x11ff) || is_mark(utf8proc_category(character))) return true;
  if (utf8proc_get_property(character)->combining_class != 0) return true;
  utf8proc_int32_t parts[8];
  int boundary = 0;
  const auto count = utf8proc_decompose_char(character, parts, 8, UTF8PROC_DECOMPOSE, &boundary);
  if (count == 1 && parts[0] == character) return false;
  // It has a decomposition: does composing bring it back?
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(character, bytes);
  utf8proc_uint8_t* composed = nullptr;
  const auto composed_length = utf8proc_map(
      bytes, length, &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const bool same =
      composed_length == length && std::memcmp(bytes, composed, static_cast<std::size_t>(length)) == 0;
  std::free(composed);
  return !same;
}

// Planes 4 to 13 hold no characters, 14 tags and variation selectors (marks), 15 and 16 are for private use:
// all kOther.
bool may_hold_letters(std::uint32_t page) { return page < 0x400; }

}  // namespace

std::uint8_t CharacterClasses::facts_of(std::uint32_t code_point) {
  return static_cast<std::uint8_t>(static_cast<std::uint8_t>(classify(code_point)) |
                                   (may_change(code_point) ? kUnstable : 0));
}

CharacterClasses::CharacterClasses() {
  std::vector<std::uint8_t> pages(256, 0);  // Page 0 is all kOther.
  for (std::uint32_t page = 0; page < page_of_.size(); ++page) {
    page_of_[page] = 0;
    if (!may_hold_letters(page)) continue;
    std::array<std::uint8_t, 256> classes;
    for (std::uint32_t i = 0; i < 256; ++i) classes[i] = facts_of(page * 256 + i);
    const std::size_t known = pages.size() / 256;
    std::size_t same = 0;
    while (same < known && std::memcmp(pages.data() + same * 256, classes.data(), 256) != 0) ++same;
    if (same == known) pages.insert(pages.end(), classes.begin(), classes.end());
    page_of_[page] = static_cast<std::uint16_t>(same);
  }
  pages_ = std::make_unique<std::uint8_t[]>(pages.size());
  std::memcpy(pages_.get(), pages.data(), pages.size());
  for (std::uint32_t c = 0; c < ascii_.size(); ++c) ascii_[c] = of(c);
}

const CharacterClasses& CharacterClasses::get() {
  static const CharacterClasses classes;
  return classes;
}

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

}  // namespace tsukai::infer
