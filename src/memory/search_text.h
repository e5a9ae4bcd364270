// Text as the full-text index sees it: CJK bigrams for the shadow column, and match expressions made from
// what people write.
#pragma once

#include <string>
#include <string_view>

namespace tsukai::memory {

// Terms of one query beyond which the rest is ignored: bm25 looks at every posting of every term.
constexpr std::size_t kQueryTermsMax = 64;

// Chinese, Japanese and Korean are written without spaces, so FTS5's tokenizer takes a whole clause for one
// word and its trigrams can't find two-character words. This gives every character and every pair of
// neighbouring characters of the CJK runs of `text`, separated by spaces: "我爱苹果" -> "我 我爱 爱 爱苹 苹
// 苹果 果". Other text gives nothing.
std::string cjk_grams(std::string_view text);

// The words of `text` without its CJK runs, for FTS5's own tokenizer: full-width letters and digits as ASCII,
// malformed UTF-8 as U+FFFD.
std::string word_text(std::string_view text);

// An FTS5 expression for `query`, whatever it holds: every term is quoted, so FTS5's operators are only
// words. English stop-words are left out unless nothing else is there. Empty when there is no term at all.
struct MatchExpressions {
  std::string all;  // terms joined by AND; empty when there is only one
  std::string any;  // terms joined by OR
};
MatchExpressions match_expressions(std::string_view query);

}  // namespace tsukai::memory
