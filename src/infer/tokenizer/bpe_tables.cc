#include "infer/tokenizer/bpe_tables.h"

namespace tsukai::infer {

void MergeTable::reserve(std::size_t merges) {
  std::size_t capacity = 16;
  while (capacity < merges * 2) capacity *= 2;
  slots_.assign(capacity, Slot{});
  mask_ = capacity - 1;
}

void MergeTable::add(TokenId left, TokenId right, Merge merge) {
  const std::uint64_t key = pair_key(left, right);
  std::size_t i = spread(key);
  while (slots_[i].key != kEmpty && slots_[i].key != key) i = (i + 1) & mask_;
  if (slots_[i].key == kEmpty) slots_[i] = {key, merge};
}

}  // namespace tsukai::infer
