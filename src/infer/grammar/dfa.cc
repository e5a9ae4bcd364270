#include "infer/grammar/dfa.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <unordered_map>

namespace tsukai::infer::grammar {
namespace {

bool alphanumeric(int byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

// Bytes in the order in which a completion prefers them: letters and digits first.
const std::array<unsigned char, 256>& preferred() {
  static const auto order = [] {
    std::array<unsigned char, 256> out{};
    std::size_t n = 0;
    for (int b = 0; b < 256; ++b)
      if (alphanumeric(b)) out[n++] = static_cast<unsigned char>(b);
    for (int b = 0; b < 256; ++b)
      if (!alphanumeric(b)) out[n++] = static_cast<unsigned char>(b);
    return out;
  }();
  return order;
}

}  // namespace

int ByteSet::count() const {
  int out = 0;
  for (auto word : words) out += std::popcount(word);
  return out;
}

unsigned char ByteSet::lowest() const {
  for (int i = 0; i < 4; ++i) {
    if (words[i] != 0) return static_cast<unsigned char>(i * 64 + std::countr_zero(words[i]));
  }
  return 0;
}

std::shared_ptr<const Dfa> Dfa::finish(const RawDfa& raw) {
  auto out = std::make_shared<Dfa>();
  const auto n = static_cast<std::uint32_t>(raw.states.size());
  // Which states can reach an accepting one, and by how few bytes: breadth first, backwards.
  std::vector<std::vector<std::uint32_t>> from(n);
  for (std::uint32_t s = 0; s < n; ++s) {
    std::uint32_t last = kDead;
    for (auto t : raw.states[s].next) {
      if (t != kDead && t != last) from[t].push_back(s);
      last = t;
    }
  }
  std::vector<std::uint32_t> bytes(n, kDead), characters(n, kDead);
  std::deque<std::uint32_t> queue;
  for (std::uint32_t s = 0; s < n; ++s) {
    if (raw.states[s].accept) bytes[s] = 0, queue.push_back(s);
  }
  while (!queue.empty()) {
    const auto t = queue.front();
    queue.pop_front();
    for (auto s : from[t]) {
      if (bytes[s] == kDead) bytes[s] = bytes[t] + 1, queue.push_back(s);
    }
  }
  // The same in characters; an edge weighs 0 or 1.
  for (std::uint32_t s = 0; s < n; ++s) {
    if (raw.states[s].accept) characters[s] = 0, queue.push_back(s);
  }
  while (!queue.empty()) {
    const auto t = queue.front();
    queue.pop_front();
    const std::uint32_t weight = raw.states[t].counts ? 1 : 0;
    for (auto s : from[t]) {
      if (characters[t] + weight >= characters[s]) continue;
      characters[s] = characters[t] + weight;
      if (weight == 0)
        queue.push_front(s);
      else
        queue.push_back(s);
    }
  }
  // Live states keep their order under new numbers.
  std::vector<std::uint32_t> number(n, kDead);
  std::vector<std::uint32_t> live;
  for (std::uint32_t s = 0; s < n; ++s) {
    if (s == 0 || bytes[s] != kDead) number[s] = static_cast<std::uint32_t>(live.size()), live.push_back(s);
  }
  out->empty_ = n == 0 || bytes[0] == kDead;
  if (n == 0) live.clear();
  auto target = [&](std::uint32_t s, int b) {
    const auto t = raw.states[s].next[b];
    return t == kDead || bytes[t] == kDead ? kDead : number[t];
  };
  // Bytes that no state tells apart share a column: found by a hash of the column, then compared; those that
  // lead nowhere, most of them in a number, share one anyway.
  std::array<bool, 256> used{};
  for (auto s : live) {
    for (int b = 0; b < 256; ++b) used[b] = used[b] || target(s, b) != kDead;
  }
  std::array<std::uint64_t, 256> hash{};
  for (auto s : live) {
    for (int b = 0; b < 256; ++b) {
      if (!used[b]) continue;
      hash[b] = (hash[b] ^ target(s, b)) * 0x9E3779B97F4A7C15ull;
      hash[b] ^= hash[b] >> 29;
    }
  }
  std::vector<int> representative;
  std::unordered_multimap<std::uint64_t, std::uint8_t> columns;
  int nowhere = -1;  // the column of those that lead nowhere
  for (int b = 0; b < 256; ++b) {
    if (!used[b]) {
      if (nowhere < 0) {
        nowhere = static_cast<int>(representative.size());
        representative.push_back(b);
      }
      out->class_of_[b] = static_cast<std::uint8_t>(nowhere);
      continue;
    }
    auto [first, last] = columns.equal_range(hash[b]);
    while (first != last && !std::all_of(live.begin(), live.end(), [&](auto s) {
             return target(s, b) == target(s, representative[first->second]);
           })) {
      ++first;
    }
    if (first == last) {
      out->class_of_[b] = static_cast<std::uint8_t>(representative.size());
      columns.emplace(hash[b], out->class_of_[b]);
      representative.push_back(b);
    } else {
      out->class_of_[b] = first->second;
    }
  }
  out->classes_ = static_cast<std::uint32_t>(representative.size());
  out->info_.resize(live.size());
  out->table_.resize(live.size() * out->classes_);
  // bytes_left_characters needs its successor's value first: go by rising distance.
  std::vector<std::uint32_t> order(live.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return std::pair(bytes[live[a]], a) < std::pair(bytes[live[b]], b); });
  for (auto i : order) {
    const auto s = live[i];
    State& info = out->info_[i];
    info.accept = raw.states[s].accept;
    info.counts = raw.states[s].counts;
    info.bytes_left = bytes[s];
    info.characters_left = characters[s];
    if (bytes[s] != kDead) out->characters_left_max_ = std::max(out->characters_left_max_, characters[s]);
    for (std::uint32_t c = 0; c < out->classes_; ++c)
      out->table_[i * out->classes_ + c] = target(s, representative[c]);
    bool found_bytes = false, found_characters = false;
    for (auto b : preferred()) {
      const auto t = raw.states[s].next[b];
      if (t == kDead || bytes[t] == kDead) continue;
      info.bytes.set(b);
      const std::uint32_t weight = raw.states[t].counts ? 1 : 0;
      info.characters_next = std::min(info.characters_next, characters[t] + weight);
      if (!found_bytes && bytes[t] + 1 == bytes[s]) {
        found_bytes = true;
        info.bytes_left_byte = b;
        info.bytes_left_characters = out->info_[number[t]].bytes_left_characters + weight;
      }
      if (!found_characters && characters[t] + weight == characters[s] && bytes[t] < bytes[s]) {
        found_characters = true;
        info.characters_left_byte = b;
      }
    }
    if (!found_characters) {  // The path with the fewest characters is not the one with the fewest bytes.
      std::uint32_t best = kDead;
      for (auto b : preferred()) {
        const auto t = raw.states[s].next[b];
        if (t == kDead || bytes[t] == kDead) continue;
        if (characters[t] + (raw.states[t].counts ? 1 : 0) == characters[s] && bytes[t] < best) {
          best = bytes[t];
          info.characters_left_byte = b;
        }
      }
    }
  }
  return out;
}

std::shared_ptr<const Dfa> at_least(const Dfa& dfa, std::uint32_t min, std::size_t states_max) {
  if (dfa.empty()) return std::make_shared<const Dfa>(dfa);
  RawDfa raw;
  std::unordered_map<std::uint64_t, std::uint32_t> seen;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> states;
  auto intern = [&](std::uint32_t s, std::uint32_t count) {
    auto [it, added] =
        seen.try_emplace(std::uint64_t{s} << 32 | count, static_cast<std::uint32_t>(states.size()));
    if (added) {
      states.emplace_back(s, count);
      const auto id = raw.add();
      raw.states[id].counts = dfa.state(s).counts;
      raw.states[id].accept = dfa.state(s).accept && count >= min;
    }
    return it->second;
  };
  intern(0, 0);
  for (std::uint32_t i = 0; i < states.size(); ++i) {
    if (states.size() > states_max) return nullptr;
    const auto [s, count] = states[i];
    for (int b = 0; b < 256; ++b) {
      const auto t = dfa.next(s, static_cast<unsigned char>(b));
      if (t == kDead) continue;
      const auto id = intern(t, std::min(min, count + (dfa.state(t).counts ? 1 : 0)));
      raw.states[i].next[b] = id;
    }
  }
  return Dfa::finish(raw);
}

}  // namespace tsukai::infer::grammar
