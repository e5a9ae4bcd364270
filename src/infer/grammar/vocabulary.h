// The trie behind MaskVocabulary, and the tokens that fit inside one lexeme.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <vector>

#include "infer/grammar/dfa.h"
#include "infer/grammar/grammar.h"

namespace tsukai::infer::grammar {

// Longer tokens are never part of a mask.
constexpr std::size_t kTokenBytesMax = 512;
// Slices are thrown away together once they take more than this.
constexpr std::size_t kSliceBytesMax = 48u << 20;

// The vocabulary in depth-first order: the subtree of node i is [i, end). Node 0 is the root.
struct TrieNode {
  std::uint32_t end = 0;
  std::uint32_t first_token = 0;  // Into Vocabulary::tokens(); those of the whole subtree follow one another.
  std::uint16_t depth = 0;        // Bytes from the root.
  std::uint16_t own_tokens = 0;   // Tokens that end here.
  unsigned char byte = 0;         // On the way from the parent.
};

// What the tokens do from one state of a Dfa, limits on characters left aside.
struct Slice {
  struct Token {
    TokenId token;
    std::uint32_t
        characters;  // Completed by this token, and (alive) still to come before the lexeme can end.
  };
  struct Exit {  // The lexeme may end at the parent of this trie node; its first byte comes after.
    std::uint32_t node;
    std::uint32_t characters;
  };
  std::shared_ptr<const Dfa> dfa;  // Kept alive, since its address is a key.
  bool dense = false;
  std::vector<std::uint64_t> alive_bits;  // dense: tokens after which the lexeme goes on.
  std::vector<Token> alive;               // By rising characters.
  std::vector<Token> ended;               // Tokens at whose end the lexeme may end.
  std::vector<Exit> exits;                // By the byte of their node,
  std::array<std::uint32_t, 257>
      exits_by_byte{};  // those of byte b at [exits_by_byte[b], exits_by_byte[b + 1]).
  std::size_t bytes() const;
};

class Vocabulary : public MaskVocabulary {
 public:
  explicit Vocabulary(const Tokenizer& tokenizer);

  const std::vector<TrieNode>& nodes() const { return nodes_; }
  const std::vector<TokenId>& tokens() const { return tokens_; }
  std::size_t size() const { return size_; }
  std::size_t token_bytes_max() const { return token_bytes_max_; }
  // Thread-safe; computed once for each (dfa, state) while the cache holds it.
  std::shared_ptr<const Slice> slice(const std::shared_ptr<const Dfa>& dfa, std::uint32_t state) const;

 private:
  std::shared_ptr<const Slice> make_slice(const std::shared_ptr<const Dfa>& dfa, std::uint32_t state) const;
  std::vector<TrieNode> nodes_;
  std::vector<TokenId> tokens_;
  std::size_t size_ = 0, token_bytes_max_ = 0;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<const Dfa*, std::uint32_t>, std::shared_ptr<const Slice>> slices_;
  mutable std::size_t slice_bytes_ = 0;
};

}  // namespace tsukai::infer::grammar
