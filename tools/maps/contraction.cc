// Makes a Hierarchy: orders the nodes by importance and adds the shortcuts.
#include <algorithm>
#include <queue>

#include "tools/maps/hierarchy.h"

namespace tsukai::maps {

// The graph of the nodes that are left.
class Contraction {
 public:
  Contraction(std::size_t nodes, std::span<const Hierarchy::Arc> arcs)
      : out_(nodes), in_(nodes), level_(nodes, 0), ticks_(nodes, kNever) {
    for (const Hierarchy::Arc& arc : arcs) {
      if (arc.from != arc.to) join(arc.from, arc.to, arc.ticks, -1 - arc.edge, 1);
    }
  }

  Hierarchy run(const Hierarchy::OnProgress& on_progress) {
    const std::size_t count = out_.size();
    using Waiting = std::pair<std::int64_t, std::int32_t>;  // Least important first.
    std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting;
    for (std::size_t i = 0; i < count; ++i)
      waiting.emplace(importance(static_cast<std::int32_t>(i)), static_cast<std::int32_t>(i));
    std::vector<std::int32_t> order;
    order.reserve(count);
    // The last few nodes are joined each to each, and taking them out costs most and saves least: they stay,
    // and searches cross them in any direction.
    const std::size_t core = std::min<std::size_t>(count / 500, kCoreMax);
    while (waiting.size() > core) {
      const std::int32_t node = waiting.top().second;
      waiting.pop();
      // Its importance may have grown since it was put there.
      const std::int64_t now = importance(node);
      if (!waiting.empty() && now > waiting.top().first) {
        waiting.emplace(now, node);
        continue;
      }
      take_out(node);
      order.push_back(node);
      if (on_progress && order.size() % kProgressStep == 0) on_progress(order.size(), count);
    }
    for (; !waiting.empty(); waiting.pop()) order.push_back(waiting.top().second);
    return finished(order);
  }

 private:
  static constexpr std::size_t kCoreMax = 1500;
  static constexpr std::size_t kProgressStep = 4096;
  static constexpr int kSettledTrying = 30;    // By a witness search: fewer find fewer detours, which costs
  static constexpr int kSettledForGood = 150;  // shortcuts but no correctness.

  struct Link {
    std::int32_t to;
    Ticks ticks;
    std::int32_t via;
    std::int32_t hops;  // Roads below it.
  };
  using Links = std::vector<Link>;

  static void put(Links& links, const Link& link) {
    for (Link& known : links) {
      if (known.to != link.to) continue;
      if (link.ticks < known.ticks) known = link;
      return;
    }
    links.push_back(link);
  }
  void join(std::int32_t from, std::int32_t to, Ticks ticks, std::int32_t via, std::int32_t hops) {
    put(out_[static_cast<std::size_t>(from)], {to, ticks, via, hops});
    put(in_[static_cast<std::size_t>(to)], {from, ticks, via, hops});
  }

  // Calls shortcut(in, out) for each pair of neighbours whose quickest way leads over `node`, as far as a
  // search of `settled_max` nodes can tell.
  template <typename F>
  void for_each_shortcut(std::int32_t node, int settled_max, F shortcut) {
    const Links& in = in_[static_cast<std::size_t>(node)];
    const Links& out = out_[static_cast<std::size_t>(node)];
    Ticks farthest = 0;
    for (const Link& link : out) farthest = std::max(farthest, link.ticks);
    for (const Link& from : in) {
      const bool turns_back = out.size() == 1 && out[0].to == from.to;
      if (out.empty() || turns_back) continue;
      search(from.to, node, plus(from.ticks, farthest), settled_max);
      for (const Link& to : out) {
        if (to.to != from.to && ticks_[static_cast<std::size_t>(to.to)] > plus(from.ticks, to.ticks))
          shortcut(from, to);
      }
      for (const std::int32_t touched : touched_) ticks_[static_cast<std::size_t>(touched)] = kNever;
      touched_.clear();
    }
  }

