// Small text functions that several folders need: UTF-8, nearest names, shortening for display.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tsukai {

bool valid_utf8(std::string_view bytes);
// How many bytes at the end of `bytes` begin a character that is not complete yet (0 to 3).
std::size_t incomplete_utf8_tail(std::string_view bytes);
// Every malformed sequence becomes U+FFFD.
std::string repaired_utf8(std::string_view bytes);

// The candidate closest to `word` by edit distance, if it is close enough to be a slip; else empty.
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

// At most `characters` characters (not bytes), with an ellipsis where something was cut; line breaks become
// spaces.
std::string shortened(std::string_view text, std::size_t characters);

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trimmed(std::string_view text);

}  // namespace tsukai
