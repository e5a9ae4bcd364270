// The two look-ups of byte-pair encoding as flat hash tables: bytes to token, pair of tokens to the token
// they merge into.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "infer/model.h"

namespace tsukai::infer {

// 64-bit hash of a short string, quick above all (multiplications over 8-byte words).
std::uint64_t hash_bytes(std::string_view bytes);

// Tokens by their bytes. The bytes of tokens live elsewhere and are passed at find().
class SpellingTable {
 public:
  // spelling(token) gives the bytes of a token.
  template <typename Spelling>
  void build(const std::vector<TokenId>& tokens, Spelling spelling) {
    std::size_t capacity = 16;
    while (capacity < tokens.size() * 2) capacity *= 2;
    slots_.assign(capacity, Slot{});
    for (const TokenId token : tokens) {
      const std::string_view bytes = spelling(token);
      const std::uint64_t hash = hash_bytes(bytes);
      std::size_t i = hash & (capacity - 1);
      while (slots_[i].token >= 0 && !(slots_[i].hash == static_cast<std::uint32_t>(hash >> 32) &&
                                       spelling(slots_[i].token) == bytes)) {
        i = (i + 1) & (capacity - 1);
      }
      if (slots_[i].token < 0) slots_[i] = {static_cast<std::uint32_t>(hash >> 32), token};
    }
  }
  template <typename Spelling>
  TokenId find(std::string_view bytes, Spelling spelling) const {
    const std::uint64_t hash = hash_bytes(bytes);
    for (std::size_t i = hash & (slots_.size() - 1); slots_[i].token >= 0;
         i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].hash == static_cast<std::uint32_t>(hash >> 32) && spelling(slots_[i].token) == bytes) {
        return slots_[i].token;
      }
    }
    return -1;
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    TokenId token = -1;
  };
  std::vector<Slot> slots_ = std::vector<Slot>(16);
};

// Merges by their two parts.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank = UINT32_MAX;  // Lower merges first; UINT32_MAX: these two do not merge.
    TokenId token = -1;
  };
  void reserve(std::size_t merges);
  // The first merge of a pair counts.
  void add(TokenId left, TokenId right, Merge merge);
  Merge find(TokenId left, TokenId right) const {
    const std::uint64_t key = pair_key(left, right);
    for (std::size_t i = spread(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].merge;
      if (slots_[i].key == kEmpty) return {};
    }
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };
  static std::uint64_t pair_key(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  std::size_t spread(std::uint64_t key) const {
    key *= 0x9e3779b97f4a7c15u;
    return (key ^ key >> 32) & mask_;
  }
  std::vector<Slot> slots_ = std::vector<Slot>(16);
  std::size_t mask_ = 15;
};

}  // namespace tsukai::infer
