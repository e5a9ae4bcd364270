// The choice of a token with AVX2 scans: exactly what sample_reference() chooses. A candidate is held as one
// number, its logit's order above and the complement of its token below, so that the larger number is the
// better candidate. Whatever is added up is added up in the order of the reference.
#include "infer/cpu/sampling.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "base/result.h"
#include "infer/draw.h"

namespace tsukai::infer::cpu {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr std::size_t kBlock = 64;         // tokens of one word of the mask
constexpr std::size_t kRadixMin = 2048;    // keys from which a radix sort is faster
constexpr double kNegligibleWidths = -39;  // e^-39 < 2^-54: added to 1 or more it changes nothing

std::uint64_t key_of(float logit, std::size_t token) {
  const auto bits = std::bit_cast<std::uint32_t>(logit + 0.0f);  // -0 is 0: they are equal
  const std::uint32_t ordered = (bits >> 31) != 0 ? ~bits : bits | 0x8000'0000u;
  return std::uint64_t{ordered} << 32 | (0xFFFF'FFFFu - static_cast<std::uint32_t>(token));
}
std::int32_t token_of(std::uint64_t key) {
  return static_cast<std::int32_t>(0xFFFF'FFFFu - static_cast<std::uint32_t>(key));
}

struct Scan {
  std::int64_t best = -1;      // the largest logit's lowest token; -1: none is above -infinity
  std::size_t candidates = 0;  // tokens above -infinity
};

std::uint64_t word_of(const SampleTask& task, std::size_t word) {
  const std::size_t left = task.width - word * kBlock;
  const std::uint64_t inside = left >= kBlock ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
  return task.mask == nullptr ? inside : task.mask[word] & inside;
}

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,popcnt"))), apply_to = function)

// Lane i of the result is all ones where bit i is set.
inline __m256 lanes_of(std::uint64_t bits) {
  const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_castsi256_ps(
      _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits & 255)), each), each));
}

// The eight logits from `at` on, -infinity where a bit is not set. Never reads at or beyond `width`.
inline __m256 masked8(const float* logits, std::size_t at, std::size_t width, std::uint64_t bits) {
  const __m256 none = _mm256_set1_ps(kNone);
  const __m256 lanes = lanes_of(bits);
  const __m256 x = at + 8 <= width ? _mm256_loadu_ps(logits + at)
                                   : _mm256_maskload_ps(logits + at, _mm256_castps_si256(lanes));
  return _mm256_blendv_ps(none, x, lanes);
}

template <bool kCounts>
Scan scan(const SampleTask& task) {
  Scan found;
  float largest = kNone;
  const __m256 none = _mm256_set1_ps(kNone);
  const std::size_t words = mask_words(task.width);
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint64_t word = word_of(task, w);
    if (word == 0) continue;
    const float* from = task.logits + w * kBlock;
    __m256 block = none;
    if (word == ~std::uint64_t{0}) {
      for (std::size_t i = 0; i < kBlock; i += 8) {
        const __m256 x = _mm256_loadu_ps(from + i);
        block = _mm256_max_ps(x, block);  // gives `block` where x is not a number
        if constexpr (kCounts)
          found.candidates += static_cast<std::size_t>(
              std::popcount(static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x, none, _CMP_GT_OQ)))));
      }
    } else {
      for (std::size_t i = 0; i < kBlock; i += 8) {
        const std::uint64_t bits = word >> i & 255;
        if (bits == 0) continue;
        const __m256 x = masked8(from, i, task.width - w * kBlock, bits);
        block = _mm256_max_ps(x, block);
        if constexpr (kCounts)
          found.candidates += static_cast<std::size_t>(
              std::popcount(static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x, none, _CMP_GT_OQ)))));
      }
    }
    if (_mm256_movemask_ps(_mm256_cmp_ps(block, _mm256_set1_ps(largest), _CMP_GT_OQ)) == 0) continue;
    for (std::uint64_t rest = word; rest != 0; rest &= rest - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(rest));
      if (from[i] > largest) {
        largest = from[i];
        found.best = static_cast<std::int64_t>(w * kBlock + i);
      }
    }
  }
  return found;
}

