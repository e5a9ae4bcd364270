#include "infer/cpu/expert_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tsukai::infer::cpu {

void choose_experts(const float* scores, std::size_t experts, bool normalises, std::span<ExpertShare> out) {
  const auto score = [&](std::size_t e) {
    return std::isnan(scores[e]) ? -std::numeric_limits<float>::infinity() : scores[e];
  };
  float largest = score(0);
  for (std::size_t e = 1; e < experts; ++e) largest = std::max(largest, score(e));
  if (std::isinf(largest)) largest = 0;
  // The best so far, largest first; insertion keeps equal ones in order of index.
  std::size_t held = 0;
  float sum = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    sum += std::exp(score(e) - largest);
    if (held == out.size() && score(e) <= score(out[held - 1].expert)) continue;
    std::size_t at = held < out.size() ? held++ : held - 1;
    for (; at > 0 && score(e) > score(out[at - 1].expert); --at) out[at] = out[at - 1];
    out[at].expert = e;
  }
  if (!(sum > 0)) sum = 1;  // No score is a number.
  float kept = 0;
  for (ExpertShare& one : out) {
    one.share = std::exp(score(one.expert) - largest) / sum;
    kept += one.share;
  }
  if (normalises && kept > 0) {
    for (ExpertShare& one : out) one.share /= kept;
  }
  std::ranges::sort(out, {}, &ExpertShare::expert);
}

}  // namespace tsukai::infer::cpu
