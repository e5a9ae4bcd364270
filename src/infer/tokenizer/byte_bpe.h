// Byte-level BPE: GPT-2's algorithm, as Llama 3, Qwen and SmolLM use it.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "infer/tokenizer/bpe_tables.h"
#include "infer/tokenizer/pretokenizer.h"
#include "infer/tokenizer/vocabulary_tokenizer.h"
#include "infer/tokenizer/word_memory.h"

namespace tsukai::infer {

// Text is cut into pieces; within a piece the pair of neighbours with the best merge joins, leftmost first,
// until no pair merges. Cost per piece of n bytes: one hash look-up where the piece is a token, else O(n *
// merges) up to kScanPartsMax bytes and O(n log n) beyond.
class ByteBpeTokenizer final : public VocabularyTokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> make(const VocabularyData& data);

 protected:
  void encode_plain(std::string_view text, bool after_marker, std::vector<TokenId>& out) const override;

 private:
  ByteBpeTokenizer(const VocabularyData& data, const std::vector<std::string>& spellings,
                   Pretokenizer pretokenizer);
  Result<void> add_merges(const VocabularyData& data);
  void encode_piece(std::string_view piece, std::vector<TokenId>& out) const;
  void merge_short(std::string_view piece, std::vector<TokenId>& out) const;
  void merge_long(std::string_view piece, std::vector<TokenId>& out) const;
  TokenId find(std::string_view piece) const;

  Pretokenizer pretokenizer_;
  bool normalises_;          // NFC first (Qwen).
  bool whole_pieces_first_;  // A piece that is a token is that token, whatever the merges say (Llama 3).
  TokenId unknown_;
  SpellingTable spellings_;  // Normal tokens only.
  std::array<TokenId, 256> byte_tokens_;
  MergeTable merges_;
  // merges_ of two bytes, by both: with these every piece begins.
  std::vector<MergeTable::Merge> byte_merges_;
  mutable WordMemories memories_;
  // Does merging the bytes of token i give token i? Found out when first asked; every thread finds the same.
  enum class Reach : std::uint8_t { kNotAsked, kReached, kNotReached };
  mutable std::unique_ptr<std::atomic<Reach>[]> reach_;
};

}  // namespace tsukai::infer
