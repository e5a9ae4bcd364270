#include <algorithm>

#include "infer/grammar/compiled.h"

namespace tsukai::infer {
namespace grammar {
namespace {

void set_bits(TokenMask& out, const std::vector<std::uint64_t>& bits) {
  auto& words = out.words();
  const auto n = std::min(words.size(), bits.size());
  for (std::size_t i = 0; i < n; ++i) words[i] |= bits[i];
}

// Computes one mask by walking the trie.
class MaskWalk {
 public:
  MaskWalk(const Vocabulary& vocabulary, Automaton& automaton, TokenMask& out)
      : vocabulary_(vocabulary), automaton_(automaton), out_(out) {}

  // A token may come when it may from any one stack. Stacks in a lexeme go by its slice, the others together.
  void run(const State& state) {
    State plain;
    for (auto stack : state) {
      if (stack == kEnd) continue;
      const Frame& frame = automaton_.frame(stack);
      if (automaton_.program().nodes[frame.node].kind == Node::kLiteral) plain.push_back(stack);
    }
    if (!plain.empty()) walk(0, plain, 0);
    bool alone = plain.empty();
    for (auto stack : state) {
      if (stack == kEnd || automaton_.program().nodes[automaton_.frame(stack).node].kind != Node::kLexeme)
        continue;
      lexeme(stack, alone);
      alone = false;
    }
  }

 private:
  void set(TokenId token) {
    if (static_cast<std::size_t>(token) < out_.size()) out_.set(token);
  }
  void set_own(const TrieNode& node) {
    for (std::uint32_t t = 0; t < node.own_tokens; ++t) set(vocabulary_.tokens()[node.first_token + t]);
  }

  // `alone`: nothing is set so far.
  void lexeme(StackId stack, bool alone) {
    const Frame frame = automaton_.frame(stack);
    const Lexeme& lexeme = automaton_.program().lexemes[automaton_.program().nodes[frame.node].index];
    const auto slice = vocabulary_.slice(lexeme.dfa, frame.a);
    const std::uint32_t left = lexeme.max == kDead ? kDead : lexeme.max - std::min(lexeme.max, frame.b);
    const std::uint32_t lacking = lexeme.min - std::min(lexeme.min, frame.b);
    const auto fits =
        std::upper_bound(slice->alive.begin(), slice->alive.end(), left,
                         [](std::uint32_t limit, const Slice::Token& t) { return limit < t.characters; });
    if (slice->dense && out_.size() >= vocabulary_.size() &&
        slice->alive.end() - fits < fits - slice->alive.begin()) {
      // Nearly all of them: those that are too long for what is left are taken out again.
      if (alone) {
        std::copy(slice->alive_bits.begin(), slice->alive_bits.end(), out_.words().begin());
        for (auto t = fits; t != slice->alive.end(); ++t) out_.clear(t->token);
      } else {
        TokenMask part(0);
        part.words() = slice->alive_bits;
        for (auto t = fits; t != slice->alive.end(); ++t) part.clear(t->token);
        set_bits(out_, part.words());
      }
    } else {
      for (auto t = slice->alive.begin(); t != fits; ++t) set(t->token);
    }
    for (const auto& t : slice->ended) {
      if (t.characters >= lacking && t.characters <= left) set(t.token);
    }
    if (slice->exits.empty()) return;
    State after;
    automaton_.after(stack, after);
    const ByteSet bytes = automaton_.bytes(after);
    State next;
    for (int b = 0; b < 256; ++b) {
      const auto first = slice->exits_by_byte[b], last = slice->exits_by_byte[b + 1];
      if (first == last || !bytes.test(static_cast<unsigned char>(b))) continue;
      automaton_.step(after, static_cast<unsigned char>(b), next);
      if (next.empty()) continue;
      for (auto i = first; i < last; ++i) {
        const auto& exit = slice->exits[i];
        if (exit.characters < lacking || exit.characters > left) continue;
        const TrieNode& node = vocabulary_.nodes()[exit.node];
        set_own(node);
        if (node.end > exit.node + 1) walk(exit.node, next, 0);
      }
    }
  }

