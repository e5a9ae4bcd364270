// From logits to one token.
#pragma once

#include <cstdint>
#include <span>

#include "infer/grammar/grammar.h"
#include "infer/model.h"

namespace tsukai::infer {

// Stateless between calls but for scratch memory: the draw at `position` depends on (seed, position, logits,
// mask, so_far) alone, so a replay from any point draws the same. Not thread-safe.
class Sampler {
 public:
  explicit Sampler(Sampling sampling) : sampling_(sampling) {}

  //   logits   [vocabulary] fp32, overwritten
  //   mask     tokens allowed, or nullptr for all; at least one must be set
  //   so_far   tokens the penalties look at (this turn's tokens)
  //   position index of the token in its sequence
  // Order: mask, penalties, (temperature 0: the largest, the lowest id among equals), temperature, top_k,
  // top_p, min_p.
  TokenId sample(std::span<float> logits, const TokenMask* mask, std::span<const TokenId> so_far,
                 std::uint64_t position);

 private:
  Sampling sampling_;
};

}  // namespace tsukai::infer
