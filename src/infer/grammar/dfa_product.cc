// Two automata run side by side.
#include <unordered_map>

#include "infer/grammar/dfa.h"

namespace tsukai::infer::grammar {
namespace {

// accepts(a, b): whether a text counts that a and b accept or don't.
template <typename Accepts>
std::shared_ptr<const Dfa> product(const Dfa& a, const Dfa& b, std::size_t states_max,
                                   const Accepts& accepts) {
  RawDfa raw;
  std::unordered_map<std::uint64_t, std::uint32_t> ids;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> places;
  const auto live = [](const Dfa& dfa, std::uint32_t state) { return state != kDead && !dfa.empty(); };
  const auto intern = [&](std::uint32_t s, std::uint32_t t) {
    const auto [it, added] =
        ids.try_emplace(std::uint64_t{s} << 32 | t, static_cast<std::uint32_t>(places.size()));
    if (added) {
      places.emplace_back(s, t);
      auto& made = raw.states[raw.add()];
      made.accept = accepts(live(a, s) && a.state(s).accept, live(b, t) && b.state(t).accept);
      made.counts = live(a, s) ? a.state(s).counts : live(b, t) && b.state(t).counts;
    }
    return it->second;
  };
  intern(0, 0);
  const bool a_alone = accepts(true, false), b_alone = accepts(false, true);
  for (std::uint32_t i = 0; i < places.size(); ++i) {
    if (places.size() > states_max) return nullptr;
    const auto [s, t] = places[i];
    for (int byte = 0; byte < 256; ++byte) {
      const auto next_s = live(a, s) ? a.next(s, static_cast<unsigned char>(byte)) : kDead;
      const auto next_t = live(b, t) ? b.next(t, static_cast<unsigned char>(byte)) : kDead;
      if (next_s == kDead && (next_t == kDead || !b_alone)) continue;
      if (next_t == kDead && !a_alone) continue;
      const auto id = intern(next_s, next_t);
      raw.states[i].next[byte] = id;
    }
  }
  return Dfa::finish(raw);
}

}  // namespace

std::shared_ptr<const Dfa> texts_of_both(const Dfa& a, const Dfa& b, std::size_t states_max) {
  return product(a, b, states_max, [](bool x, bool y) { return x && y; });
}

std::shared_ptr<const Dfa> texts_of_either(const Dfa& a, const Dfa& b, std::size_t states_max) {
  return product(a, b, states_max, [](bool x, bool y) { return x || y; });
}

std::shared_ptr<const Dfa> texts_of_first_only(const Dfa& a, const Dfa& b, std::size_t states_max) {
  return product(a, b, states_max, [](bool x, bool y) { return x && !y; });
}

}  // namespace tsukai::infer::grammar
