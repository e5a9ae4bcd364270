// Choosing one token from one row of logits: what Backend::sample() does on this processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "infer/backend.h"

namespace tsukai::infer::cpu {

struct SampleTask {
  float* logits = nullptr;  // [width], left undefined
  std::size_t width = 0;
  const std::uint64_t* mask = nullptr;  // [mask_words(width)]; null: any token may come
  const SampleRow* row = nullptr;
  std::span<const TokenAdjustment> adjustments;
  TokenLogprob* logprobs = nullptr;  // [1 + kAlternativesMax], used when row->alternatives >= 0
};

// Memory that is kept from one task to the next; one per thread.
struct SampleScratch {
  std::vector<std::uint64_t> keys, sorted;
  std::vector<double> weights;
  std::vector<float> originals;
};

inline bool may_come(const std::uint64_t* mask, std::size_t token) {
  return mask == nullptr || (mask[token / 64] >> (token % 64) & 1) != 0;
}

// The logit of a token that may come after bias and penalties. -infinity stays what it is.
float adjusted(float logit, const TokenAdjustment& adjustment, const SampleRow& row);

// Fills task.logprobs, from the logits as the model gave them.
void write_logprobs(const float* logits, const SampleTask& task, std::int32_t chosen);

// Plain, and what the others are tested against: the same token, bit for bit the same sums.
std::int32_t sample_reference(const SampleTask& task, SampleScratch& scratch);
#if defined(__x86_64__)
std::int32_t sample_avx2(const SampleTask& task, SampleScratch& scratch);
#endif

}  // namespace tsukai::infer::cpu
