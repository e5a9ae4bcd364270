// Text on a terminal, broken between words rather than within them, also while it is being written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tsukai::cli {

// Takes text piece by piece. A word is written once it is whole; East Asian text is broken between
// characters, but no closing mark begins a line.
class TextWrap {
 public:
  // So many cells stand before every line.
  explicit TextWrap(std::size_t indent = 0) : indent_(indent) {}
  // What to write for `text` (printable, valid UTF-8) on a terminal that has `cells` now; 0: nothing is
  // broken.
  std::string feed(std::string_view text, std::size_t cells);
  // What was held back. Text after it stands on a new line.
  std::string flush(std::size_t cells);

 private:
  void end_word(std::size_t cells, std::string& out);
  void place(std::string_view character, std::size_t width, std::size_t cells, std::string& out);

  std::size_t indent_;
  std::size_t column_ = 0;  // Cells of this line, its indent included; 0: nothing is written yet.
  std::size_t spaces_ = 0;  // Before the word.
  bool broken_ = false;     // This line was begun here, not by the text.
  std::string word_;
  bool word_is_wide_ = false;  // It ends in an East Asian character.
};

// All of a text. Its last line has no line break.
std::string wrapped(std::string_view text, std::size_t cells, std::size_t indent = 0);

}  // namespace tsukai::cli
