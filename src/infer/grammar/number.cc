#include "infer/grammar/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "infer/grammar/regex.h"

namespace tsukai::infer::grammar {
namespace {

int sign(int v) { return v < 0 ? -1 : v > 0 ? 1 : 0; }

int compare_magnitude(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  if (const int c = a.whole.compare(b.whole); c != 0) return sign(c);
  return sign(a.fraction.compare(b.fraction));  // No trailing zeros, so a prefix is the smaller.
}

// A bound on the digits that follow the sign.
struct Bound {
  std::string whole, fraction;
  bool open = false;
};

// Where a number being written stands.
enum Phase : int { kStart, kMinus, kZero, kWhole, kPoint, kDecimals };
// phase, negative, digits written in this part, comparison with the lower and upper bound so far, digits of
// the whole part, value modulo the multiple.
using Place = std::tuple<int, bool, int, int, int, int, std::uint32_t>;

class NumberBuilder {
 public:
  NumberBuilder(const NumberBounds& bounds, std::uint32_t modulus, std::size_t scale)
      : bounds_(bounds), modulus_(modulus), scale_(scale) {
    const auto low = bounds.low, high = bounds.high;
    // Not below zero.
    positive_ = !(high && (high->negative || (high->zero() && bounds.high_open)));
    if (positive_) {
      if (low && !low->negative) low_[0] = Bound{low->whole, low->fraction, bounds.low_open};
      if (high) high_[0] = Bound{high->whole, high->fraction, bounds.high_open};
    }
    // Below zero: the bounds on the magnitude change places, and zero itself is written without a sign.
    negative_ = !(low && !low->negative);
    if (negative_) {
      low_[1] = Bound{"0", "", true};
      if (high && high->negative) low_[1] = Bound{high->whole, high->fraction, bounds.high_open};
      if (low) high_[1] = Bound{low->whole, low->fraction, bounds.low_open};
    }
    whole_max_ = kIntegerDigitsMax;
    fraction_extra_ = 0;
    for (const auto& b : {low, high}) {
      if (!b) continue;
      whole_max_ = std::max(whole_max_, b->whole.size());
      fraction_extra_ = std::max(fraction_extra_, b->fraction.size());
    }
  }

  // Nothing: it would have more than kNumberStatesMax states.
  std::optional<RawDfa> build() {
    intern({kStart, false, 0, 0, 0, 0, 0});
    for (std::uint32_t i = 0; i < places_.size(); ++i) {
      if (places_.size() > kNumberStatesMax) return std::nullopt;
      const auto place = places_[i];
      raw_.states[i].accept = accepts(place);
      for (int b = 0; b < 256; ++b) {
        if (!(b == '-' || b == '.' || (b >= '0' && b <= '9'))) continue;
        Place next;
        if (!step(place, b, next)) continue;
        const auto id = intern(next);
        raw_.states[i].next[b] = id;
      }
    }
    return std::move(raw_);
  }

 private:
  std::uint32_t intern(const Place& place) {
    const auto [phase, negative, digits, low, high, whole, rest] = place;
    std::uint64_t key = static_cast<std::uint64_t>(phase) << 1 | (negative ? 1 : 0);
    for (const int small : {digits, low + 1, high + 1, whole})
      key = key << 8 | static_cast<std::uint64_t>(small);
    auto [it, added] = ids_.try_emplace(key << 16 | rest, static_cast<std::uint32_t>(places_.size()));
    if (added) places_.push_back(place), raw_.add();
    return it->second;
  }

  static int digit_against(const std::string& digits, int index, int digit, int so_far) {
    if (so_far != 0) return so_far;
    const int other =
        index < static_cast<int>(digits.size()) ? digits[static_cast<std::size_t>(index)] - '0' : 0;
    return sign(digit - other);
  }
  // The whole part against that of a bound, once it is complete.
  static int whole_against(const std::optional<Bound>& bound, int digits, int so_far, int unbounded) {
    if (!bound) return unbounded;
    const int size = static_cast<int>(bound->whole.size());
    return digits != size ? sign(digits - size) : so_far;
  }

