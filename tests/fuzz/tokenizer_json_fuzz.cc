// Any bytes as tokenizer.json, and as text for the tokenizer they make: refused in words, or every text comes
// back whole.
#include <cstddef>
#include <cstdint>
#include <string>

#include "infer/tokenizer/tokenizer_json.h"

using namespace tsukai;
using namespace tsukai::infer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size > 1 << 16) return 0;
  auto vocabulary = read_tokenizer_json(text, text);
  if (!vocabulary) return 0;
  auto tokenizer = Tokenizer::make(*std::move(vocabulary));
  if (!tokenizer) return 0;
  for (const std::string_view sample :
       {text.substr(0, 4096), std::string_view("The caf\u00e9 e\u0301 \xff <|end|>  x")}) {
    const auto plain = (*tokenizer)->encode(sample);
    (void)(*tokenizer)->decode(plain);
    (void)(*tokenizer)->encode_with_control(sample);
    for (const TokenId token : plain)
      TSUKAI_CHECK(token >= 0 && static_cast<std::size_t>(token) < (*tokenizer)->size(),
                   "a token of the vocabulary");
  }
  return 0;
}
