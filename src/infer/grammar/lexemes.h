// The words that JSON texts are made of.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "infer/grammar/dfa.h"
#include "infer/grammar/number.h"
#include "infer/grammar/regex.h"

namespace tsukai::infer::grammar {

// Strings without maxLength, so that a model can't write for ever. In characters.
constexpr std::uint32_t kStringCharactersMax = 4'096;
// Names of members that a schema doesn't name.
constexpr std::uint32_t kKeyCharactersMax = 128;

// Any JSON string with its quotes; every escape is allowed, invalid UTF-8 and lone surrogates are not.
const std::shared_ptr<const Dfa>& any_string();
// The same, one spelling for each; and no string at all.
const std::shared_ptr<const Dfa>& canonical_string();
const std::shared_ptr<const Dfa>& no_string();
// These strings alone, one spelling for each. nullptr when that takes more than `states_max` states.
std::shared_ptr<const Dfa> only_strings(const std::set<std::string>& strings, std::size_t states_max);
// JSON strings, one spelling for each, but for these. nullptr when that takes more than `states_max` states.
std::shared_ptr<const Dfa> any_string_but(const std::set<std::string>& excluded, std::size_t states_max);
// JSON strings of a `format`; nullptr when the format is unknown.
std::shared_ptr<const Dfa> format_string(std::string_view format);

}  // namespace tsukai::infer::grammar