  bool step(const Place& place, int b, Place& next) const {
    auto [phase, negative, digits, low, high, whole, rest] = place;
    if (phase == kStart || phase == kMinus) {
      if (b == '-') {
        next = {kMinus, true, 0, 0, 0, 0, 0};
        return phase == kStart && negative_;
      }
      if (b == '.' || (phase == kStart && !positive_)) return false;
    }
    if (phase == kStart || phase == kMinus || phase == kWhole) {
      if (b >= '0' && b <= '9') {
        if (digits >= static_cast<int>(whole_max_)) return false;
        auto against = [&](const std::optional<Bound>& bound, int so_far) {
          if (!bound) return 0;
          if (digits >= static_cast<int>(bound->whole.size())) return 1;
          return digit_against(bound->whole, digits, b - '0', so_far);
        };
        next = {
            digits == 0 && b == '0' ? kZero : kWhole, negative, digits + 1,     against(low_[negative], low),
            against(high_[negative], high),           0,        modulo(rest, b)};
        // More digits than the upper bound has: nothing can save it.
        return !(high_[negative] && digits + 1 > static_cast<int>(high_[negative]->whole.size()));
      }
    }
    if (phase == kZero || phase == kWhole) {
      if (b != '.' || bounds_.integer || fraction_max(digits) == 0) return false;
      low = whole_against(low_[negative], digits, low, 1);
      high = whole_against(high_[negative], digits, high, -1);
      // Under a multiple the whole part's length decides nothing more, and states are many enough without it.
      next = {kPoint, negative, 0, low, high, modulus_ != 0 ? 0 : digits, rest};
      return low >= 0 && high <= 0;
    }
    if (phase == kPoint || phase == kDecimals) {
      if (b == '.' || b == '-' || digits >= static_cast<int>(fraction_max(whole))) return false;
      next = {kDecimals,
              negative,
              digits + 1,
              low_[negative] ? digit_against(low_[negative]->fraction, digits, b - '0', low) : low,
              high_[negative] ? digit_against(high_[negative]->fraction, digits, b - '0', high) : high,
              whole,
              modulo(rest, b)};
      return std::get<3>(next) >= 0 && std::get<4>(next) <= 0;
    }
    return false;
  }

  bool accepts(const Place& place) const {
    auto [phase, negative, digits, low, high, whole, rest] = place;
    if (phase != kZero && phase != kWhole && phase != kDecimals) return false;
    std::size_t written = 0;
    if (phase == kDecimals)
      written = static_cast<std::size_t>(digits);
    else {
      low = whole_against(low_[negative], digits, low, 1);
      high = whole_against(high_[negative], digits, high, -1);
    }
    const auto& l = low_[negative];
    const auto& h = high_[negative];
    // Equal so far: the rest of the bound's digits decides.
    if (l && low == 0 && (l->fraction.size() > written || l->open)) return false;
    if (h && high == 0 && h->fraction.size() <= written && h->open) return false;
    if (low < 0 || high > 0) return false;
    if (modulus_ == 0) return true;
    std::uint64_t value = rest;
    for (std::size_t i = written; i < scale_; ++i) value = value * 10 % modulus_;
    return value % modulus_ == 0;
  }

  std::uint32_t modulo(std::uint32_t rest, int b) const {
    return modulus_ == 0 ? 0
                         : static_cast<std::uint32_t>(
                               (rest * std::uint64_t{10} + static_cast<std::uint64_t>(b - '0')) % modulus_);
  }
  std::size_t fraction_max(int whole) const {
    if (modulus_ != 0) return scale_;
    const auto room = kFractionDigitsMax - std::min(kFractionDigitsMax, static_cast<std::size_t>(whole));
    return std::max(room, fraction_extra_);
  }

