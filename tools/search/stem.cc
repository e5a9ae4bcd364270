// Step 1 of Porter's stemmer, from "An algorithm for suffix stripping", Program 14(3), 1980. The later steps
// (-ational, -fulness ...) join words that people looking for pages often mean apart, so they are left out.
#include <algorithm>
#include <array>

#include "tools/search/words.h"

namespace tsukai::search {
namespace {

constexpr std::size_t kStemmedMin = 4;  // Shorter words are left alone.

bool is_consonant(std::string_view word, std::size_t i) {
  switch (word[i]) {
    case 'a':
    case 'e':
    case 'i':
    case 'o':
    case 'u':
      return false;
    case 'y':
      return i == 0 || !is_consonant(word, i - 1);
    default:
      return true;
  }
}

bool has_vowel(std::string_view word) {
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (!is_consonant(word, i)) return true;
  }
  return false;
}

// How many times a vowel is followed by a consonant: m in Porter's paper.
int measure(std::string_view word) {
  int m = 0;
  for (std::size_t i = 1; i < word.size(); ++i)
    m += is_consonant(word, i) && !is_consonant(word, i - 1) ? 1 : 0;
  return m;
}

bool ends_double_consonant(std::string_view word) {
  const auto n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && is_consonant(word, n - 1);
}

// Consonant, vowel, consonant that is not w, x or y: "hop", "fil".
bool ends_cvc(std::string_view word) {
  const auto n = word.size();
  if (n < 3 || !is_consonant(word, n - 1) || is_consonant(word, n - 2) || !is_consonant(word, n - 3))
    return false;
  return word[n - 1] != 'w' && word[n - 1] != 'x' && word[n - 1] != 'y';
}

void after_ed_or_ing(std::string& word) {
  if (word.ends_with("at") || word.ends_with("bl") || word.ends_with("iz")) {
    word += 'e';
  } else if (ends_double_consonant(word) && !word.ends_with('l') && !word.ends_with('s') &&
             !word.ends_with('z')) {
    word.pop_back();
  } else if (measure(word) == 1 && ends_cvc(word)) {
    word += 'e';
  }
}

// Sorted, as forms.
constexpr auto kStopWords = std::to_array<std::string_view>(
    {"a",    "about", "an",   "and",   "are",   "at",   "be",    "by",   "can",  "do",  "doe",
     "for",  "from",  "has",  "have",  "how",   "i",    "in",    "is",   "it",   "me",  "my",
     "of",   "on",    "or",   "that",  "the",   "thei", "their", "thi",  "to",   "was", "we",
     "were", "what",  "when", "where", "which", "who",  "why",   "will", "with", "you", "your"});
static_assert(std::is_sorted(kStopWords.begin(), kStopWords.end()));

}  // namespace

std::string stem(std::string word) {
  if (word.size() < kStemmedMin ||
      !std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; }))
    return word;
  const auto drop = [&](std::size_t letters) { word.resize(word.size() - letters); };
  // 1a
  if (word.ends_with("sses") || word.ends_with("ies")) {
    drop(2);
  } else if (word.ends_with('s') && !word.ends_with("ss")) {
    drop(1);
  }
  // 1b
  const std::string_view all = word;
  if (word.ends_with("eed")) {
    if (measure(all.substr(0, all.size() - 3)) > 0) drop(1);
  } else if (word.ends_with("ed") && has_vowel(all.substr(0, all.size() - 2))) {
    drop(2);
    after_ed_or_ing(word);
  } else if (word.ends_with("ing") && has_vowel(all.substr(0, all.size() - 3))) {
    drop(3);
    after_ed_or_ing(word);
  }
  // 1c
  if (word.ends_with('y') && has_vowel(std::string_view(word).substr(0, word.size() - 1))) word.back() = 'i';
  return word;
}

bool is_stop_word(std::string_view form) {
  return std::binary_search(kStopWords.begin(), kStopWords.end(), form);
}

}  // namespace tsukai::search
