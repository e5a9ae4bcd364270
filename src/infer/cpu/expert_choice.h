// Which experts of a mixture a row uses.
#pragma once

#include <cstddef>
#include <span>

namespace tsukai::infer::cpu {

struct ExpertShare {
  std::size_t expert;
  float share;
};

// The out.size() experts of the largest `scores` [experts], by expert index, with their softmax probabilities
// over all experts; scaled to sum to 1 if `normalises`. Of equal scores the lower index is taken; a score
// that is not a number comes last. REQUIRES: 1 <= out.size() <= experts.
void choose_experts(const float* scores, std::size_t experts, bool normalises, std::span<ExpertShare> out);

}  // namespace tsukai::infer::cpu