  void walk(std::uint32_t at, const State& state, std::size_t depth) {
    children(at, state, automaton_.bytes(state), depth);
  }

  void children(std::uint32_t at, const State& state, const ByteSet& bytes, std::size_t depth) {
    const auto& nodes = vocabulary_.nodes();
    for (std::uint32_t child = at + 1; child < nodes[at].end; child = nodes[child].end) {
      const TrieNode& node = nodes[child];
      if (!bytes.test(node.byte)) continue;
      if (depth >= states_.size()) states_.emplace_back(std::make_unique<State>());
      State& next = *states_[depth];
      automaton_.step(state, node.byte, next);
      if (next.empty()) continue;
      set_own(node);
      if (node.end > child + 1) walk(child, next, depth + 1);
    }
  }

  const Vocabulary& vocabulary_;
  Automaton& automaton_;
  TokenMask& out_;
  std::vector<std::unique_ptr<State>> states_;
};

class StackMatcher : public Matcher {
 public:
  StackMatcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<Workspace> shared)
      : grammar_(std::move(grammar)), shared_(std::move(shared)) {
    const std::lock_guard lock(shared_->mutex);
    automaton_ = shared_->automaton;
    state_ = automaton_->start();
  }

  std::unique_ptr<Matcher> clone() const override { return std::make_unique<StackMatcher>(*this); }

  bool accept(std::string_view bytes) override {
    const std::lock_guard lock(shared_->mutex);
    move();
    State at = state_;
    automaton_->keep_stacks(kStacksMax);
    if (!run(bytes, at)) {
      if (!automaton_->dropped() || !run_apart(bytes, at)) return false;
    }
    state_ = std::move(at);
    return true;
  }

  void mask(TokenMask& out) const override {
    out.reset();
    const std::lock_guard lock(shared_->mutex);
    move();
    if (!shared_->vocabulary) return;
    State key;
    for (auto stack : state_) {
      if (stack != kEnd) key.push_back(automaton_->frame(stack).key);
    }
    std::sort(key.begin(), key.end());
    key.erase(std::unique(key.begin(), key.end()), key.end());
    // A mask of another size (a model whose logits are padded) is not worth a cache of its own.
    const bool cacheable = out.size() >= shared_->vocabulary->size();
    if (cacheable) {
      if (auto it = shared_->masks.find(key); it != shared_->masks.end()) {
        if (it->second.dense)
          set_bits(out, it->second.bits);
        else
          for (auto token : it->second.tokens) out.set(token);
        return;
      }
    }
    MaskWalk(*shared_->vocabulary, *automaton_, out).run(state_);
    if (cacheable) keep(std::move(key), out);
  }

  bool may_end() const override { return !state_.empty() && state_.front() == kEnd; }
  bool must_end() const override { return state_.size() == 1 && state_.front() == kEnd; }

  std::string forced(std::size_t bytes_max) const override {
    const std::lock_guard lock(shared_->mutex);
    move();
    std::string out;
    State at = state_, next;
    while (out.size() < bytes_max && !at.empty() && at.front() != kEnd) {
      const ByteSet maybe = automaton_->bytes(at);
      int found = -1, count = 0;
      for (int b = 0; b < 256 && count < 2; ++b) {
        if (!maybe.test(static_cast<unsigned char>(b))) continue;
        for (auto stack : at) {
          if (!automaton_->allows(stack, static_cast<unsigned char>(b))) continue;
          found = b, ++count;
          break;
        }
      }
      if (count != 1) break;
      automaton_->step(at, static_cast<unsigned char>(found), next);
      out += static_cast<char>(found);
      at.swap(next);
    }
    return out;
  }

  std::string shortest_completion() const override {
    const std::lock_guard lock(shared_->mutex);
    move();
    std::uint64_t best = kNever;
    StackId from = kEnd;
    for (auto stack : state_) {
      const auto bytes = automaton_->shortest_bytes(stack);
      if (bytes < best) best = bytes, from = stack;
    }
    std::string out;
    automaton_->shortest_text(from, out);
    return out;
  }

