#include "infer/grammar/vocabulary.h"

#include <algorithm>

#include "infer/grammar/lexemes.h"

namespace tsukai::infer {
namespace grammar {

std::size_t Slice::bytes() const {
  return sizeof(Slice) + alive_bits.size() * 8 + (alive.size() + ended.size()) * sizeof(Token) +
         exits.size() * sizeof(Exit);
}

Vocabulary::Vocabulary(const Tokenizer& tokenizer) : size_(tokenizer.size()) {
  std::vector<std::pair<std::string, TokenId>> sorted;
  for (std::size_t i = 0; i < size_; ++i) {
    const auto token = static_cast<TokenId>(i);
    const auto kind = tokenizer.kind(token);
    if (kind == TokenKind::kControl || kind == TokenKind::kUnused || kind == TokenKind::kUnknown) continue;
    const auto bytes = tokenizer.bytes(token);
    if (bytes.empty() || bytes.size() > kTokenBytesMax) continue;
    sorted.emplace_back(bytes, token);
    token_bytes_max_ = std::max(token_bytes_max_, bytes.size());
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::uint32_t> path{0};
  nodes_.emplace_back();
  std::string_view before;
  for (const auto& [bytes, token] : sorted) {
    const auto shared = static_cast<std::size_t>(
        std::mismatch(bytes.begin(), bytes.end(), before.begin(), before.end()).first - bytes.begin());
    while (path.size() > shared + 1) {
      nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
      path.pop_back();
    }
    for (auto depth = shared; depth < bytes.size(); ++depth) {
      path.push_back(static_cast<std::uint32_t>(nodes_.size()));
      TrieNode node;
      node.first_token = static_cast<std::uint32_t>(tokens_.size());
      node.depth = static_cast<std::uint16_t>(depth + 1);
      node.byte = static_cast<unsigned char>(bytes[depth]);
      nodes_.push_back(node);
    }
    ++nodes_[path.back()].own_tokens;
    tokens_.push_back(token);
    before = bytes;
  }
  for (auto node : path) nodes_[node].end = static_cast<std::uint32_t>(nodes_.size());
  // Free strings are in every schema: their slices are made now rather than while a model waits.
  for (std::uint32_t state = 0; state < any_string()->size(); ++state) (void)slice(any_string(), state);
}

std::shared_ptr<const Slice> Vocabulary::slice(const std::shared_ptr<const Dfa>& dfa,
                                               std::uint32_t state) const {
  const std::pair<const Dfa*, std::uint32_t> key{dfa.get(), state};
  {
    const std::lock_guard lock(mutex_);
    if (auto it = slices_.find(key); it != slices_.end()) return it->second;
  }
  auto made = make_slice(dfa, state);
  const std::lock_guard lock(mutex_);
  if (slice_bytes_ > kSliceBytesMax) slices_.clear(), slice_bytes_ = 0;
  if (slices_.try_emplace(key, made).second) slice_bytes_ += made->bytes();
  return made;
}

std::shared_ptr<const Slice> Vocabulary::make_slice(const std::shared_ptr<const Dfa>& dfa,
                                                    std::uint32_t state) const {
  auto out = std::make_shared<Slice>();
  out->dfa = dfa;
  std::vector<std::uint32_t> states(token_bytes_max_ + 2), characters(token_bytes_max_ + 2);
  states[0] = state;
  const auto n = static_cast<std::uint32_t>(nodes_.size());
  for (std::uint32_t i = 1; i < n;) {
    const TrieNode& node = nodes_[i];
    const auto next = dfa->next(states[node.depth - 1], node.byte);
    if (next == kDead) {
      i = node.end;
      continue;
    }
    const auto& info = dfa->state(next);
    states[node.depth] = next;
    const auto done = characters[node.depth - 1] + (info.counts ? 1 : 0);
    characters[node.depth] = done;
    for (std::uint32_t t = 0; t < node.own_tokens; ++t) {
      const auto token = tokens_[node.first_token + t];
      if (info.accept) out->ended.push_back({token, done});
      if (info.characters_next != kDead) out->alive.push_back({token, done + info.characters_next});
    }
    if (info.accept) {
      for (auto child = i + 1; child < node.end; child = nodes_[child].end)
        out->exits.push_back({child, done});
    }
    ++i;
  }
  std::sort(out->exits.begin(), out->exits.end(), [&](auto& a, auto& b) {
    return std::pair(nodes_[a.node].byte, a.node) < std::pair(nodes_[b.node].byte, b.node);
  });
  for (const auto& exit : out->exits) ++out->exits_by_byte[nodes_[exit.node].byte + 1u];
  for (int b = 0; b < 256; ++b) out->exits_by_byte[b + 1] += out->exits_by_byte[b];
  // Counting sort: there may be as many tokens as the vocabulary has, but few different counts.
  std::uint32_t most = 0;
  for (const auto& t : out->alive) most = std::max(most, t.characters);
  std::vector<std::uint32_t> at(most + 2);
  for (const auto& t : out->alive) ++at[t.characters + 1];
  for (std::uint32_t c = 0; c <= most; ++c) at[c + 1] += at[c];
  std::vector<Slice::Token> ordered(out->alive.size());
  for (const auto& t : out->alive) ordered[at[t.characters]++] = t;
  out->alive = std::move(ordered);
  out->dense = out->alive.size() > size_ / 64;
  if (out->dense) {
    TokenMask bits(size_);
    for (const auto& t : out->alive) bits.set(t.token);
    out->alive_bits = std::move(bits.words());
  }
  return out;
}

}  // namespace grammar

std::shared_ptr<const MaskVocabulary> MaskVocabulary::make(const Tokenizer& tokenizer) {
  return std::make_shared<const grammar::Vocabulary>(tokenizer);
}

}  // namespace tsukai::infer
