// Non-deterministic automata over bytes, from which lexemes are made.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/result.h"
#include "infer/grammar/dfa.h"

namespace tsukai::infer::grammar {

constexpr std::size_t kNfaStatesMax = 60'000;
constexpr std::size_t kDfaStatesMax = 6'000;
// Sum of the sizes of all state sets that determinising looks at: bounds its time to about a second.
constexpr std::size_t kDeterminiseWorkMax = 4'000'000;

// Ranges of Unicode code points, sorted, apart from each other.
using CodePoints = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
CodePoints normalise(CodePoints ranges);
CodePoints complement(const CodePoints& ranges);  // Without surrogates.

// How a character is written down.
enum class Spelling {
  kRaw,      // UTF-8, nothing else.
  kJson,     // Inside a JSON string, one spelling for each character.
  kJsonAny,  // Inside a JSON string, any escape that JSON knows as well.
};

class Nfa {
 public:
  enum class Epsilon : unsigned char { kAlways, kAtBegin, kAtEnd };

  // A state between two characters, or inside one.
  std::uint32_t add(bool inside_character = false);
  void edge(std::uint32_t from, unsigned char low, unsigned char high, std::uint32_t to);
  void epsilon(std::uint32_t from, std::uint32_t to, Epsilon when = Epsilon::kAlways);
  // One character of `set`.
  void character(std::uint32_t from, const CodePoints& set, Spelling spelling, std::uint32_t to);
  std::size_t size() const { return states_.size(); }

  // The texts that lead from `start` to `end`; between quotes if `quoted`. kExhausted beyond the limits
  // above.
  Result<std::shared_ptr<const Dfa>> determinise(std::uint32_t start, std::uint32_t end, bool quoted) const;

 private:
  struct Edge {
    unsigned char low, high;
    std::uint32_t to;
  };
  struct State {
    bool inside = false;
    std::vector<Edge> edges;
    std::vector<std::pair<std::uint32_t, Epsilon>> epsilons;
  };
  void utf8(std::uint32_t from, std::uint32_t low, std::uint32_t high, std::uint32_t to);
  void close(std::vector<std::uint32_t>& set, bool begin, bool end) const;
  std::vector<State> states_;
};

}  // namespace tsukai::infer::grammar
