// Text for the full-text index. FTS5's tokenizers find neither 咖啡 nor コーヒー inside longer words, so runs
// of Chinese and Japanese characters are stored as overlapping pairs; all other words are left to FTS5
// (porter, diacritics removed).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tsukai::maps {

// "老城门 Gate" -> "老城 城门 门 Gate": pairs in order, the last character alone, so that a phrase of pairs
// is a substring search and a prefix search finds a single character.
std::string index_text(std::string_view text);

// FTS5 query terms for a search text, each safe to combine with AND and OR. Stop words of English are dropped
// as long as something else is left. At most kTermsMax.
inline constexpr std::size_t kTermsMax = 16;
std::vector<std::string> query_terms(std::string_view text);

}  // namespace tsukai::maps
