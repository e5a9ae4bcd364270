#include "tools/tsukai/text_wrap.h"

#include <algorithm>
#include <array>

#include "tools/tsukai/columns.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kCellsMin = 20;  // A narrower terminal breaks lines by itself.

constexpr std::array<std::string_view, 17> kClosing = {"。", "、", "，", "．", "！", "？", "：", "；", "）",
                                                       "」", "』", "】", "》", "〉", "ー", "々", "…"};

bool closes(std::string_view character) {
  return std::find(kClosing.begin(), kClosing.end(), character) != kClosing.end();
}

std::size_t bytes_at(std::string_view text, std::size_t at) {
  std::size_t bytes = 1;
  while (at + bytes < text.size() && (static_cast<unsigned char>(text[at + bytes]) & 0xc0) == 0x80) ++bytes;
  return bytes;
}

}  // namespace

std::string TextWrap::feed(std::string_view text, std::size_t cells) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto character = text.substr(at, bytes_at(text, at));
    at += character.size();
    if (character == "\n") {
      end_word(cells, out);
      out += '\n';
      column_ = spaces_ = 0;
      broken_ = false;
    } else if (character == " " || character == "\t") {
      end_word(cells, out);
      spaces_ += character == " " ? 1 : 4;
    } else {
      const auto width = display_width(character);
      const bool wide = width > 1, stays = width == 0 || (closes(character) && !word_.empty());
      if ((wide || word_is_wide_) && !stays) end_word(cells, out);
      word_ += character;
      word_is_wide_ = wide || stays;
    }
  }
  return out;
}

std::string TextWrap::flush(std::size_t cells) {
  std::string out;
  end_word(cells, out);
  column_ = spaces_ = 0;
  broken_ = false;
  return out;
}

void TextWrap::end_word(std::size_t cells, std::string& out) {
  if (word_.empty()) return;
  const auto width = display_width(word_);
  const bool breaks = cells >= std::max(kCellsMin, 2 * indent_);
  if (breaks && column_ > indent_ && column_ + spaces_ + width >= cells) {
    out += '\n';
    column_ = spaces_ = 0;
    broken_ = true;
  }
  if (column_ == 0) {
    out.append(indent_, ' ');
    column_ = indent_;
    if (broken_) spaces_ = 0;
  }
  out.append(spaces_, ' ');
  column_ += spaces_;
  spaces_ = 0;
  for (std::size_t at = 0; at < word_.size();) {
    const auto character = std::string_view(word_).substr(at, bytes_at(word_, at));
    place(character, display_width(character), breaks ? cells : 0, out);
    at += character.size();
  }
  word_.clear();
  word_is_wide_ = false;
}

// A word longer than the line is broken where the line ends.
void TextWrap::place(std::string_view character, std::size_t width, std::size_t cells, std::string& out) {
  if (cells > 0 && column_ > indent_ && column_ + width >= cells) {
    out += '\n';
    out.append(indent_, ' ');
    column_ = indent_;
    broken_ = true;
  }
  out += character;
  column_ += width;
}

std::string wrapped(std::string_view text, std::size_t cells, std::size_t indent) {
  TextWrap wrap(indent);
  auto out = wrap.feed(text, cells);
  return out + wrap.flush(cells);
}

}  // namespace tsukai::cli
