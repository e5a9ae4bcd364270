// The two look-ups of byte-pair encoding as flat hash tables: bytes to token, pair of tokens to the token
// they merge into.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "infer/model.h"

namespace tsukai::infer {

// 64-bit hash of a short string, quick above all (multiplications over 8-byte words, the last two
// overlapping).
inline std::uint64_t hash_bytes(std::string_view bytes) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15u;
  const auto word = [](const char* at) {
    std::uint64_t out;
    std::memcpy(&out, at, 8);
    return out;
  };
  const auto half = [](const char* at) {
    std::uint32_t out;
    std::memcpy(&out, at, 4);
    return std::uint64_t{out};
  };
  const char* at = bytes.data();
  const std::size_t size = bytes.size();
  std::uint64_t hash = size * kOdd;
  std::uint64_t last = 0;
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) {
      hash = (hash ^ word(at + i)) * kOdd;
      hash ^= hash >> 29;
    }
    last = word(at + size - 8);
  } else if (size >= 4) {
    last = half(at) | half(at + size - 4) << 32;
  } else if (size > 0) {
    const auto byte = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(at[i])}; };
    last = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
  }
  hash = (hash ^ last) * kOdd;
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93u;
  return hash ^ hash >> 32;
}

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

// Joins neighbours among parts[0, count): the pair of the lowest rank first, leftmost of equals, until none
// merges; returns how many are left. For few parts: every pair is looked at for every merge. pairs[i] joins
// parts i and i + 1 and must be filled in.
inline constexpr std::size_t kScanPartsMax = 48;
inline std::size_t merge_parts(const MergeTable& table, TokenId* parts, MergeTable::Merge* pairs,
                               std::size_t count) {
  while (count > 1) {
    std::size_t best = 0;
    std::uint32_t lowest = pairs[0].rank;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (pairs[i].rank < lowest) lowest = pairs[i].rank, best = i;
    }
    if (lowest == UINT32_MAX) break;
    parts[best] = pairs[best].token;
    --count;
    for (std::size_t i = best + 1; i < count; ++i) parts[i] = parts[i + 1];
    for (std::size_t i = best; i + 1 < count; ++i) pairs[i] = pairs[i + 1];
    if (best > 0) pairs[best - 1] = table.find(parts[best - 1], parts[best]);
    if (best + 1 < count) pairs[best] = table.find(parts[best], parts[best + 1]);
  }
  return count;
}

}  // namespace tsukai::infer
