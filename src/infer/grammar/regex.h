// Regular expressions as JSON Schema's `pattern` uses them (ECMA-262, the part that RE2 shares), made into
// automata.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "infer/grammar/nfa.h"

namespace tsukai::infer::grammar {

constexpr std::size_t kRegexBytesMax = 4'096;
constexpr int kRegexDepthMax = 64;
constexpr std::uint32_t kRegexRepeatMax = 1'000;

struct RegexOptions {
  bool search =
      false;  // Anything may stand before and after, but for ^ and $. Else the whole text must match.
  bool quoted = false;  // The automaton reads a JSON string, quotes included.
};

// kUnsupported names a construct outside the subset (lookaround, back-references, \b), kInvalidArgument a
// mistake, kExhausted a limit.
Result<std::shared_ptr<const Dfa>> compile_regex(std::string_view pattern, RegexOptions options);

}  // namespace tsukai::infer::grammar
