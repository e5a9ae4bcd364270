// Finding the longest of many fixed strings at a place in a text: the markers of a vocabulary.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "infer/model.h"

namespace tsukai::infer {

class MarkerTrie {
 public:
  void add(std::string_view spelling, TokenId token);  // Empty spellings are ignored.

  struct Match {
    TokenId token = -1;
    std::size_t length = 0;  // 0: nothing begins here.
  };
  // The longest string that begins at text[at] and ends within the text.
  Match longest(std::string_view text, std::size_t at) const;
  // The first place at or after `at` where some string could begin, or text.size().
  std::size_t next_candidate(std::string_view text, std::size_t at) const;

 private:
  struct Node {
    TokenId token = -1;
    std::vector<std::pair<char, std::uint32_t>> children;
  };
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<bool, 256> begins_{};
};

}  // namespace tsukai::infer
