// A Grammar as it is: a finished Program, and what its matchers share.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "infer/grammar/automaton.h"
#include "infer/grammar/grammar.h"
#include "infer/grammar/program.h"
#include "infer/grammar/vocabulary.h"

namespace tsukai::infer::grammar {

// Masks that one grammar keeps for one vocabulary; all are dropped together beyond this.
constexpr std::size_t kMaskCacheBytesMax = 8u << 20;

// What the matchers of one grammar over one vocabulary share. Its mutex guards all of it; no call holds two.
struct Workspace {
  Workspace(const Program& program, std::shared_ptr<const Vocabulary> words)
      : vocabulary(std::move(words)),
        automaton(std::make_shared<Automaton>(program, vocabulary ? vocabulary->token_bytes_max() : 0)) {}
  struct CachedMask {
    bool dense = false;
    std::vector<std::uint64_t> bits;
    std::vector<TokenId> tokens;
  };
  struct StateHash {
    std::size_t operator()(const State& state) const {
      std::size_t h = state.size();
      for (auto s : state) h = (h ^ s) * 0x9E3779B97F4A7C15ull, h ^= h >> 31;
      return h;
    }
  };
  std::mutex mutex;
  std::shared_ptr<const Vocabulary> vocabulary;
  // Replaced when it has more frames than frames_max; matchers move over when they are next used.
  std::shared_ptr<Automaton> automaton;
  std::size_t frames_max = kFramesMax;
  std::unordered_map<State, CachedMask, StateHash> masks;
  std::size_t mask_bytes = 0;
};

class Compiled : public Grammar {
 public:
  explicit Compiled(Program program) : program_(std::move(program)) {}
  const Program& program() const { return program_; }
  // The workspace for a vocabulary, kept for the two used last. `vocabulary` may be null: then there are no
  // masks.
  std::shared_ptr<Workspace> workspace(std::shared_ptr<const Vocabulary> vocabulary) const;

 private:
  Program program_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<Workspace>> workspaces_;
};

inline const Program& program_of(const Grammar& grammar) {
  return static_cast<const Compiled&>(grammar).program();
}

}  // namespace tsukai::infer::grammar
