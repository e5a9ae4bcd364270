// The part of a page that shows why it was found, with the hits marked.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tools/search/query.h"

namespace tsukai::search {

inline constexpr std::size_t kSnippetBytes = 260;  // About; a character or a word is never cut.

// One line: the stretch of `text` with most of the terms, "…" where something was left out, hits between two
// asterisks on each side: "… sells **coffee** **beans** …". The beginning of the text when it holds no hit.
std::string snippet(std::string_view text, const std::vector<Term>& terms);

}  // namespace tsukai::search
