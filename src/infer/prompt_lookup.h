// Guessing the next tokens from what was said before: text that repeats the context is often repeated
// further.
#pragma once

#include <span>
#include <vector>

#include "infer/model.h"

namespace tsukai::infer {

// The guesser of one sequence. A guess costs a row of the batch and is checked exactly, so it changes speed
// alone; it guesses more where guesses came true and pauses where they did not. Source: Saxena 2023 (prompt
// lookup decoding).
class PromptLookup {
 public:
  explicit PromptLookup(int tokens_max) : tokens_max_(tokens_max), length_(tokens_max < 4 ? tokens_max : 4) {}

  // The tokens that followed the latest earlier place where the last kMatch tokens stood; at most `room` of
  // them.
  std::vector<TokenId> guess(std::span<const TokenId> tokens, int room);
  // How many of the last guess came true.
  void learn(int guessed, int accepted);

 private:
  static constexpr std::size_t kMatch = 3;
  static constexpr int kFailuresMax = 2;  // in a row, before a pause of
  static constexpr int kPause = 16;       // steps

  int tokens_max_, length_;
  int failures_ = 0, pause_ = 0;
};

}  // namespace tsukai::infer