// The keys of all that may come and are at least `least`, in order of token.
void gather(const SampleTask& task, float least, std::vector<std::uint64_t>& keys) {
  const __m256 none = _mm256_set1_ps(kNone), threshold = _mm256_set1_ps(least);
  const std::size_t words = mask_words(task.width);
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint64_t word = word_of(task, w);
    if (word == 0) continue;
    for (std::size_t i = 0; i < kBlock; i += 8) {
      const std::uint64_t bits = word >> i & 255;
      if (bits == 0) continue;
      const std::size_t at = w * kBlock + i;
      const __m256 x = masked8(task.logits, at, task.width, bits);
      auto kept = static_cast<unsigned>(_mm256_movemask_ps(
          _mm256_and_ps(_mm256_cmp_ps(x, threshold, _CMP_GE_OQ), _mm256_cmp_ps(x, none, _CMP_GT_OQ))));
      for (; kept != 0; kept &= kept - 1) {
        const std::size_t token = at + static_cast<std::size_t>(std::countr_zero(kept));
        keys.push_back(key_of(task.logits[token], token));
      }
    }
  }
}

// The keys of the k best, largest first.
void gather_best(const SampleTask& task, std::size_t k, std::vector<std::uint64_t>& keys) {
  const std::size_t room = std::max<std::size_t>(2 * k, 512);
  const auto keep = [&] {
    if (keys.size() <= k) return;
    std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(k - 1), keys.end(),
                     std::greater<>());
    keys.resize(k);
  };
  float least = kNone;
  const __m256 none = _mm256_set1_ps(kNone);
  const std::size_t words = mask_words(task.width);
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint64_t word = word_of(task, w);
    if (word == 0) continue;
    for (std::size_t i = 0; i < kBlock; i += 8) {
      const std::uint64_t bits = word >> i & 255;
      if (bits == 0) continue;
      const std::size_t at = w * kBlock + i;
      const __m256 x = masked8(task.logits, at, task.width, bits);
      auto kept = static_cast<unsigned>(_mm256_movemask_ps(_mm256_and_ps(
          _mm256_cmp_ps(x, _mm256_set1_ps(least), _CMP_GE_OQ), _mm256_cmp_ps(x, none, _CMP_GT_OQ))));
      for (; kept != 0; kept &= kept - 1) {
        const std::size_t token = at + static_cast<std::size_t>(std::countr_zero(kept));
        keys.push_back(key_of(task.logits[token], token));
      }
    }
    if (keys.size() + kBlock > room) {
      keep();
      if (keys.size() == k) least = task.logits[token_of(keys[k - 1])];
    }
  }
  keep();
  std::sort(keys.begin(), keys.end(), std::greater<>());
}

#pragma clang attribute pop

// Largest first. REQUIRES: in order of token, so that equal logits keep theirs.
void sort_keys(SampleScratch& scratch) {
  std::vector<std::uint64_t>& keys = scratch.keys;
  if (keys.size() < kRadixMin) {
    std::sort(keys.begin(), keys.end(), std::greater<>());
    return;
  }
  constexpr int kBits = 11;
  constexpr std::size_t kBuckets = std::size_t{1} << kBits;
  scratch.sorted.resize(keys.size());
  for (int shift = 32; shift < 64; shift += kBits) {
    std::array<std::uint32_t, kBuckets> begins{};
    const auto bucket = [&](std::uint64_t key) { return kBuckets - 1 - (key >> shift & (kBuckets - 1)); };
    for (const std::uint64_t key : keys) ++begins[bucket(key)];
    std::uint32_t before = 0;
    for (std::uint32_t& begin : begins) before += std::exchange(begin, before);
    for (const std::uint64_t key : keys) scratch.sorted[begins[bucket(key)]++] = key;
    keys.swap(scratch.sorted);
  }
}

