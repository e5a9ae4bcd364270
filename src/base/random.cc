#include "base/random.h"

#include <sys/random.h>

#include <algorithm>

#include "base/result.h"

namespace tsukai {
namespace {

std::uint64_t rotate_left(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

}  // namespace

Random::Random(std::uint64_t seed) {
  for (auto& word : state_) {
    seed += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    word = z ^ (z >> 31);
  }
}

std::uint64_t Random::next() {
  const std::uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate_left(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
  TSUKAI_CHECK(bound > 0, "Random::below needs a positive bound");
  // Rejects the few values that would make the low results likelier.
  const std::uint64_t rejected = (0 - bound) % bound;
  std::uint64_t value = next();
  while (value < rejected) value = next();
  return value % bound;
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::uint64_t entropy() {
  std::uint64_t value = 0;
  TSUKAI_CHECK(getrandom(&value, sizeof value, 0) == sizeof value, "the kernel gave no entropy");
  return value;
}

std::string random_id(std::size_t letters) {
  static constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string id(letters, '\0');
  for (std::size_t at = 0; at < letters; at += 256) {  // The kernel never gives fewer of so few.
    const auto count = std::min<std::size_t>(256, letters - at);
    TSUKAI_CHECK(getrandom(id.data() + at, count, 0) == static_cast<ssize_t>(count),
                 "the kernel gave no entropy");
  }
  for (auto& letter : id) letter = kAlphabet[static_cast<unsigned char>(letter) & 31];
  return id;
}

}  // namespace tsukai
