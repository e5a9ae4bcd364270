// Runs a Program: sets of stacks, moved byte by byte.
#pragma once

#include <unordered_map>
#include <vector>

#include "infer/grammar/program.h"

namespace tsukai::infer::grammar {

using StackId = std::uint32_t;
constexpr StackId kEnd = 0;  // The empty stack: the text may end here.
// Stacks, sorted and unique, each waiting in a literal or a lexeme (or kEnd). Every one of them can be
// finished.
using State = std::vector<StackId>;

// Only schemas whose alternatives overlap and nest come near; stacks beyond are dropped, which only narrows
// the language. Where a mask looked at stacks one by one, more are followed: see Matcher::accept().
constexpr std::size_t kStacksMax = 1'024;
constexpr std::size_t kStacksApartMax = 4 * kStacksMax;
// Frames an arena holds before its owner starts a new one.
constexpr std::size_t kFramesMax = 100'000;

// One stack frame; frames that are equal, down to the bottom, are one frame.
struct Frame {
  NodeId node = kNoNode;
  std::uint32_t a = 0;  // kLiteral: bytes done; kLexeme: state; kSequence: next child; kRepeat: items begun.
  std::uint32_t b = 0;  // kLexeme: characters done.
  StackId parent = kEnd;
  // The same stack with every count that can't matter within one token made canonical: the key of cached
  // masks.
  StackId key = kEnd;
};

// Interns frames and moves states. Not thread-safe. The program must outlive it.
class Automaton {
 public:
  // Counts are made canonical where no text of token_bytes_max bytes can tell.
  Automaton(const Program& program, std::size_t token_bytes_max);

  State start();
  // Where `byte` leads: empty when it can't come here.
  void step(const State& from, unsigned char byte, State& to);
  // How many stacks step() keeps from now on; and whether it has dropped any since this was last said.
  void keep_stacks(std::size_t most) { stacks_max_ = most, dropped_ = false; }
  bool dropped() const { return dropped_; }
  // What follows once the node on top of `stack` is complete.
  void after(StackId stack, State& to);
  // Every byte that step() may accept, and possibly a few that it won't (a length limit).
  ByteSet bytes(const State& state) const;
  bool allows(StackId stack, unsigned char byte) const;

  const Frame& frame(StackId stack) const { return frames_[stack]; }
  const Program& program() const { return program_; }
  std::size_t size() const { return frames_.size(); }
  // The same stack here, of another automaton of the same program.
  StackId import(const Automaton& other, StackId stack);

  std::uint64_t shortest_bytes(StackId stack) const;
  void shortest_text(StackId stack, std::string& out) const;

 private:
  struct KeyHash {
    std::size_t operator()(const Frame& f) const;
  };
  struct KeyEqual {
    bool operator()(const Frame& x, const Frame& y) const {
      return x.node == y.node && x.a == y.a && x.b == y.b && x.parent == y.parent;
    }
  };
  StackId push(NodeId node, std::uint32_t a, std::uint32_t b, StackId parent);
  // `fresh` counts the frames on top that were pushed since the last byte: what returns through them matched
  // nothing.
  void enter(NodeId node, StackId parent, std::uint32_t fresh);
  void leave(StackId stack, std::uint32_t fresh);
  void emit(StackId stack);
  void begin(State& to);
  void settle();

  const Program& program_;
  std::uint32_t slack_;
  std::size_t stacks_max_ = kStacksMax;
  bool dropped_ = false;
  std::vector<Frame> frames_;
  std::unordered_map<Frame, StackId, KeyHash, KeyEqual> ids_;
  State* out_ = nullptr;
  std::vector<std::pair<std::uint64_t, bool>> entered_;
};

}  // namespace tsukai::infer::grammar
