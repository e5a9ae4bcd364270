// Text as words: one tokenizer for the index, the query and the marks in snippets, so that they always agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tsukai::search {

// Changes whenever the same text would be indexed differently: an index made with another one is made again.
inline constexpr int kWordsVersion = 1;

// One word of a text. Its form is what is compared: case folded, without diacritics, full-width letters as
// ASCII, English endings removed ("Roasted" and "roasts" are both "roast").
// Chinese, Japanese and Korean are written without spaces: each run of such characters gives its overlapping
// pairs in order and then the last character alone ("咖啡豆" -> 咖啡, 啡豆, 豆). So consecutive pairs are
// exactly a substring, and a single character is the beginning of a form.
struct Word {
  std::string form;
  std::size_t begin = 0, end = 0;  // Bytes of the text.
  bool cjk = false;
};

// `text` may hold anything; malformed UTF-8 parts words.
std::vector<Word> words(std::string_view text);

// The forms, separated by spaces, for FTS5's unicode61 tokenizer.
std::string index_text(std::string_view text);

// Step 1 of Porter's stemmer (Porter 1980: plurals, -ed, -ing, y) for lower-case ASCII words; others are
// returned as they are.
std::string stem(std::string word);

// How many characters (code points) UTF-8 text has.
std::int64_t characters_of(std::string_view text);

// Is it so common in English that it says nothing about a page? (In its form.)
bool is_stop_word(std::string_view form);

}  // namespace tsukai::search
