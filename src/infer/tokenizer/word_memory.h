// Short pieces of text that were encoded before, with the tokens they gave.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "infer/model.h"

namespace tsukai::infer {

// One cache line a piece, found by its bytes; a piece that falls on another's line replaces it. For one
// thread at a time: see WordMemories. Memory: 512 KiB.
class WordMemory {
 public:
  static constexpr std::size_t kBytesMax = 24;  // Longer pieces are not kept,
  static constexpr std::size_t kTokensMax = 8;  // nor such as give more tokens.
  static constexpr std::size_t kLines = 1 << 13;

  // The tokens of text[begin, end), whose length must be 1 to kBytesMax: appended from its last time, or by
  // make(piece) and kept.
  template <typename Make>
  void tokens_of(std::string_view text, std::size_t begin, std::size_t end, std::vector<TokenId>& out,
                 const Make& make) {
    const std::size_t length = end - begin;
    const Words words = load(text, begin, length);
    Line& line = lines_[hash(words, length) & (kLines - 1)];
    if (line.length == length && line.words == words) {
      out.insert(out.end(), line.tokens.begin(), line.tokens.begin() + line.count);
      return;
    }
    const std::size_t first = out.size();
    make(text.substr(begin, length));
    const std::size_t count = out.size() - first;
    if (count > kTokensMax) return;
    line.words = words;
    line.length = static_cast<std::uint8_t>(length);
    line.count = static_cast<std::uint8_t>(count);
    std::memcpy(line.tokens.data(), out.data() + first, count * sizeof(TokenId));
  }

 private:
  using Words = std::array<std::uint64_t, 3>;
  struct alignas(64) Line {
    Words words{};
    std::uint8_t length = 0;  // 0: empty.
    std::uint8_t count = 0;
    std::array<TokenId, kTokensMax> tokens{};
  };
  static_assert(sizeof(Line) == 64);

  // The bytes with zeros behind.
  static Words load(std::string_view text, std::size_t begin, std::size_t length) {
    Words words{};
    const char* from = text.data() + begin;
    if (text.size() - begin < kBytesMax) {  // Nothing may be read behind the text.
      std::memcpy(words.data(), from, length);
      return words;
    }
    std::memcpy(words.data(), from, kBytesMax);
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::size_t used = length > 8 * i ? length - 8 * i : 0;
      if (used < 8) words[i] &= (std::uint64_t{1} << 8 * used) - 1;
    }
    return words;
  }
  static std::size_t hash(const Words& words, std::size_t length) {
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15u;
    std::uint64_t h = (words[0] ^ length) * kOdd;
    if (length > 8) {
      h = (h ^ h >> 29 ^ words[1]) * kOdd;
      h = (h ^ h >> 29 ^ words[2]) * kOdd;
    }
    return static_cast<std::size_t>(h >> 40 ^ h >> 20);
  }

  std::vector<Line> lines_ = std::vector<Line>(kLines);
};

// The memories of one tokenizer, kept from text to text: one for each of so many threads at a time; those
// that come too late do without.
class WordMemories {
 public:
  static constexpr std::size_t kMax = 4;

  class Lease {
   public:
    explicit Lease(WordMemories& of) : of_(of) {
      for (std::size_t i = 0; i < kMax && memory_ == nullptr; ++i) {
        if (of.slots_[i].taken.test_and_set(std::memory_order_acquire)) continue;
        auto& memory = of.slots_[i].memory;
        if (memory == nullptr) memory = std::make_unique<WordMemory>();
        memory_ = memory.get(), slot_ = i;
      }
    }
    ~Lease() {
      if (memory_ != nullptr) of_.slots_[slot_].taken.clear(std::memory_order_release);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    WordMemory* get() const { return memory_; }  // nullptr: all are taken.

   private:
    WordMemories& of_;
    WordMemory* memory_ = nullptr;
    std::size_t slot_ = 0;
  };

 private:
  struct Slot {
    std::atomic_flag taken;
    std::unique_ptr<WordMemory> memory;
  };
  std::array<Slot, kMax> slots_;
};

}  // namespace tsukai::infer
