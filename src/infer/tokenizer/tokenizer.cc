#include "infer/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include "infer/tokenizer/byte_bpe.h"
#include "infer/tokenizer/sentencepiece.h"
#include "infer/tokenizer/vocabulary_tokenizer.h"

namespace tsukai::infer {

Result<std::unique_ptr<Tokenizer>> Tokenizer::make(VocabularyData data) {
  TSUKAI_TRY_VOID(check_vocabulary(data));
  if (data.model == "gpt2") return ByteBpeTokenizer::make(data);
  if (data.model == "llama") return SentencePieceTokenizer::make(data);
  return fail(Code::kUnsupported, fmt::format("vocabulary: unknown tokenizer model \"{}\"", data.model),
              "known are gpt2 (byte-level BPE) and llama (SentencePiece BPE)");
}

std::string Tokenizer::decode(const std::vector<TokenId>& tokens, bool control) const {
  std::string out;
  for (const TokenId token : tokens) out += bytes(token, control);
  return out;
}

}  // namespace tsukai::infer