// The largest float at or below `value`, so that what is less than it is less than `value` too.
float at_most(double value) { return std::nextafter(static_cast<float>(value), kNone); }

std::int32_t draw(const SampleTask& task, const Scan& found, SampleScratch& scratch) {
  const SampleRow& row = *task.row;
  const auto best = static_cast<std::int32_t>(found.best);
  const float top = task.logits[best];
  std::vector<std::uint64_t>& keys = scratch.keys;
  keys.clear();
  const bool cut = row.top_k > 0 && static_cast<std::size_t>(row.top_k) < found.candidates;
  if (cut) {
    gather_best(task, static_cast<std::size_t>(row.top_k), keys);
  } else if (row.top_p < 1) {
    // What weighs next to nothing stands last in the sum and changes no bit of it, and the nucleus ends
    // before.
    gather(task, at_most(static_cast<double>(top) + kNegligibleWidths * static_cast<double>(row.temperature)),
           keys);
    sort_keys(scratch);
  } else if (row.min_p > 0) {
    const double least = static_cast<double>(row.temperature) * std::log(static_cast<double>(row.min_p));
    gather(task, at_most(static_cast<double>(top) + least - 1e-6 * std::abs(least)), keys);
  } else {
    gather(task, kNone, keys);
  }
  std::vector<double>& weights = scratch.weights;
  weights.resize(keys.size());
  double total = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    weights[i] = std::exp((static_cast<double>(task.logits[token_of(keys[i])]) - top) / row.temperature);
    total += weights[i];
  }
  if (row.top_p < 1) {
    double sum = 0;
    std::size_t kept = 0;
    while (kept < keys.size() && (kept == 0 || sum < row.top_p * total)) sum += weights[kept++];
    keys.resize(kept);
  }
  if (row.min_p > 0) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (weights[i] < row.min_p) continue;
      weights[kept] = weights[i];
      keys[kept++] = keys[i];
    }
    keys.resize(kept);
  }
  if (keys.empty()) return best;
  total = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) total += weights[i];
  double left = uniform_draw(row.seed, row.position) * total;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (left < weights[i]) return token_of(keys[i]);
    left -= weights[i];
  }
  return token_of(keys.back());
}

// Nothing is above -infinity: the lowest token that may come and is a number, else the lowest that may come.
std::int64_t lowest(const SampleTask& task) {
  std::int64_t first = -1;
  for (std::size_t t = 0; t < task.width; ++t) {
    if (!may_come(task.mask, t)) continue;
    if (!std::isnan(task.logits[t])) return static_cast<std::int64_t>(t);
    if (first < 0) first = static_cast<std::int64_t>(t);
  }
  return first;
}

}  // namespace

std::int32_t sample_avx2(const SampleTask& task, SampleScratch& scratch) {
  const SampleRow& row = *task.row;
  TSUKAI_CHECK(task.width > 0, "no logits");
  scratch.originals.clear();
  for (const TokenAdjustment& adjustment : task.adjustments) {
    const auto token = static_cast<std::size_t>(adjustment.token);
    scratch.originals.push_back(task.logits[token]);
    if (may_come(task.mask, token)) task.logits[token] = adjusted(task.logits[token], adjustment, row);
  }
  const bool draws = !(row.temperature <= 0);
  Scan found = draws ? scan<true>(task) : scan<false>(task);
  const bool usual = found.best >= 0 && std::isfinite(task.logits[found.best]);
  if (found.best < 0) found.best = lowest(task);
  TSUKAI_CHECK(found.best >= 0, "a mask without a token");
  const std::int32_t chosen =
      draws && usual ? draw(task, found, scratch) : static_cast<std::int32_t>(found.best);
  if (row.alternatives >= 0) {
    for (std::size_t i = 0; i < task.adjustments.size(); ++i)
      task.logits[task.adjustments[i].token] = scratch.originals[i];
    write_logprobs(task.logits, task, chosen);
  }
  return chosen;
}

}  // namespace tsukai::infer::cpu
#endif
