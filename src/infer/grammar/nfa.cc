#include "infer/grammar/nfa.h"

#include <algorithm>
#include <bitset>
#include <map>

namespace tsukai::infer::grammar {
namespace {

constexpr std::uint32_t kCodePointMax = 0x10FFFF;

int encode(std::uint32_t c, unsigned char* out) {
  if (c < 0x80) return out[0] = static_cast<unsigned char>(c), 1;
  if (c < 0x800) {
    out[0] = static_cast<unsigned char>(0xC0 | c >> 6), out[1] = static_cast<unsigned char>(0x80 | (c & 63));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<unsigned char>(0xE0 | c >> 12),
    out[1] = static_cast<unsigned char>(0x80 | (c >> 6 & 63));
    out[2] = static_cast<unsigned char>(0x80 | (c & 63));
    return 3;
  }
  out[0] = static_cast<unsigned char>(0xF0 | c >> 18),
  out[1] = static_cast<unsigned char>(0x80 | (c >> 12 & 63));
  out[2] = static_cast<unsigned char>(0x80 | (c >> 6 & 63)),
  out[3] = static_cast<unsigned char>(0x80 | (c & 63));
  return 4;
}

}  // namespace

CodePoints normalise(CodePoints ranges) {
  std::sort(ranges.begin(), ranges.end());
  CodePoints out;
  for (const auto& [low, high] : ranges) {
    if (!out.empty() && low <= out.back().second + 1)
      out.back().second = std::max(out.back().second, high);
    else
      out.emplace_back(low, high);
  }
  return out;
}

CodePoints complement(const CodePoints& ranges) {
  CodePoints all = ranges;
  all.emplace_back(0xD800, 0xDFFF);
  CodePoints out;
  std::uint32_t at = 0;
  for (const auto& [low, high] : normalise(all)) {
    if (low > at) out.emplace_back(at, low - 1);
    at = high + 1;
  }
  if (at <= kCodePointMax) out.emplace_back(at, kCodePointMax);
  return out;
}

std::uint32_t Nfa::add(bool inside_character) {
  states_.emplace_back();
  states_.back().inside = inside_character;
  return static_cast<std::uint32_t>(states_.size() - 1);
}

void Nfa::edge(std::uint32_t from, unsigned char low, unsigned char high, std::uint32_t to) {
  states_[from].edges.push_back({low, high, to});
}

void Nfa::epsilon(std::uint32_t from, std::uint32_t to, Epsilon when) {
  states_[from].epsilons.emplace_back(to, when);
}

// Splits [low, high] where the number of bytes, or a byte that is not the last, changes; then each piece is a
// chain of byte ranges.
void Nfa::utf8(std::uint32_t from, std::uint32_t low, std::uint32_t high, std::uint32_t to) {
  for (std::uint32_t limit : {0x7Fu, 0x7FFu, 0xFFFFu}) {
    if (low <= limit && limit < high) {
      utf8(from, low, limit, to);
      utf8(from, limit + 1, high, to);
      return;
    }
  }
  if (high >= 0x80) {
    for (int i = 1; i < 4; ++i) {
      const std::uint32_t mask = (1u << (6 * i)) - 1;
      if ((low & ~mask) == (high & ~mask)) continue;
      if ((low & mask) != 0) {
        utf8(from, low, low | mask, to);
        utf8(from, (low | mask) + 1, high, to);
        return;
      }
      if ((high & mask) != mask) {
        utf8(from, low, (high & ~mask) - 1, to);
        utf8(from, high & ~mask, high, to);
        return;
      }
    }
  }
  unsigned char a[4], b[4];
  const int n = encode(low, a);
  encode(high, b);
  auto at = from;
  for (int i = 0; i < n; ++i) {
    const auto target = i + 1 == n ? to : add(true);
    edge(at, a[i], b[i], target);
    at = target;
  }
}

void Nfa::character(std::uint32_t from, const CodePoints& set, Spelling spelling, std::uint32_t to) {
  for (auto [low, high] : set) {
    if (low > high) continue;
    // Surrogates are not characters.
    if (low <= 0xDFFF && high >= 0xD800) {
      CodePoints parts;
      if (low < 0xD800) parts.emplace_back(low, 0xD7FF);
      if (high > 0xDFFF) parts.emplace_back(0xE000, high);
      character(from, parts, spelling, to);
      continue;
    }
    if (spelling == Spelling::kRaw) {
      utf8(from, low, high, to);
      continue;
    }
    std::uint32_t escape = kDead, zeros = kDead;
    auto escaped = [&](unsigned char letter) {
      if (escape == kDead) escape = add(true), edge(from, '\\', '\\', escape);
      edge(escape, letter, letter, to);
    };
    std::uint32_t at = low;
    auto plain = [&](std::uint32_t until) {  // [at, until) as UTF-8
      if (at < until) utf8(from, at, until - 1, to);
    };
    for (std::uint32_t c = low; c <= std::min<std::uint32_t>(high, 0x5C); ++c) {
      if (c >= 0x20 && c != '"' && c != '\\') continue;
      plain(c);
      at = c + 1;
      switch (c) {
        case '"':
        case '\\':
          escaped(static_cast<unsigned char>(c));
          break;
        case '\b':
          escaped('b');
          break;
        case '\f':
          escaped('f');
          break;
        case '\n':
          escaped('n');
          break;
        case '\r':
          escaped('r');
          break;
        case '\t':
          escaped('t');
          break;
        default:
          if (zeros == kDead) {
            if (escape == kDead) escape = add(true), edge(from, '\\', '\\', escape);
            const auto u = add(true), z = add(true);
            zeros = add(true);
            edge(escape, 'u', 'u', u), edge(u, '0', '0', z), edge(z, '0', '0', zeros);
          }
          const auto digit = add(true);
          const auto first = static_cast<unsigned char>('0' + (c >> 4));
          const auto last = static_cast<unsigned char>((c & 15) < 10 ? '0' + (c & 15) : 'a' + (c & 15) - 10);
          edge(zeros, first, first, digit), edge(digit, last, last, to);
      }
    }
    plain(high + 1);
    if (spelling == Spelling::kJsonAny && low == 0) {  // Only ever asked for the whole of Unicode.
      escaped('/');
      auto hex = [&](std::uint32_t a, std::uint32_t b) {
        edge(a, '0', '9', b), edge(a, 'a', 'f', b), edge(a, 'A', 'F', b);
      };
      const auto u = add(true), u1 = add(true), u2 = add(true), u3 = add(true), d = add(true);
      edge(escape, 'u', 'u', u);
      edge(u, '0', '9', u1), edge(u, 'a', 'c', u1), edge(u, 'A', 'C', u1), edge(u, 'e', 'f', u1),
          edge(u, 'E', 'F', u1);
      hex(u1, u2), hex(u2, u3), hex(u3, to);
      edge(u, 'd', 'd', d), edge(u, 'D', 'D', d), edge(d, '0', '7', u2);
      const auto h1 = add(true), h2 = add(true), h3 = add(true), s = add(true), su = add(true),
                 sd = add(true), l1 = add(true), l2 = add(true);
      edge(d, '8', '9', h1), edge(d, 'a', 'b', h1), edge(d, 'A', 'B', h1);
      hex(h1, h2), hex(h2, h3), edge(h3, '\\', '\\', s), edge(s, 'u', 'u', su);
      edge(su, 'd', 'd', sd), edge(su, 'D', 'D', sd);
      edge(sd, 'c', 'f', l1), edge(sd, 'C', 'F', l1);
      hex(l1, l2), hex(l2, to);
    }
  }
}

void Nfa::close(std::vector<std::uint32_t>& set, bool begin, bool end) const {
  std::vector<bool> seen;
  if (set.size() > 16) seen.resize(states_.size());
  auto add = [&](std::uint32_t s) {
    if (!seen.empty()) {
      if (seen[s]) return;
      seen[s] = true;
    } else {
      if (std::find(set.begin(), set.end(), s) != set.end()) return;
      if (set.size() >= 16) {
        seen.resize(states_.size());
        for (auto t : set) seen[t] = true;
        seen[s] = true;
      }
    }
    set.push_back(s);
  };
  for (auto s : set)
    if (!seen.empty()) seen[s] = true;
  for (std::size_t i = 0; i < set.size(); ++i) {
    for (const auto& [to, when] : states_[set[i]].epsilons) {
      if (when == Epsilon::kAlways || (when == Epsilon::kAtBegin && begin) ||
          (when == Epsilon::kAtEnd && end))
        add(to);
    }
  }
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
}

Result<std::shared_ptr<const Dfa>> Nfa::determinise(std::uint32_t start, std::uint32_t end,
                                                    bool quoted) const {
  if (states_.size() > kNfaStatesMax) {
    return fail(Code::kExhausted, "the expression has more than 60,000 states",
                "use smaller repetition counts");
  }
  // Bytes that no edge tells apart.
  std::bitset<257> cut;
  cut[0] = true;
  if (quoted) cut['"'] = cut['"' + 1] = true;
  for (const auto& state : states_) {
    for (const auto& e : state.edges) cut[e.low] = true, cut[e.high + 1u] = true;
  }
  std::vector<std::pair<int, int>> classes;
  for (int b = 0; b < 256; ++b) {
    if (cut[b])
      classes.emplace_back(b, b);
    else
      classes.back().second = b;
  }
  RawDfa raw;
  std::map<std::vector<std::uint32_t>, std::uint32_t> ids;
  std::vector<std::vector<std::uint32_t>> sets;
  std::vector<std::uint32_t> numbers;
  std::uint32_t closing = kDead;
  if (quoted) {
    const auto opening = raw.add();
    closing = raw.add();
    raw.states[closing].accept = true;
    const auto body = raw.add();
    raw.states[opening].next['"'] = body;
    numbers.push_back(body);
  } else {
    numbers.push_back(raw.add());
  }
  std::vector<std::uint32_t> first{start};
  close(first, true, false);
  sets.push_back(std::move(first));
  std::size_t work = 0;
  std::vector<std::vector<std::uint32_t>> targets(classes.size());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto set = sets[i];
    const auto id = numbers[i];
    const bool inside = !set.empty() && states_[set.front()].inside;
    if (!inside) {
      auto at_end = set;
      close(at_end, i == 0, true);
      if (std::binary_search(at_end.begin(), at_end.end(), end)) {
        if (quoted)
          raw.states[id].next['"'] = closing;
        else
          raw.states[id].accept = true;
      }
    }
    for (auto& target : targets) target.clear();
    for (auto s : set) {
      for (const auto& e : states_[s].edges) {
        auto it = std::lower_bound(classes.begin(), classes.end(), std::pair<int, int>{e.low, -1});
        for (; it != classes.end() && it->first <= e.high; ++it)
          targets[it - classes.begin()].push_back(e.to), ++work;
      }
    }
    for (std::size_t c = 0; c < classes.size(); ++c) {
      if (targets[c].empty()) continue;
      auto target = targets[c];
      std::sort(target.begin(), target.end());
      target.erase(std::unique(target.begin(), target.end()), target.end());
      close(target, false, false);
      work += target.size();
      auto [it, added] = ids.try_emplace(target, 0);
      if (added) {
        it->second = raw.add();
        raw.states[it->second].counts = !states_[target.front()].inside;
        sets.push_back(target);
        numbers.push_back(it->second);
      }
      for (int b = classes[c].first; b <= classes[c].second; ++b) raw.states[id].next[b] = it->second;
    }
    if (raw.states.size() > kDfaStatesMax || work > kDeterminiseWorkMax) {
      return fail(Code::kExhausted, "the expression needs more than 6,000 automaton states",
                  "use smaller repetition counts");
    }
  }
  return Dfa::finish(raw);
}

}  // namespace tsukai::infer::grammar
