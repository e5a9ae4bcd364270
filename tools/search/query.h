// What a search asks for: the words of a query as terms, and those terms as FTS5 expressions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/search/words.h"

namespace tsukai::search {

inline constexpr std::size_t kTermsMax = 16;  // Of one query; the rest is left out.

// One thing to find: a word, a "quoted phrase", or a run of Chinese or Japanese (found as a substring).
struct Term {
  std::string text;                // As it was written.
  std::vector<std::string> forms;  // Consecutive forms.
  bool prefix = false;             // The only form is the beginning of one: a single CJK character.

  // Quoted, so that whatever the query holds, FTS5's operators are only words.
  std::string expression() const;
  // Do `words` hold it at position `at`? How many of them; 0: no.
  std::size_t matches(const std::vector<Word>& words, std::size_t at) const;
};

// English stop words are left out unless nothing else is there. kInvalidArgument when there is no word at
// all.
Result<std::vector<Term>> parse_query(std::string_view query);

// A run of Chinese or Japanese characters that is nowhere found whole, as its pairs; other terms as they are.
std::vector<Term> loosened(const Term& term);

}  // namespace tsukai::search
