#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace tsukai::infer {
namespace {

// A number in [0, 1) from (seed, position) alone: splitmix64's finaliser, twice.
double uniform(std::uint64_t seed, std::uint64_t position) {
  auto mix = [](std::uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
  };
  const auto bits = mix(mix(seed + 0x9E3779B97F4A7C15ull) ^ (position + 1) * 0x9E3779B97F4A7C15ull);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace

TokenId Sampler::sample(std::span<float> logits, const TokenMask* mask, std::span<const TokenId> so_far,
                        std::uint64_t position) {
  TSUKAI_CHECK(!logits.empty(), "no logits");
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  if (mask != nullptr) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (i >= mask->size() || !mask->test(static_cast<TokenId>(i))) logits[i] = kNone;
    }
  }
  if (sampling_.repetition_penalty != 1 || sampling_.presence_penalty != 0 ||
      sampling_.frequency_penalty != 0) {
    std::unordered_map<TokenId, int> counts;
    for (auto token : so_far) ++counts[token];
    for (const auto& [token, count] : counts) {
      if (token < 0 || static_cast<std::size_t>(token) >= logits.size()) continue;
      float& logit = logits[static_cast<std::size_t>(token)];
      if (logit == kNone) continue;
      logit = logit > 0 ? logit / sampling_.repetition_penalty : logit * sampling_.repetition_penalty;
      logit -= sampling_.presence_penalty + static_cast<float>(count) * sampling_.frequency_penalty;
    }
  }
  // NaN never wins; when nothing else is there, the lowest token the mask allows does.
  TokenId best = -1;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (mask != nullptr && (i >= mask->size() || !mask->test(static_cast<TokenId>(i)))) continue;
    if (best < 0 || logits[i] > logits[static_cast<std::size_t>(best)] ||
        (std::isnan(logits[static_cast<std::size_t>(best)]) && !std::isnan(logits[i]))) {
      best = static_cast<TokenId>(i);
    }
  }
  TSUKAI_CHECK(best >= 0, "a mask without a token");
  const float top = logits[static_cast<std::size_t>(best)];
  if (sampling_.temperature <= 0 || !std::isfinite(top)) return best;

  struct Candidate {
    TokenId token;
    float logit;
    double weight;
  };
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == kNone) continue;
    candidates.push_back({static_cast<TokenId>(i), logits[i], 0});
  }
  const auto greater = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const auto k = sampling_.top_k > 0 ? std::min(candidates.size(), static_cast<std::size_t>(sampling_.top_k))
                                     : candidates.size();
  const bool ordered = k < candidates.size() || sampling_.top_p < 1;
  if (ordered) {
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k),
                      candidates.end(), greater);
    candidates.resize(k);
  }
  double total = 0;
  for (auto& c : candidates) {
    c.weight = std::exp((static_cast<double>(c.logit) - top) / sampling_.temperature);
    total += c.weight;
  }
  if (sampling_.top_p < 1) {
    double sum = 0;
    std::size_t kept = 0;
    while (kept < candidates.size() && (kept == 0 || sum < sampling_.top_p * total))
      sum += candidates[kept++].weight;
    candidates.resize(kept);
  }
  if (sampling_.min_p > 0) {  // The heaviest candidate weighs 1.
    std::erase_if(candidates, [&](const Candidate& c) { return c.weight < sampling_.min_p; });
  }
  if (candidates.empty()) return best;
  total = 0;
  for (const auto& c : candidates) total += c.weight;
  double draw = uniform(sampling_.seed, position) * total;
  for (const auto& c : candidates) {
    if (draw < c.weight) return c.token;
    draw -= c.weight;
  }
  return candidates.back().token;
}

}  // namespace tsukai::infer