  const NumberBounds& bounds_;
  std::uint32_t modulus_;
  std::size_t scale_;
  bool positive_ = true, negative_ = true;
  std::optional<Bound> low_[2], high_[2];
  std::size_t whole_max_ = 0, fraction_extra_ = 0;
  RawDfa raw_;
  std::unordered_map<std::uint64_t, std::uint32_t> ids_;
  std::vector<Place> places_;
};

}  // namespace

Decimal Decimal::from(const Json& number) {
  std::string text;
  if (number.is_number_unsigned())
    text = fmt::to_string(number.get<std::uint64_t>());
  else if (number.is_number_integer())
    text = fmt::to_string(number.get<std::int64_t>());
  else
    text = fmt::format("{:e}", number.get<double>());
  if (number.is_number_float()) {  // The shortest text that reads back as the same double: d.ddde+xx
    text = fmt::format("{}", number.get<double>());
  }
  Decimal out;
  if (!text.empty() && text[0] == '-') out.negative = true, text.erase(0, 1);
  int exponent = 0;
  if (auto e = text.find('e'); e != std::string::npos) {
    exponent = std::stoi(text.substr(e + 1));
    text.erase(e);
  }
  std::string digits = text;
  auto point = text.find('.');
  if (point == std::string::npos)
    point = text.size();
  else
    digits.erase(point, 1);
  int whole = static_cast<int>(point) + exponent;
  while (whole < 0) digits.insert(0, "0"), ++whole;
  while (static_cast<int>(digits.size()) < whole) digits += '0';
  out.whole = digits.substr(0, static_cast<std::size_t>(whole));
  out.fraction = digits.substr(static_cast<std::size_t>(whole));
  while (out.whole.size() > 1 && out.whole[0] == '0') out.whole.erase(0, 1);
  if (out.whole.empty()) out.whole = "0";
  while (!out.fraction.empty() && out.fraction.back() == '0') out.fraction.pop_back();
  if (out.zero()) out.negative = false;
  return out;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  return a.negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

Result<std::shared_ptr<const Dfa>> compile_number(const NumberBounds& given) {
  NumberBounds bounds = given;
  std::uint64_t modulus = 0;
  std::size_t scale = 0;
  if (bounds.multiple) {
    const auto& m = *bounds.multiple;
    scale = m.fraction.size();
    // A double holds a multiple exactly only if the step is a whole number or a sum of halves, quarters, ...
    if (scale > 0) {
      double whole = std::stod(m.whole + "." + m.fraction);
      if (scale > 8 || std::ldexp(whole, static_cast<int>(scale)) !=
                           std::floor(std::ldexp(whole, static_cast<int>(scale)))) {
        return fail(Code::kUnsupported,
                    fmt::format("multipleOf {}.{} is not exact in binary", m.whole, m.fraction));
      }
    }
    const std::string digits = m.whole + m.fraction;
    if (digits.size() > 12)
      return fail(Code::kUnsupported, fmt::format("multipleOf {} is over {}", m.whole, kMultipleMax));
    modulus = std::stoull(digits);
    if (modulus == 0) return fail(Code::kInvalidArgument, "multipleOf must be above 0");
    if (bounds.integer &&
        scale > 0) {  // Whole numbers that are multiples: of modulus / gcd(modulus, 10^scale).
      std::uint64_t power = 1;
      for (std::size_t i = 0; i < scale; ++i) power *= 10;
      modulus /= std::gcd(modulus, power);
      scale = 0;
    }
    if (modulus > kMultipleMax)
      return fail(Code::kUnsupported, fmt::format("multipleOf {} is over {}", m.whole, kMultipleMax));
    if (scale == 0) bounds.integer = true;
    if (modulus == 1 && scale == 0) modulus = 0;
  }
  for (auto* bound : {&bounds.low, &bounds.high}) {
    if (!*bound ||
        ((*bound)->whole.size() <= kBoundDigitsMax && (*bound)->fraction.size() <= kBoundDigitsMax))
      continue;
    // A bound that no number of ours reaches is none; one that none of ours satisfies can't be honoured.
    const bool far = (bound == &bounds.high) != (*bound)->negative;
    if ((*bound)->whole.size() > kBoundDigitsMax && far)
      bound->reset();
    else
      return fail(Code::kUnsupported, fmt::format("a bound with more than {} digits", kBoundDigitsMax));
  }
  if (!bounds.low && !bounds.high && modulus == 0) {
    if (bounds.integer) {
      static const auto integer = compile_regex("0|-?[1-9][0-9]{0,14}", {});
      return integer;
    }
    static const auto number =
        compile_regex("-?(?:0|[1-9][0-9]{0,14})(?:\\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,2})?", {});
    return number;
  }
  auto raw = NumberBuilder(bounds, static_cast<std::uint32_t>(modulus), scale).build();
  if (!raw) {
    const auto& m = *bounds.multiple;  // Without one there are never so many.
    return fail(
        Code::kUnsupported,
        fmt::format("multipleOf {}{}{} takes more than {} states within so wide a minimum and maximum",
                    m.whole, m.fraction.empty() ? "" : ".", m.fraction, kNumberStatesMax));
  }
  return Dfa::finish(*raw);
}

}  // namespace tsukai::infer::grammar
