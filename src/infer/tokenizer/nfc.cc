#include "infer/tokenizer/nfc.h"

#include <utf8proc.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "infer/tokenizer/unicode_class.h"

namespace tsukai::infer {
namespace {

// The end of the ASCII that begins at `at`.
std::size_t skip_ascii(std::string_view text, std::size_t at) {
  while (at + 8 <= text.size()) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080u) != 0) break;
    at += 8;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

void append_composed(std::string_view segment, std::string& out) {
  utf8proc_uint8_t* composed = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(segment.data()),
                                   static_cast<utf8proc_ssize_t>(segment.size()), &composed,
                                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (length < 0) {
    out += segment;
  } else {
    out.append(reinterpret_cast<char*>(composed), static_cast<std::size_t>(length));
  }
  std::free(composed);
}

}  // namespace

std::optional<std::string> normalised_nfc(std::string_view text) {
  const CharacterClasses& classes = CharacterClasses::get();
  std::string out;
  std::size_t copied = 0;    // text[0, copied) is in `out`.
  std::size_t previous = 0;  // Where the character before `at` begins.
  bool changed = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t ascii_end = skip_ascii(text, at);
    if (ascii_end != at) {
      previous = ascii_end - 1;
      at = ascii_end;
      continue;
    }
    const DecodedCharacter c = decode_character(text, at);
    if (c.code_point == kMalformed) return std::nullopt;
    if (classes.stable(c.code_point)) {
      previous = at;
      at += c.length;
      continue;
    }
    // From the stable character before, which it may join, to the next stable one, where nothing reaches.
    const std::size_t begin = std::max(previous, copied);
    std::size_t end = at + c.length;
    while (end < text.size()) {
      const DecodedCharacter next = decode_character(text, end);
      if (next.code_point == kMalformed) return std::nullopt;
      if (classes.stable(next.code_point)) break;
      end += next.length;
    }
    out += text.substr(copied, begin - copied);
    const std::size_t written = out.size();
    append_composed(text.substr(begin, end - begin), out);
    changed = changed || std::string_view(out).substr(written) != text.substr(begin, end - begin);
    copied = previous = at = end;
  }
  if (!changed) return std::nullopt;
  out += text.substr(copied);
  return out;
}

}  // namespace tsukai::infer
