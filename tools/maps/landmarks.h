// Travel times to and from a few far-off nodes, which bound the time between any two (A*, landmarks, triangle
// inequality: Goldberg and Harrelson 2005). They cut the nodes that a search on a large graph settles by a
// factor of ten and more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tsukai::maps {

// For one mode of travel. Times are 16-bit multiples of unit_s, rounded down: 64 bytes a node.
struct Landmarks {
  static constexpr int kCount = 16;
  static constexpr std::uint16_t kUnreachable = 0xffff;

  double unit_s = 1;
  std::vector<std::uint16_t> from;  // [nodes][kCount]: seconds from the landmark to the node, / unit_s.
  std::vector<std::uint16_t> to;    // [nodes][kCount]: from the node to the landmark.

  bool empty() const { return from.empty(); }
  // For map files: little-endian, unit_s as 64-bit float, then `from`, then `to`.
  std::string bytes() const;
  // kCorrupt when the length does not fit `nodes`.
  static Result<Landmarks> parse(std::string_view bytes, std::size_t nodes);
};

}  // namespace tsukai::maps
