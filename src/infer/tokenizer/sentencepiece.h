// SentencePiece BPE as Llama 2 uses it: characters merge by the score of the token they give; bytes where
// nothing fits.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "infer/tokenizer/bpe_tables.h"
#include "infer/tokenizer/vocabulary_tokenizer.h"
#include "infer/tokenizer/word_memory.h"

namespace tsukai::infer {

// A space is spelled U+2581 in the vocabulary. With add_space_prefix, text at the beginning and after a
// marker gets a space in front. Text is first cut where two characters meet that no token holds side by side
// (in Llama 2 before every space, between digits and between most Chinese characters): nothing merges across.
// Source: github.com/google/sentencepiece src/bpe_model.cc.
class SentencePieceTokenizer final : public VocabularyTokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> make(const VocabularyData& data);

 protected:
  void encode_plain(std::string_view text, bool after_marker, std::vector<TokenId>& out) const override;

 private:
  SentencePieceTokenizer(const VocabularyData& data, const std::vector<std::string>& spellings);

  TokenId find(std::string_view piece) const;
  void add_merges();
  void add_neighbours(std::string_view token);
  std::size_t word_end(std::string_view text, std::size_t at) const;
  static std::size_t neighbours(std::uint32_t left, std::uint32_t right) {
    return (std::uint64_t{left} << 32 | right) * 0x9e3779b97f4a7c15u >> 46;
  }
  void encode_word(std::string_view word, std::vector<TokenId>& out) const;
  void merge_short(std::string_view word, std::vector<TokenId>& out) const;
  void merge_long(std::string_view word, std::vector<TokenId>& out) const;
  void spell_out(std::string_view piece, std::vector<TokenId>& out) const;

  SpellingTable spellings_;
  std::vector<float> scores_;
  std::array<TokenId, 256> byte_tokens_;
  TokenId unknown_;
  bool add_space_prefix_;
  // Characters that stand side by side in some token: ASCII by both, others by neighbours() (several pairs
  // may share a place, which only keeps more text together).
  std::array<std::array<bool, 128>, 128> ascii_neighbours_{};
  std::vector<bool> neighbours_ = std::vector<bool>(1 << 18);
  // Every character of every token is a token, so what merges is a pair of tokens: merges_ has all such
  // pairs, ranked by the score of what they give. Else texts are looked up instead.
  bool pairs_known_ = true;
  MergeTable merges_;
  std::array<TokenId, 128> ascii_tokens_;  // Of single characters.
  mutable WordMemories memories_;
  // Does merging the bytes of token i give token i? Found out when first asked; every thread finds the same.
  enum class Reach : std::uint8_t { kNotAsked, kReached, kNotReached };
  mutable std::unique_ptr<std::atomic<Reach>[]> reach_;
};

}  // namespace tsukai::infer
