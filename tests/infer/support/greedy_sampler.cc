// Until sampler.cc lands: the largest logit. Weak, so that the real one is preferred once it is linked.
#include <algorithm>

#include "infer/sampler.h"

namespace tsukai::infer {

__attribute__((weak)) TokenId Sampler::sample(std::span<float> logits, const TokenMask* mask,
                                              std::span<const TokenId>, std::uint64_t) {
  TokenId best = -1;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    if (mask != nullptr && !mask->test(token)) continue;
    if (best < 0 || logits[i] > logits[static_cast<std::size_t>(best)]) best = token;
  }
  return best;
}

}  // namespace tsukai::infer
