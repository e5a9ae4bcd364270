#include "infer/tokenizer/byte_alphabet.h"

#include <array>

#include "infer/tokenizer/unicode_class.h"

namespace tsukai::infer {
namespace {

// Printable bytes stand for themselves, the 68 others for U+0100 and up, in order.
struct Alphabet {
  std::array<std::uint32_t, 256> character{};
  std::array<int, 0x144> byte{};

  Alphabet() {
    byte.fill(-1);
    std::uint32_t next = 0x100;
    for (std::uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      character[b] = printable ? b : next++;
      byte[character[b]] = static_cast<int>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet the;
  return the;
}

}  // namespace

std::optional<std::string> bytes_from_alphabet(std::string_view spelling) {
  const Alphabet& the = alphabet();
  std::string out;
  out.reserve(spelling.size());
  for (std::size_t at = 0; at < spelling.size();) {
    const DecodedCharacter c = decode_character(spelling, at);
    if (c.code_point >= the.byte.size() || the.byte[c.code_point] < 0) return std::nullopt;
    out += static_cast<char>(the.byte[c.code_point]);
    at += c.length;
  }
  return out;
}

std::string alphabet_from_bytes(std::string_view bytes) {
  std::string out;
  for (const char b : bytes) append_utf8(out, alphabet().character[static_cast<unsigned char>(b)]);
  return out;
}

}  // namespace tsukai::infer
