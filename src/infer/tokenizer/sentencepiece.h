// SentencePiece BPE as Llama 2 uses it: characters merge by the score of the token they give; bytes where
// nothing fits.
#pragma once

#include <array>
#include <memory>

#include "infer/tokenizer/bpe_tables.h"
#include "infer/tokenizer/vocabulary_tokenizer.h"

namespace tsukai::infer {

// A space is spelled U+2581 in the vocabulary. With add_space_prefix, text at the beginning and after a
// marker gets a space in front. Source: github.com/google/sentencepiece src/bpe_model.cc.
class SentencePieceTokenizer final : public VocabularyTokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> make(const VocabularyData& data);

 protected:
  void encode_plain(std::string_view text, bool after_marker, std::vector<TokenId>& out) const override;

 private:
  SentencePieceTokenizer(const VocabularyData& data, const std::vector<std::string>& spellings);

  TokenId find(std::string_view piece) const;

  SpellingTable spellings_;
  std::vector<float> scores_;
  std::array<TokenId, 256> byte_tokens_;
  TokenId unknown_;
  bool add_space_prefix_;
};

}  // namespace tsukai::infer
