// Randomness: a small seeded generator whose sequence is the same on every machine, and ids nobody can guess.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tsukai {

// xoshiro256** (Blackman and Vigna 2018), seeded through splitmix64. Same seed, same sequence, everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  std::uint64_t next();
  // Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1), 53 bits.
  double unit();

 private:
  std::uint64_t state_[4];
};

// From the operating system's entropy; thread-safe.
std::uint64_t entropy();
// `letters` characters of [a-z2-7] (5 bits each) from the operating system's entropy.
std::string random_id(std::size_t letters);

}  // namespace tsukai
