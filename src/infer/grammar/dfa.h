// Deterministic automata over bytes: the words ("lexemes") of a grammar, such as one JSON string or one
// number.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tsukai::infer::grammar {

constexpr std::uint32_t kDead = ~std::uint32_t{0};

// A set of bytes.
struct ByteSet {
  std::array<std::uint64_t, 4> words{};
  void set(unsigned char byte) { words[byte >> 6] |= std::uint64_t{1} << (byte & 63); }
  bool test(unsigned char byte) const { return (words[byte >> 6] >> (byte & 63)) & 1; }
  void operator|=(const ByteSet& other) {
    for (int i = 0; i < 4; ++i) words[i] |= other.words[i];
  }
  // The number of bytes in the set; and its lowest byte (the set must not be empty).
  int count() const;
  unsigned char lowest() const;
};

// An automaton before it is finished: full rows, state 0 starts.
struct RawDfa {
  struct State {
    std::array<std::uint32_t, 256> next;
    bool accept = false;
    bool counts = false;  // Arriving here completes one character.
    State() { next.fill(kDead); }
  };
  std::vector<State> states;
  std::uint32_t add() {
    states.emplace_back();
    return static_cast<std::uint32_t>(states.size() - 1);
  }
};

// Finished and immutable. Every state but the start can reach an accepting one.
class Dfa {
 public:
  static std::shared_ptr<const Dfa> finish(const RawDfa& raw);

  std::uint32_t next(std::uint32_t state, unsigned char byte) const {
    return table_[state * classes_ + class_of_[byte]];
  }
  std::size_t size() const { return info_.size(); }
  bool empty() const { return empty_; }  // Accepts nothing at all.

  struct State {
    bool accept = false;
    bool counts = false;
    std::uint32_t characters_left = 0;  // Fewest characters still to complete before accepting.
    std::uint32_t characters_next =
        kDead;                     // The same when at least one more byte is taken; kDead: none can be.
    std::uint32_t bytes_left = 0;  // Fewest bytes to an accepting state,
    std::uint32_t bytes_left_characters = 0;  // the characters that this path completes,
    unsigned char bytes_left_byte = 0;        // and its first byte.
    unsigned char characters_left_byte = 0;   // The first byte of a path with the fewest characters.
    ByteSet bytes;                            // What can be taken.
  };
  const State& state(std::uint32_t state) const { return info_[state]; }
  std::uint32_t characters_left_max() const { return characters_left_max_; }

 private:
  std::uint32_t classes_ = 0;
  std::array<std::uint8_t, 256> class_of_{};
  std::vector<std::uint32_t> table_;
  std::vector<State> info_;
  std::uint32_t characters_left_max_ = 0;
  bool empty_ = false;
};

// A Dfa whose text must hold min to max characters. A min above 0 needs an automaton in which every state
// that counts may take `filler` and come back to a counting state (free strings); others have min built in.
struct Lexeme {
  std::shared_ptr<const Dfa> dfa;
  std::uint32_t min = 0;
  std::uint32_t max = kDead;
  unsigned char filler = 'a';
};

// The texts that both take; that either takes; that the first takes and the second does not. Characters are
// counted as the first does, or as the one does that is not at its end. nullptr beyond `states_max` states.
std::shared_ptr<const Dfa> texts_of_both(const Dfa& a, const Dfa& b, std::size_t states_max);
std::shared_ptr<const Dfa> texts_of_either(const Dfa& a, const Dfa& b, std::size_t states_max);
std::shared_ptr<const Dfa> texts_of_first_only(const Dfa& a, const Dfa& b, std::size_t states_max);

// The same automaton for texts of at least `min` characters. nullptr when it would have more than
// `states_max` states.
std::shared_ptr<const Dfa> at_least(const Dfa& dfa, std::uint32_t min, std::size_t states_max);

}  // namespace tsukai::infer::grammar
