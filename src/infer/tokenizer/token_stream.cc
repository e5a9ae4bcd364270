#include "infer/tokenizer/token_stream.h"

#include <utility>

#include "base/text.h"

namespace tsukai::infer {

std::string TokenStream::push(TokenId token) {
  held_ += tokenizer_->bytes(token, control_);
  const std::size_t ready = held_.size() - incomplete_utf8_tail(held_);
  std::string out = repaired_utf8(std::string_view(held_).substr(0, ready));
  held_.erase(0, ready);
  return out;
}

std::string TokenStream::finish() { return repaired_utf8(std::exchange(held_, {})); }

}  // namespace tsukai::infer
