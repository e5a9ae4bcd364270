// Text from tokens one at a time, for terminals and for stop strings.
#pragma once

#include <string>

#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

// A token may end in the middle of a character: its bytes are held back (at most 3) until the rest has come.
// What comes out is always whole UTF-8; bytes that can't become a character come out as U+FFFD.
class TokenStream {
 public:
  // `control`: control tokens are spelled out.
  explicit TokenStream(const Tokenizer& tokenizer, bool control = false)
      : tokenizer_(&tokenizer), control_(control) {}

  std::string push(TokenId token);
  // What was held back, when no more tokens come.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool control_;
  std::string held_;
};

}  // namespace tsukai::infer
