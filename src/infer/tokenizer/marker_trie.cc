#include "infer/tokenizer/marker_trie.h"

namespace tsukai::infer {

void MarkerTrie::add(std::string_view spelling, TokenId token) {
  if (spelling.empty()) return;
  begins_[static_cast<unsigned char>(spelling[0])] = true;
  std::uint32_t node = 0;
  for (const char c : spelling) {
    std::uint32_t next = 0;
    for (const auto& [byte, child] : nodes_[node].children) {
      if (byte == c) next = child;
    }
    if (next == 0) {
      next = static_cast<std::uint32_t>(nodes_.size());
      nodes_[node].children.emplace_back(c, next);
      nodes_.emplace_back();
    }
    node = next;
  }
  if (nodes_[node].token < 0) nodes_[node].token = token;
}

MarkerTrie::Match MarkerTrie::longest(std::string_view text, std::size_t at) const {
  Match best;
  std::uint32_t node = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    std::uint32_t next = 0;
    for (const auto& [byte, child] : nodes_[node].children) {
      if (byte == text[i]) {
        next = child;
        break;
      }
    }
    if (next == 0) break;
    node = next;
    if (nodes_[node].token >= 0) best = {nodes_[node].token, i + 1 - at};
  }
  return best;
}

std::size_t MarkerTrie::next_candidate(std::string_view text, std::size_t at) const {
  while (at < text.size() && !begins_[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

}  // namespace tsukai::infer
