// The random number of a draw, the same on every backend.
#pragma once

#include <cstdint>

namespace tsukai::infer {

// A number in [0, 1) from (seed, position) alone: splitmix64's finaliser, twice.
inline double uniform_draw(std::uint64_t seed, std::uint64_t position) {
  const auto mix = [](std::uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
  };
  const auto bits = mix(mix(seed + 0x9E3779B97F4A7C15ull) ^ (position + 1) * 0x9E3779B97F4A7C15ull);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace tsukai::infer