 private:
  bool run(std::string_view bytes, State& at) {
    State next;
    for (const char byte : bytes) {
      automaton_->step(at, static_cast<unsigned char>(byte), next);
      if (next.empty()) return false;
      at.swap(next);
    }
    return true;
  }

  // As a mask looks at a state: those in literals together, those in lexemes one by one. So what a mask
  // allows is taken, also where all stacks together would have been too many on the way.
  bool run_apart(std::string_view bytes, State& at) {
    std::vector<State> groups(1);
    for (const auto stack : state_) {
      if (stack == kEnd) continue;
      const Node& node = automaton_->program().nodes[automaton_->frame(stack).node];
      if (node.kind == Node::kLiteral)
        groups[0].push_back(stack);
      else
        groups.push_back({stack});
    }
    at.clear();
    automaton_->keep_stacks(kStacksApartMax);
    for (auto& group : groups) {
      if (at.size() >= kStacksMax) break;
      if (!group.empty() && run(bytes, group)) at.insert(at.end(), group.begin(), group.end());
    }
    automaton_->keep_stacks(kStacksMax);
    std::sort(at.begin(), at.end());
    at.erase(std::unique(at.begin(), at.end()), at.end());
    if (at.size() > kStacksMax) at.resize(kStacksMax);
    return !at.empty();
  }

  // Over to the workspace's automaton of the day; a new one is made when the old has grown too large.
  void move() const {
    if (shared_->automaton->size() > shared_->frames_max) {
      shared_->automaton = std::make_shared<Automaton>(
          program_of(*grammar_), shared_->vocabulary ? shared_->vocabulary->token_bytes_max() : 0);
      shared_->masks.clear();
      shared_->mask_bytes = 0;
    }
    if (automaton_ == shared_->automaton) return;
    for (auto& stack : state_) stack = shared_->automaton->import(*automaton_, stack);
    std::sort(state_.begin(), state_.end());
    automaton_ = shared_->automaton;
    // A text that is itself that deep must not make every call move again.
    shared_->frames_max = std::max(kFramesMax, 4 * automaton_->size());
  }

  void keep(State key, const TokenMask& mask) const {
    // More than one token a word, on the whole: that shows early on, and of the others most words are empty.
    const std::size_t sparse_max = mask.size() / 64;
    std::size_t count = 0;
    for (const auto word : mask.words()) {
      if (word == 0) continue;
      count += static_cast<std::size_t>(__builtin_popcountll(word));
      if (count > sparse_max) break;
    }
    Workspace::CachedMask cached;
    cached.dense = count > sparse_max;
    if (cached.dense) {
      cached.bits = mask.words();
    } else {
      cached.tokens.reserve(count);
      for (std::size_t i = 0; i < mask.words().size(); ++i) {
        for (auto word = mask.words()[i]; word != 0; word &= word - 1) {
          cached.tokens.push_back(
              static_cast<TokenId>(i * 64 + static_cast<std::size_t>(__builtin_ctzll(word))));
        }
      }
    }
    const auto bytes = 128 + cached.bits.size() * 8 + cached.tokens.size() * 4 + key.size() * 4;
    if (shared_->mask_bytes + bytes > kMaskCacheBytesMax) shared_->masks.clear(), shared_->mask_bytes = 0;
    shared_->mask_bytes += bytes;
    shared_->masks.try_emplace(std::move(key), std::move(cached));
  }

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<Workspace> shared_;
  mutable std::shared_ptr<Automaton> automaton_;
  mutable State state_;
};

}  // namespace
}  // namespace grammar

std::unique_ptr<Matcher> Matcher::make(std::shared_ptr<const Grammar> grammar,
                                       std::shared_ptr<const MaskVocabulary> vocabulary) {
  auto words = std::static_pointer_cast<const grammar::Vocabulary>(std::move(vocabulary));
  auto shared = static_cast<const grammar::Compiled&>(*grammar).workspace(std::move(words));
  return std::make_unique<grammar::StackMatcher>(std::move(grammar), std::move(shared));
}

}  // namespace tsukai::infer
