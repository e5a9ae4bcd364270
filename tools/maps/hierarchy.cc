#include "tools/maps/hierarchy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <queue>

namespace tsukai::maps {

static_assert(std::endian::native == std::endian::little, "map files are little-endian");

Ticks to_ticks(double seconds) {
  constexpr double kMost = 1e9;
  return static_cast<Ticks>(std::llround(std::clamp(seconds * kTicksPerSecond, 0.0, kMost)));
}

std::size_t Hierarchy::shortcuts() const {
  std::size_t count = 0;
  for (const auto* all : {&up_, &down_}) {
    for (const Link& link : *all) count += link.via >= 0;
  }
  return count;
}

// The quickest way known so far: the node that both directions reached.
struct Hierarchy::Meeting {
  Ticks ticks = kNever;
  std::int32_t node = -1;
};

// One direction of a search: forwards from the sources along up_, or backwards from the targets along down_.
struct Hierarchy::Side {
  using Open = std::pair<Ticks, std::int32_t>;
  using Queue = std::priority_queue<Open, std::vector<Open>, std::greater<>>;

  const Hierarchy& whole;
  std::vector<Label>& labels;
  const std::vector<std::uint32_t>& begin;
  const std::vector<Link>& all;
  // Of the other direction: its arcs, which prove that a node was reached by a detour, and what it reached.
  const std::vector<Label>& other_labels;
  const std::vector<std::uint32_t>& other_begin;
  const std::vector<Link>& other_all;
  std::uint32_t stamp;
  Meeting& best;
  Queue climb, core;

  static Ticks at(const std::vector<Label>& labels, std::uint32_t stamp, std::int32_t node) {
    const Label& label = labels[static_cast<std::size_t>(node)];
    return label.stamp == stamp ? label.ticks : kNever;
  }
  static Ticks next(const Queue& queue) { return queue.empty() ? kNever : queue.top().first; }

  void reach(std::int32_t node, Ticks ticks, std::int32_t parent, std::uint32_t link) {
    Label& label = labels[static_cast<std::size_t>(node)];
    if (label.stamp == stamp && label.ticks <= ticks) return;
    label = {ticks, parent, link, stamp};
    (node < whole.core_ ? climb : core).emplace(ticks, node);
    const Ticks there = at(other_labels, stamp, node);
    if (there != kNever && plus(ticks, there) < best.ticks) best = {plus(ticks, there), node};
  }

  // Settles the nearest node of a queue; false when it had been settled before.
  bool settle(Queue& queue) {
    const auto [ticks, node] = queue.top();
    queue.pop();
    if (ticks > labels[static_cast<std::size_t>(node)].ticks) return false;
    if (node < whole.core_) {
      for (const Link& link : whole.links(other_begin, other_all, node)) {
        const Ticks there = at(labels, stamp, link.to);
        // Reached more quickly over a more important node: no shortest path goes up from here.
        if (there != kNever && plus(there, link.ticks) < ticks) return true;
      }
    }
    const auto first = begin[static_cast<std::size_t>(node)],
               last = begin[static_cast<std::size_t>(node) + 1];
    for (std::uint32_t i = first; i < last; ++i) reach(all[i].to, plus(ticks, all[i].ticks), node, i);
    return true;
  }
};

std::optional<Hierarchy::Path> Hierarchy::quickest(std::span<const End> sources,
                                                   std::span<const End> targets) const {
  if (++search_ == 0 || labels_[0].size() != rank_.size()) {
    for (auto& labels : labels_) labels.assign(rank_.size(), Label{});
    search_ = 1;
  }
  Meeting best;
  Side forward{*this, labels_[0], up_begin_, up_, labels_[1], down_begin_, down_, search_, best, {}, {}};
  Side back{*this, labels_[1], down_begin_, down_, labels_[0], up_begin_, up_, search_, best, {}, {}};
  for (const End& end : sources) forward.reach(rank_[static_cast<std::size_t>(end.node)], end.ticks, -1, 0);
  for (const End& end : targets) back.reach(rank_[static_cast<std::size_t>(end.node)], end.ticks, -1, 0);
  settled_ = 0;
  for (;;) {
    const Ticks here = Side::next(forward.climb), there = Side::next(back.climb);
    if (std::min(here, there) >= best.ticks) break;
    Side& side = here <= there ? forward : back;
    settled_ += side.settle(side.climb);
  }
  // In the core arcs go both ways, so the two searches meet in the middle: what neither has settled yet is at
  // least the sum of both away.
  for (;;) {
    const Ticks here = Side::next(forward.core), there = Side::next(back.core);
    if (here == kNever || there == kNever || plus(here, there) >= best.ticks) break;
    Side& side = here <= there ? forward : back;
    settled_ += side.settle(side.core);
  }
  if (best.node < 0) return std::nullopt;

  const auto which = [&](std::span<const End> ends, std::int32_t node, const std::vector<Label>& labels) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (rank_[static_cast<std::size_t>(ends[i].node)] == node &&
          ends[i].ticks == labels[static_cast<std::size_t>(node)].ticks)
        found = i;
    }
    return found;
  };
  Path path;
  path.ticks = best.ticks;
  std::vector<std::int32_t> climb;
  for (std::int32_t node = best.node; node >= 0; node = labels_[0][static_cast<std::size_t>(node)].parent)
    climb.push_back(node);
  std::reverse(climb.begin(), climb.end());
  path.source = which(sources, climb.front(), labels_[0]);
  for (std::size_t i = 1; i < climb.size(); ++i) {
    const Link& link = up_[labels_[0][static_cast<std::size_t>(climb[i])].link];
    unpack(climb[i - 1], climb[i], link.via, path.edges);
  }
  for (std::int32_t node = best.node;;) {
    const Label& label = labels_[1][static_cast<std::size_t>(node)];
    if (label.parent < 0) {
      path.target = which(targets, node, labels_[1]);
      return path;
    }
    unpack(node, label.parent, down_[label.link].via, path.edges);
    node = label.parent;
  }
}

