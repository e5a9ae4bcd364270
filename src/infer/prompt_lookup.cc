#include "infer/prompt_lookup.h"

#include <algorithm>

namespace tsukai::infer {

std::vector<TokenId> PromptLookup::guess(std::span<const TokenId> tokens, int room) {
  const int length = std::min(length_, room);
  if (length <= 0 || tokens.size() <= kMatch) return {};
  if (pause_ > 0) {
    --pause_;
    return {};
  }
  const auto tail = tokens.last(kMatch);
  for (std::size_t at = tokens.size() - kMatch; at-- > 0;) {
    if (!std::equal(tail.begin(), tail.end(), tokens.begin() + static_cast<std::ptrdiff_t>(at))) continue;
    const auto next = tokens.subspan(at + kMatch);
    return {next.begin(), next.begin() + std::min<std::ptrdiff_t>(length, std::ssize(next))};
  }
  return {};
}

void PromptLookup::learn(int guessed, int accepted) {
  if (guessed == 0) return;
  if (accepted == guessed) length_ = std::min(2 * length_, tokens_max_);
  if (2 * accepted < guessed) length_ = std::max(1, length_ / 2);
  failures_ = accepted == 0 ? failures_ + 1 : 0;
  if (failures_ > kFailuresMax) {
    failures_ = 0;
    pause_ = kPause;
  }
}

}  // namespace tsukai::infer
