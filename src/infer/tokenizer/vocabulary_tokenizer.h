// What all tokenizers share: the tokens' bytes and kinds, the markers, and cutting a text at its markers.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "infer/tokenizer/marker_trie.h"
#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

// Longer texts are refused by nobody, but one token may spell at most this much.
inline constexpr std::size_t kTokenBytesMax = 16 << 10;
inline constexpr std::size_t kTokensMax = 1 << 22;

// kCorrupt when sizes differ or an id points outside the vocabulary.
Result<void> check_vocabulary(const VocabularyData& data);

class VocabularyTokenizer : public Tokenizer {
 public:
  std::vector<TokenId> encode(std::string_view text) const override;
  std::vector<TokenId> encode_with_control(std::string_view text) const override;
  std::vector<TokenId> encode_parts(std::span<const TextPart> parts) const override;

  std::string_view bytes(TokenId token, bool control) const override;
  std::size_t size() const override { return kinds_.size(); }
  TokenKind kind(TokenId token) const override;
  TokenId bos() const override { return bos_; }
  bool adds_bos() const override { return add_bos_; }
  bool ends_turn(TokenId token) const override;
  TokenId end_of_turn() const override { return end_of_turn_; }
  TokenId find_control(std::string_view spelling) const override;

 protected:
  // `spellings`: the bytes of each token, in order.
  VocabularyTokenizer(const VocabularyData& data, const std::vector<std::string>& spellings);

  // Encodes text between markers. `after_marker`: the text begins the whole text or follows a marker.
  virtual void encode_plain(std::string_view text, bool after_marker, std::vector<TokenId>& out) const = 0;

  bool valid(TokenId token) const { return token >= 0 && static_cast<std::size_t>(token) < kinds_.size(); }

 private:
  struct DataRange {
    std::size_t begin, end;
  };
  void encode_cut(std::string_view text, std::span<const DataRange> data, std::vector<TokenId>& out) const;

  std::string arena_;                  // All tokens' bytes one after another,
  std::vector<std::uint32_t> starts_;  // token i at [starts_[i], starts_[i + 1]).
  std::vector<TokenKind> kinds_;
  std::vector<bool> ends_turn_;
  MarkerTrie markers_;      // Recognised only outside data.
  MarkerTrie user_tokens_;  // Recognised everywhere.
  std::unordered_map<std::string, TokenId> controls_;
  TokenId bos_ = -1, end_of_turn_ = -1;
  bool add_bos_ = false;
};

}  // namespace tsukai::infer