  // Travel times from `source` that avoid `without`, in ticks_, up to `limit`.
  void search(std::int32_t source, std::int32_t without, Ticks limit, int settled_max) {
    const auto farther = std::greater<std::pair<Ticks, std::int32_t>>();
    open_.clear();
    ticks_[static_cast<std::size_t>(source)] = 0;
    touched_.push_back(source);
    open_.emplace_back(0, source);
    while (!open_.empty() && settled_max > 0) {
      std::pop_heap(open_.begin(), open_.end(), farther);
      const auto [ticks, node] = open_.back();
      open_.pop_back();
      if (ticks > ticks_[static_cast<std::size_t>(node)]) continue;
      if (ticks > limit) return;
      --settled_max;
      for (const Link& link : out_[static_cast<std::size_t>(node)]) {
        if (link.to == without) continue;
        Ticks& known = ticks_[static_cast<std::size_t>(link.to)];
        const Ticks there = plus(ticks, link.ticks);
        if (there >= known) continue;
        if (known == kNever) touched_.push_back(link.to);
        known = there;
        open_.emplace_back(known, link.to);
        std::push_heap(open_.begin(), open_.end(), farther);
      }
    }
  }

  // Grows with the shortcuts that taking it out would add for each arc it would remove, with the roads below
  // them, and with how often neighbours were taken out already, which spreads the work evenly.
  std::int64_t importance(std::int32_t node) {
    constexpr std::int64_t kScale = 1000;
    std::int64_t added = 0, added_hops = 0, removed_hops = 1;
    for_each_shortcut(node, kSettledTrying, [&](const Link& from, const Link& to) {
      ++added;
      added_hops += from.hops + to.hops;
    });
    const Links& in = in_[static_cast<std::size_t>(node)];
    const Links& out = out_[static_cast<std::size_t>(node)];
    for (const auto* links : {&in, &out}) {
      for (const Link& link : *links) removed_hops += link.hops;
    }
    const auto removed = static_cast<std::int64_t>(in.size() + out.size()) + 1;
    return kScale * level_[static_cast<std::size_t>(node)] + kScale * added / removed +
           kScale * added_hops / removed_hops;
  }

  void take_out(std::int32_t node) {
    struct Shortcut {
      Link from, to;
    };
    std::vector<Shortcut> shortcuts;
    for_each_shortcut(node, kSettledForGood,
                      [&](const Link& from, const Link& to) { shortcuts.push_back({from, to}); });
    const auto forget = [&](Links& links) {
      std::erase_if(links, [&](const Link& link) { return link.to == node; });
    };
    const std::int32_t above = level_[static_cast<std::size_t>(node)] + 1;
    for (const auto* links : {&in_[static_cast<std::size_t>(node)], &out_[static_cast<std::size_t>(node)]}) {
      for (const Link& link : *links) {
        forget(out_[static_cast<std::size_t>(link.to)]);
        forget(in_[static_cast<std::size_t>(link.to)]);
        std::int32_t& level = level_[static_cast<std::size_t>(link.to)];
        level = std::max(level, above);
      }
    }
    for (const auto& [from, to] : shortcuts)
      join(from.to, to.to, plus(from.ticks, to.ticks), node, from.hops + to.hops);
  }

  // What each node still knows are the arcs to nodes taken out after it, or in the core with it.
  Hierarchy finished(const std::vector<std::int32_t>& order) {
    Hierarchy hierarchy;
    hierarchy.rank_.resize(order.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      hierarchy.rank_[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
    const auto copy = [&](const std::vector<Links>& all, std::vector<std::uint32_t>& begin,
                          std::vector<Hierarchy::Link>& links) {
      begin.push_back(0);
      for (const std::int32_t node : order) {
        for (const Link& link : all[static_cast<std::size_t>(node)]) {
          const std::int32_t via =
              link.via < 0 ? link.via : hierarchy.rank_[static_cast<std::size_t>(link.via)];
          links.push_back({hierarchy.rank_[static_cast<std::size_t>(link.to)], link.ticks, via});
        }
        begin.push_back(static_cast<std::uint32_t>(links.size()));
      }
    };
    copy(out_, hierarchy.up_begin_, hierarchy.up_);
    copy(in_, hierarchy.down_begin_, hierarchy.down_);
    return hierarchy;
  }

  std::vector<Links> out_, in_;
  std::vector<std::int32_t> level_;
  std::vector<Ticks> ticks_;  // Of the search in progress.
  std::vector<std::int32_t> touched_;
  std::vector<std::pair<Ticks, std::int32_t>> open_;
};

Hierarchy Hierarchy::build(std::size_t nodes, std::span<const Arc> arcs, const OnProgress& on_progress) {
  return Contraction(nodes, arcs).run(on_progress);
}

}  // namespace tsukai::maps
