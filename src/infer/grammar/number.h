// Automata for JSON numbers within bounds.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "infer/grammar/dfa.h"

namespace tsukai::infer::grammar {

// So that a model can't write digits for ever. Together they are what a double holds exactly (15 decimal
// digits), so two different texts are two different values and a bound is never blurred by rounding.
constexpr std::size_t kIntegerDigitsMax = 15;
constexpr std::size_t kFractionDigitsMax = 15;
// Bounds with more digits than this are refused.
constexpr std::size_t kBoundDigitsMax = 40;
constexpr std::uint64_t kMultipleMax = 10'000;
// A multiple takes as many states as it has remainders for each digit that may be written: within seven
// digits 10,000 fits, without bounds about 2,400.
constexpr std::size_t kNumberStatesMax = 75'000;

// A decimal number: sign, digits before and after the point without needless zeros ("0" before, "" after).
struct Decimal {
  bool negative = false;
  std::string whole = "0";
  std::string fraction;
  static Decimal from(const Json& number);
  bool zero() const { return whole == "0" && fraction.empty(); }
};
// -1, 0, 1.
int compare(const Decimal& a, const Decimal& b);

struct NumberBounds {
  bool integer = false;
  std::optional<Decimal> low, high;
  bool low_open = false, high_open = false;
  std::optional<Decimal> multiple;  // Positive.
};

// The texts of the numbers within `bounds`. Without bounds a number may have an exponent. kUnsupported names
// a bound or multiple that can't be honoured exactly; an automaton that is empty() means there is no such
// number.
Result<std::shared_ptr<const Dfa>> compile_number(const NumberBounds& bounds);

}  // namespace tsukai::infer::grammar