const Hierarchy::Link* Hierarchy::find_link(const std::vector<std::uint32_t>& begin,
                                            const std::vector<Link>& all, std::int32_t node,
                                            std::int32_t to) const {
  for (const Link& link : links(begin, all, node)) {
    if (link.to == to) return &link;
  }
  return nullptr;
}

void Hierarchy::unpack(std::int32_t from, std::int32_t to, std::int32_t via,
                       std::vector<std::int32_t>& edges) const {
  struct Piece {
    std::int32_t from, to, via;
  };
  std::vector<Piece> stack = {{from, to, via}};
  while (!stack.empty()) {
    const Piece piece = stack.back();
    stack.pop_back();
    if (piece.via < 0) {
      edges.push_back(-1 - piece.via);
      continue;
    }
    const Link* first = find_link(down_begin_, down_, piece.via, piece.from);
    const Link* second = find_link(up_begin_, up_, piece.via, piece.to);
    TSUKAI_CHECK(first != nullptr && second != nullptr, "a shortcut without its halves");
    stack.push_back({piece.via, piece.to, second->via});
    stack.push_back({piece.from, piece.via, first->via});
  }
}

namespace {

template <typename T>
void append(std::string& out, const std::vector<T>& values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

template <typename T>
void take(std::string_view& bytes, std::vector<T>& values, std::size_t count) {
  values.resize(count);
  std::memcpy(values.data(), bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
}

bool grows(const std::vector<std::uint32_t>& begin, std::size_t last) {
  return !begin.empty() && begin.front() == 0 && begin.back() == last &&
         std::is_sorted(begin.begin(), begin.end());
}

}  // namespace

std::string Hierarchy::bytes() const {
  std::string out;
  append(out, std::vector<std::uint64_t>{rank_.size(), static_cast<std::uint64_t>(core_), up_.size(),
                                         down_.size()});
  append(out, rank_);
  append(out, up_begin_);
  append(out, up_);
  append(out, down_begin_);
  append(out, down_);
  return out;
}

// Whether every number in it leads somewhere, and every shortcut to two arcs that leap less far.
bool Hierarchy::sound(std::size_t edges) const {
  const auto count = static_cast<std::int32_t>(rank_.size());
  std::vector<bool> seen(rank_.size());
  for (const std::int32_t rank : rank_) {
    if (rank < 0 || rank >= count || seen[static_cast<std::size_t>(rank)]) return false;
    seen[static_cast<std::size_t>(rank)] = true;
  }
  if (!grows(up_begin_, up_.size()) || !grows(down_begin_, down_.size())) return false;
  for (const auto* all : {&up_, &down_}) {
    for (const Link& link : *all) {
      if (link.to < 0 || link.to >= count || link.via >= count) return false;
      if (link.via < 0 && static_cast<std::size_t>(-1 - static_cast<std::int64_t>(link.via)) >= edges)
        return false;
    }
  }
  for (std::int32_t node = 0; node < count; ++node) {
    for (const bool up : {true, false}) {
      for (const Link& link : up ? links(up_begin_, up_, node) : links(down_begin_, down_, node)) {
        // Upwards, or across the core.
        if (node < core_ ? link.to <= node : link.to < core_) return false;
        if (link.via < 0) continue;
        // Less important than both ends: so unpacking comes to an end.
        if (link.via >= node || link.via >= link.to) return false;
        const std::int32_t from = up ? node : link.to, to = up ? link.to : node;
        if (find_link(down_begin_, down_, link.via, from) == nullptr) return false;
        if (find_link(up_begin_, up_, link.via, to) == nullptr) return false;
      }
    }
  }
  return true;
}

Result<Hierarchy> Hierarchy::parse(std::string_view bytes, std::size_t nodes, std::size_t edges) {
  const auto corrupt = [&](std::string_view why) {
    return fail(Code::kCorrupt, fmt::format("road hierarchy of {} bytes: {}", bytes.size(), why),
                "make the map file again");
  };
  std::vector<std::uint64_t> counts;
  std::string_view rest = bytes;
  constexpr std::size_t kCounts = 4;
  if (rest.size() < kCounts * sizeof(std::uint64_t)) return corrupt("it is cut off");
  take(rest, counts, kCounts);
  constexpr std::uint64_t kLinksMax = 1u << 30;
  if (counts[0] != nodes || counts[1] > nodes || counts[2] > kLinksMax || counts[3] > kLinksMax)
    return corrupt("it is of another map");
  const std::size_t expected = nodes * sizeof(std::int32_t) + 2 * (nodes + 1) * sizeof(std::uint32_t) +
                               (counts[2] + counts[3]) * sizeof(Link);
  if (rest.size() != expected)
    return corrupt(fmt::format("{} were expected", expected + kCounts * sizeof(std::uint64_t)));
  Hierarchy hierarchy;
  hierarchy.core_ = static_cast<std::int32_t>(counts[1]);
  take(rest, hierarchy.rank_, nodes);
  take(rest, hierarchy.up_begin_, nodes + 1);
  take(rest, hierarchy.up_, counts[2]);
  take(rest, hierarchy.down_begin_, nodes + 1);
  take(rest, hierarchy.down_, counts[3]);
  if (!hierarchy.sound(edges)) return corrupt("its arcs contradict each other");
  return hierarchy;
}

}  // namespace tsukai::maps
