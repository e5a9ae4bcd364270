// Pieces that one text has had already, with the tokens they gave.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "infer/tokenizer/bpe_tables.h"

namespace tsukai::infer {

// Remembers places in the text and in the tokens made so far, so nothing is copied in; lives for one text.
// A piece that falls on another's slot replaces it. Memory: 20 bytes a slot, one for every 16 bytes of text
// up to kSlotsMax.
class PieceCache {
 public:
  static constexpr std::size_t kSlotsMax = 1 << 14;

  // `text` and `out` must outlive the cache; `out` may only grow.
  PieceCache(std::string_view text, std::vector<TokenId>& out) : text_(text), out_(out) {
    if (text.size() >= 256 && text.size() < UINT32_MAX)
      slots_.resize(std::bit_floor(std::min(text.size() / 16, kSlotsMax)));
  }

  // The tokens of text[begin, end): copied from its last time, or made by make(piece) and remembered.
  template <typename Make>
  void tokens_of(std::size_t begin, std::size_t end, const Make& make) {
    const std::string_view piece = text_.substr(begin, end - begin);
    if (slots_.empty()) return make(piece);
    const std::uint64_t hash = hash_bytes(piece);
    Slot& slot = slots_[hash & (slots_.size() - 1)];
    if (slot.hash == hash >> 32 && text_.substr(slot.begin, slot.length) == piece && slot.length != 0) {
      // By index: growing may move the elements.
      for (std::uint32_t i = 0; i < slot.count; ++i) {
        const TokenId token = out_[slot.first + i];
        out_.push_back(token);
      }
      return;
    }
    const std::size_t first = out_.size();
    make(piece);
    if (out_.size() >= UINT32_MAX) return;
    slot = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(begin),
            static_cast<std::uint32_t>(end - begin), static_cast<std::uint32_t>(first),
            static_cast<std::uint32_t>(out_.size() - first)};
  }

 private:
  struct Slot {
    std::uint32_t hash = 0, begin = 0, length = 0, first = 0, count = 0;
  };
  std::string_view text_;
  std::vector<TokenId>& out_;
  std::vector<Slot> slots_;
};

}  // namespace tsukai::infer
