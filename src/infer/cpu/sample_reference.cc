#include <algorithm>
#include <cmath>
#include <limits>

#include "base/result.h"
#include "infer/cpu/sampling.h"
#include "infer/draw.h"

namespace tsukai::infer::cpu {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

float adjusted(float logit, const TokenAdjustment& adjustment, const SampleRow& row) {
  if (logit == kNever) return logit;
  logit += adjustment.bias;
  if (adjustment.count == 0) return logit;
  logit = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
  return logit - (row.presence_penalty + static_cast<float>(adjustment.count) * row.frequency_penalty);
}

void write_logprobs(const float* logits, const SampleTask& task, std::int32_t chosen) {
  // The best so far, largest first; insertion keeps equal ones in order of token.
  const auto wanted = static_cast<std::size_t>(std::min(task.row->alternatives, kAlternativesMax));
  TokenLogprob* best = task.logprobs + 1;
  std::size_t held = 0;
  float largest = kNever;
  for (std::size_t t = 0; t < task.width; ++t) {
    const float logit = logits[t];
    if (!may_come(task.mask, t) || std::isnan(logit) || logit == kNever) continue;
    largest = std::max(largest, logit);
    if (wanted == 0 || (held == wanted && logit <= best[held - 1].logprob)) continue;
    std::size_t at = held < wanted ? held++ : held - 1;
    for (; at > 0 && logit > best[at - 1].logprob; --at) best[at] = best[at - 1];
    best[at] = {static_cast<std::int32_t>(t), logit};
  }
  double sum = 0;
  if (std::isfinite(largest)) {
    for (std::size_t t = 0; t < task.width; ++t) {
      if (!may_come(task.mask, t) || std::isnan(logits[t])) continue;
      sum += std::exp(static_cast<double>(logits[t]) - static_cast<double>(largest));
    }
  }
  const double total = static_cast<double>(largest) + std::log(sum);
  const auto logprob = [&](float logit) { return static_cast<float>(static_cast<double>(logit) - total); };
  task.logprobs[0] = {chosen, logprob(logits[chosen])};
  for (std::size_t i = 0; i < static_cast<std::size_t>(kAlternativesMax); ++i) {
    best[i] = i < held ? TokenLogprob{best[i].token, logprob(best[i].logprob)} : TokenLogprob{};
  }
}

std::int32_t sample_reference(const SampleTask& task, SampleScratch&) {
  const SampleRow& row = *task.row;
  const std::span<float> logits(task.logits, task.width);
  TSUKAI_CHECK(!logits.empty(), "no logits");
  const std::vector<float> original(logits.begin(), logits.end());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!may_come(task.mask, i)) logits[i] = kNever;
  }
  for (const TokenAdjustment& adjustment : task.adjustments) {
    float& logit = logits[static_cast<std::size_t>(adjustment.token)];
    logit = adjusted(logit, adjustment, row);
  }
  // NaN never wins; when nothing else is there, the lowest token the mask allows does.
  std::int32_t best = -1;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!may_come(task.mask, i)) continue;
    if (best < 0 || logits[i] > logits[static_cast<std::size_t>(best)] ||
        (std::isnan(logits[static_cast<std::size_t>(best)]) && !std::isnan(logits[i]))) {
      best = static_cast<std::int32_t>(i);
    }
  }
  TSUKAI_CHECK(best >= 0, "a mask without a token");
  const float top = logits[static_cast<std::size_t>(best)];

  struct Candidate {
    std::int32_t token;
    float logit;
    double weight;
  };
  const auto draw = [&]() -> std::int32_t {
    if (row.temperature <= 0 || !std::isfinite(top)) return best;
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (std::isnan(logits[i]) || logits[i] == kNever) continue;
      candidates.push_back({static_cast<std::int32_t>(i), logits[i], 0});
    }
    const auto greater = [](const Candidate& a, const Candidate& b) {
      return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
    };
    const auto k =
        row.top_k > 0 ? std::min(candidates.size(), static_cast<std::size_t>(row.top_k)) : candidates.size();
    if (k < candidates.size() || row.top_p < 1) {
      std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k),
                        candidates.end(), greater);
      candidates.resize(k);
    }
    double total = 0;
    for (auto& c : candidates) {
      c.weight = std::exp((static_cast<double>(c.logit) - top) / row.temperature);
      total += c.weight;
    }
    if (row.top_p < 1) {
      double sum = 0;
      std::size_t kept = 0;
      while (kept < candidates.size() && (kept == 0 || sum < row.top_p * total))
        sum += candidates[kept++].weight;
      candidates.resize(kept);
    }
    if (row.min_p > 0) {  // The heaviest candidate weighs 1.
      std::erase_if(candidates, [&](const Candidate& c) { return c.weight < row.min_p; });
    }
    if (candidates.empty()) return best;
    total = 0;
    for (const auto& c : candidates) total += c.weight;
    double left = uniform_draw(row.seed, row.position) * total;
    for (const auto& c : candidates) {
      if (left < c.weight) return c.token;
      left -= c.weight;
    }
    return candidates.back().token;
  };
  const std::int32_t chosen = draw();
  if (row.alternatives >= 0) write_logprobs(original.data(), task, chosen);
  return chosen;
}

}  // namespace tsukai::infer::cpu
