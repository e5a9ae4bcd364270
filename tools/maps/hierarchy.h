// A road graph prepared for quick searches: contraction hierarchies (Geisberger, Sanders, Schultes, Delling
// 2008) that end in a core. Nodes are taken out one by one, the least important first, and shortcuts keep all
// distances among the rest. A search goes up from both ends and then across the core, whose nodes are left:
// they are joined so densely that taking them out too would cost most of the time and save little.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tsukai::maps {

// Travel time in milliseconds. 32 bits hold seven weeks; sums stop there.
using Ticks = std::uint32_t;
inline constexpr double kTicksPerSecond = 1000;
inline constexpr Ticks kNever = 0xffff'ffff;
Ticks to_ticks(double seconds);
inline Ticks plus(Ticks a, Ticks b) { return a < kNever - 1 - b ? a + b : kNever - 1; }

// For one mode of travel. Immutable once made; use it from one thread at a time (searches share scratch
// space).
class Hierarchy {
 public:
  struct Arc {
    std::int32_t from, to;
    Ticks ticks;
    std::int32_t edge;  // What paths are told in.
  };
  using OnProgress = std::function<void(std::size_t done, std::size_t total)>;

  Hierarchy() = default;
  // Of parallel arcs the quickest counts, loops never do. Takes 20 to 40 us of processor time a node,
  // in as many threads as there are cores.
  static Hierarchy build(std::size_t nodes, std::span<const Arc> arcs, const OnProgress& on_progress = {});

  bool empty() const { return rank_.empty(); }
  std::size_t shortcuts() const;

  // Where a search begins or ends: a node, and the ticks between it and the point that is meant.
  struct End {
    std::int32_t node;
    Ticks ticks;
  };
  struct Path {
    Ticks ticks = 0;
    std::size_t source = 0, target = 0;  // Which of them it joins.
    std::vector<std::int32_t> edges;     // From one to the other, in order.
  };
  // The quickest path from one of the sources to one of the targets. REQUIRES: not empty().
  std::optional<Path> quickest(std::span<const End> sources, std::span<const End> targets) const;
  // Nodes settled by the last search.
  std::int64_t settled_last() const { return settled_; }

  // For map files, little-endian: the counts of nodes, of nodes below the core, of arcs up and of arcs down
  // as 64-bit numbers, then the five arrays below.
  std::string bytes() const;
  // kCorrupt when the bytes are no hierarchy over so many nodes and edges: a search in what it returns is
  // safe.
  static Result<Hierarchy> parse(std::string_view bytes, std::size_t nodes, std::size_t edges);

 private:
  friend class Contraction;
  // An arc to or from a more important node, or between two of the core. Nodes are numbered by importance
  // here.
  struct Link {
    std::int32_t to;  // The more important end.
    Ticks ticks;
    std::int32_t via;  // The node that a shortcut leaps over; of a road itself -1 - edge.
  };
  struct Label {
    Ticks ticks;
    std::int32_t parent;  // Node before, -1 for an end.
    std::uint32_t link;   // That led here.
    std::uint32_t stamp = 0;
  };
  struct Side;
  struct Meeting;

  std::span<const Link> links(const std::vector<std::uint32_t>& begin, const std::vector<Link>& all,
                              std::int32_t node) const {
    const auto n = static_cast<std::size_t>(node);
    return {all.data() + begin[n], all.data() + begin[n + 1]};
  }
  const Link* find_link(const std::vector<std::uint32_t>& begin, const std::vector<Link>& all,
                        std::int32_t node, std::int32_t to) const;
  bool sound(std::size_t edges) const;
  // Writes the edges of the arc from -> to, whose middle is `via`, in order.
  void unpack(std::int32_t from, std::int32_t to, std::int32_t via, std::vector<std::int32_t>& edges) const;

  std::vector<std::int32_t> rank_;             // Of each node: its number here.
  std::int32_t core_ = 0;                      // The first node of the core.
  std::vector<std::uint32_t> up_begin_ = {0};  // Arcs that leave a node upwards...
  std::vector<Link> up_;
  std::vector<std::uint32_t> down_begin_ = {0};  // ... and those that reach it from above.
  std::vector<Link> down_;

  mutable std::vector<Label> labels_[2];
  mutable std::uint32_t search_ = 0;
  mutable std::int64_t settled_ = 0;
};

}  // namespace tsukai::maps
