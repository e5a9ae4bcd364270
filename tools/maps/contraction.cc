// Makes a Hierarchy: orders the nodes by importance and adds the shortcuts. In rounds: of the nodes that are
// left, those less important than all their neighbours are taken out together. No two of them are neighbours,
// so what each needs is found in parallel, and in the order of the map, where what searches read is in the
// cache. The result does not depend on the number of threads.
#include <algorithm>
#include <limits>
#include <thread>

#include "tools/maps/hierarchy.h"

namespace tsukai::maps {

// The graph of the nodes that are left. A node keeps one entry for each neighbour, for the arcs both ways,
// the nearest first; the entries of all nodes share one array, and what searches read of them lies apart from
// the rest.
class Contraction {
 public:
  Contraction(std::size_t nodes, std::span<const Hierarchy::Arc> arcs)
      : lists_(nodes), level_(nodes, 0), importance_(nodes, 0), workers_(workers_wanted(nodes)) {
    for (const Hierarchy::Arc& arc : arcs) {
      ++list(arc.from).capacity;
      ++list(arc.to).capacity;
    }
    std::uint32_t begin = 0;
    for (List& of : lists_) {
      of.begin = begin;
      begin += of.capacity;
    }
    near_.resize(begin);
    origin_.resize(begin);
    for (const Hierarchy::Arc& arc : arcs) {
      if (arc.from != arc.to) join(arc.from, arc.to, arc.ticks, -1 - arc.edge, 1);
    }
    for (const List& of : lists_) {
      for (std::size_t i = of.begin; i < of.begin + of.size; ++i)
        symmetric_ = symmetric_ && near_[i].out == near_[i].in;
    }
    left_.resize(nodes);
    for (std::size_t i = 0; i < nodes; ++i) left_[i] = static_cast<std::int32_t>(i);
    for (Worker& worker : workers_) worker.seen.resize(nodes);
  }

  Hierarchy run(const Hierarchy::OnProgress& on_progress) {
    const std::size_t count = left_.size();
    std::size_t packed = count;
    std::vector<Trial> trials(count);
    in_parallel(count, [&](Worker& worker, std::size_t i) {
      importance_[i] = attempt(worker, static_cast<std::int32_t>(i)).importance;
    });
    while (!left_.empty() && entries_ < kCoreNeighbours * left_.size()) {
      for (Worker& worker : workers_) {
        worker.candidates.clear();
        worker.shortcuts.clear();
      }
      in_parallel(left_.size(), [&](Worker& worker, std::size_t i) {
        const std::int64_t importance = importance_of(left_[i]);
        if (importance < kNeverOut && least(left_[i], importance)) worker.candidates.push_back(left_[i]);
      });
      std::vector<std::int32_t> candidates;
      for (const Worker& worker : workers_)
        candidates.insert(candidates.end(), worker.candidates.begin(), worker.candidates.end());
      if (candidates.empty()) break;
      // Their importance may have grown since it was looked at.
      in_parallel(candidates.size(),
                  [&](Worker& worker, std::size_t i) { trials[i] = attempt(worker, candidates[i]); });
      for (std::size_t i = 0; i < candidates.size(); ++i) {
        importance_of(candidates[i]) = trials[i].importance;
        if (trials[i].importance < kNeverOut && least(candidates[i], trials[i].importance))
          take_out(candidates[i], trials[i]);
      }
      std::erase_if(left_, [&](std::int32_t node) { return level_[static_cast<std::size_t>(node)] < 0; });
      if (left_.size() < packed / 2) pack(), packed = left_.size();
      if (on_progress) on_progress(count - left_.size(), count);
    }
    hierarchy_.core_ = static_cast<std::int32_t>(order_.size());
    for (const std::int32_t node : left_) finish(node);
    return numbered();
  }

 private:
  // The nodes that are left are the core once they have so many neighbours on average: from there on building
  // costs most and searches gain least.
  static constexpr std::size_t kCoreNeighbours = 16;
  // By a witness search: fewer find fewer detours, which costs shortcuts but no correctness.
  static constexpr int kSettledMax = 40;
  // A node with more neighbours is of the core from the start, since taking it out could join each to each;
  // and of its neighbours searches see the nearest.
  static constexpr std::size_t kNeighboursMax = 256;
  static constexpr std::int64_t kNeverOut = std::numeric_limits<std::int64_t>::max();
  static constexpr std::size_t kWorkersMax = 8;
  static constexpr std::size_t kNodesPerWorker = 5000;  // Fewer are not worth a thread.

  struct Near {
    std::int32_t node;
    Ticks out = kNever, in = kNever;  // To it and from it.
  };
  struct Origin {
    std::int32_t via_out = 0, via_in = 0;
    std::int32_t hops_out = 0, hops_in = 0;  // Roads below it.
  };
  struct List {
    std::uint32_t begin = 0, size = 0, capacity = 0;
  };
  struct Shortcut {
    std::int32_t from, to;
    Ticks ticks;
    std::int32_t hops;
  };
  // What the search in progress knows of a node.
  struct Seen {
    Ticks ticks = kNever;
    Ticks bound = 0;  // Of a wanted node: to be reached sooner than this.
  };
  // What a thread has to itself.
  struct Worker {
    std::vector<Seen> seen;  // By node.
    std::vector<std::int32_t> touched, wanted, candidates;
    std::vector<std::uint64_t> open;  // Ticks and node.
    std::vector<Shortcut> shortcuts;

    Seen& at(std::int32_t node) { return seen[static_cast<std::size_t>(node)]; }
  };
  // What taking a node out would mean: its importance, and shortcuts of a worker.
  struct Trial {
    std::int64_t importance;
    const Worker* worker;
    std::size_t begin, end;
  };

  static std::size_t workers_wanted(std::size_t nodes) {
    const std::size_t most = std::min<std::size_t>(std::thread::hardware_concurrency(), kWorkersMax);
    return std::clamp<std::size_t>(nodes / kNodesPerWorker, 1, std::max<std::size_t>(most, 1));
  }

  // Calls f(worker, i) for each i below `count`; each worker has a stretch of its own, in order.
  template <typename F>
  void in_parallel(std::size_t count, F f) {
    const std::size_t used = std::clamp<std::size_t>(count / kNodesPerWorker, 1, workers_.size());
    const auto stretch = [&](std::size_t number) {
      for (std::size_t i = count * number / used; i < count * (number + 1) / used; ++i)
        f(workers_[number], i);
    };
    std::vector<std::jthread> threads;
    for (std::size_t number = 1; number < used; ++number) threads.emplace_back(stretch, number);
    stretch(0);
  }

  List& list(std::int32_t node) { return lists_[static_cast<std::size_t>(node)]; }
  std::int64_t& importance_of(std::int32_t node) { return importance_[static_cast<std::size_t>(node)]; }
  std::span<const Near> near(std::int32_t node) {
    const List& of = list(node);
    return {near_.data() + of.begin, of.size};
  }

  // Whether it is less important than all its neighbours. Of equals a mixed number decides: were it their
  // own, equals in a row would wait for each other.
  bool least(std::int32_t node, std::int64_t importance) {
    const auto mixed = [](std::int32_t number) { return static_cast<std::uint32_t>(number) * 2654435769u; };
    return std::ranges::all_of(near(node), [&](const Near& other) {
      const std::int64_t theirs = importance_of(other.node);
      return importance < theirs || (importance == theirs && mixed(node) < mixed(other.node));
    });
  }

  // The entry of `from` for `to`, made where there was none.
  std::size_t entry(std::int32_t from, std::int32_t to) {
    List& of = list(from);
    for (std::size_t i = of.begin; i < of.begin + of.size; ++i) {
      if (near_[i].node == to) return i;
    }
    ++entries_;
    if (of.size == of.capacity) {
      const std::size_t begin = near_.size();
      of.capacity = std::max(4u, of.capacity * 2);
      near_.resize(begin + of.capacity);
      origin_.resize(begin + of.capacity);
      std::copy_n(near_.begin() + of.begin, of.size, near_.begin() + static_cast<std::ptrdiff_t>(begin));
      std::copy_n(origin_.begin() + of.begin, of.size, origin_.begin() + static_cast<std::ptrdiff_t>(begin));
      of.begin = static_cast<std::uint32_t>(begin);
    }
    const std::size_t made = of.begin + of.size++;
    near_[made] = {to};
    origin_[made] = {};
    return made;
  }

  void join(std::int32_t from, std::int32_t to, Ticks ticks, std::int32_t via, std::int32_t hops) {
    std::size_t there = entry(from, to);
    const std::size_t back = entry(to, from);
    if (near_[there].out <= ticks) return;
    near_[there].out = near_[back].in = ticks;
    origin_[there].via_out = origin_[back].via_in = via;
    origin_[there].hops_out = origin_[back].hops_in = hops;
    for (; there > list(from).begin && near_[there - 1].out > ticks; --there) {
      std::swap(near_[there - 1], near_[there]);
      std::swap(origin_[there - 1], origin_[there]);
    }
  }

  void forget(std::int32_t node, std::int32_t neighbour) {
    List& of = list(node);
    std::size_t i = of.begin;
    while (near_[i].node != neighbour) ++i;
    --of.size;
    --entries_;
    for (; i < of.begin + of.size; ++i) {
      near_[i] = near_[i + 1];
      origin_[i] = origin_[i + 1];
    }
  }

  // Moves the entries of the nodes that are left together, in their order.
  void pack() {
    std::vector<Near> near;
    std::vector<Origin> origin;
    near.reserve(entries_ + entries_ / 2);
    origin.reserve(entries_ + entries_ / 2);
    for (const std::int32_t node : left_) {
      List& of = list(node);
      const std::size_t begin = near.size();
      of.capacity = of.size + of.size / 2;
      near.insert(near.end(), near_.begin() + of.begin, near_.begin() + of.begin + of.size);
      origin.insert(origin.end(), origin_.begin() + of.begin, origin_.begin() + of.begin + of.size);
      near.resize(begin + of.capacity);
      origin.resize(begin + of.capacity);
      of.begin = static_cast<std::uint32_t>(begin);
    }
    near_ = std::move(near);
    origin_ = std::move(origin);
  }

  // Finds each pair of neighbours whose quickest way leads over `node`, as far as a search of kSettledMax
  // nodes can tell. Only a way that is quicker spares a shortcut, not one as quick: that may lead over
  // another node of the same round, whose shortcut was spared for this one.
  //
  // The importance grows with the shortcuts that taking it out would add for each arc it would remove, with
  // the roads below them, and with how often neighbours were taken out already, which spreads the work
  // evenly.
  Trial attempt(Worker& worker, std::int32_t node) {
    const std::size_t before = worker.shortcuts.size();
    const std::span<const Near> all = near(node);
    if (all.size() > kNeighboursMax) return {kNeverOut, &worker, before, before};
    const std::uint32_t begin = list(node).begin;
    std::int64_t removed = 1, removed_hops = 1, added_hops = 0;
    for (std::size_t f = 0; f < all.size(); ++f) {
      const Near& from = all[f];
      removed += (from.out != kNever) + (from.in != kNever);
      removed_hops += origin_[begin + f].hops_out + origin_[begin + f].hops_in;
      if (from.in == kNever) continue;
      // Where all ways go both ways, each pair is looked at once.
      const std::size_t first = symmetric_ ? f + 1 : 0;
      for (std::size_t t = first; t < all.size(); ++t) {
        if (all[t].out == kNever || t == f) continue;
        worker.at(all[t].node).bound = plus(from.in, all[t].out);
        worker.wanted.push_back(all[t].node);
      }
      if (worker.wanted.empty()) continue;
      search(worker, from.node, node);
      for (std::size_t t = first; t < all.size(); ++t) {
        if (all[t].out == kNever || t == f) continue;
        const Seen& to = worker.at(all[t].node);
        if (to.ticks < to.bound) continue;
        const std::int32_t hops = origin_[begin + f].hops_in + origin_[begin + t].hops_out;
        worker.shortcuts.push_back({from.node, all[t].node, to.bound, hops});
        added_hops += hops;
      }
      for (const std::int32_t wanted : worker.wanted) worker.at(wanted).bound = 0;
      for (const std::int32_t touched : worker.touched) worker.at(touched).ticks = kNever;
      worker.wanted.clear();
      worker.touched.clear();
    }
    constexpr std::int64_t kScale = 1000;
    const auto added = static_cast<std::int64_t>(worker.shortcuts.size() - before) * (symmetric_ ? 2 : 1);
    const std::int64_t importance = kScale * level_[static_cast<std::size_t>(node)] +
                                    kScale * added / removed +
                                    kScale * (symmetric_ ? 2 : 1) * added_hops / removed_hops;
    return {importance, &worker, before, worker.shortcuts.size()};
  }

  // The farthest bound of the wanted nodes that were not reached soon enough; 0 when all were.
  static Ticks bound_left(Worker& worker) {
    Ticks most = 0;
    for (const std::int32_t node : worker.wanted) {
      const Seen& known = worker.at(node);
      if (known.ticks >= known.bound) most = std::max(most, known.bound);
    }
    return most;
  }

  // Travel times from `source` that avoid `without`, in worker.seen, until each of the wanted nodes was
  // reached sooner than its bound or can't be.
  void search(Worker& worker, std::int32_t source, std::int32_t without) {
    auto& open = worker.open;
    open.clear();
    worker.at(source).ticks = 0;
    worker.touched.push_back(source);
    open.push_back(static_cast<std::uint32_t>(source));
    Ticks limit = bound_left(worker);
    for (int settled = 0; !open.empty() && settled < kSettledMax; ++settled) {
      std::pop_heap(open.begin(), open.end(), std::greater<>());
      const auto ticks = static_cast<Ticks>(open.back() >> 32);
      const auto node = static_cast<std::int32_t>(open.back() & 0xffff'ffff);
      open.pop_back();
      if (ticks > worker.at(node).ticks) continue;
      if (ticks >= limit) return;
      bool found = false;
      const std::span<const Near> all = near(node);
      for (const Near& to : all.first(std::min(all.size(), kNeighboursMax))) {
        if (to.out >= limit - ticks) break;  // So do the farther ones, which come after it.
        if (to.node == without) continue;
        const Ticks there = ticks + to.out;
        Seen& known = worker.at(to.node);
        if (there >= known.ticks) continue;
        if (known.ticks == kNever) worker.touched.push_back(to.node);
        found = found || (known.ticks >= known.bound && there < known.bound);
        known.ticks = there;
        open.push_back(std::uint64_t{there} << 32 | static_cast<std::uint32_t>(to.node));
        std::push_heap(open.begin(), open.end(), std::greater<>());
      }
      if (found && (limit = bound_left(worker)) == 0) return;
    }
  }

  void take_out(std::int32_t node, const Trial& trial) {
    const std::int32_t above = level_[static_cast<std::size_t>(node)] + 1;
    for (const Near& neighbour : near(node)) {
      forget(neighbour.node, node);
      std::int32_t& level = level_[static_cast<std::size_t>(neighbour.node)];
      level = std::max(level, above);
    }
    finish(node);
    entries_ -= list(node).size;
    level_[static_cast<std::size_t>(node)] = -1;
    for (std::size_t i = trial.begin; i < trial.end; ++i) {
      const Shortcut& added = trial.worker->shortcuts[i];
      join(added.from, added.to, added.ticks, node, added.hops);
      if (symmetric_) join(added.to, added.from, added.ticks, node, added.hops);
    }
  }

  // Gives it the next number: its arcs lead to nodes that come later, or are in the core with it.
  void finish(std::int32_t node) {
    order_.push_back(node);
    const std::uint32_t begin = list(node).begin;
    for (std::size_t i = begin; i < begin + list(node).size; ++i) {
      const Near& to = near_[i];
      if (to.out != kNever) hierarchy_.up_.push_back({to.node, to.out, origin_[i].via_out});
      if (to.in != kNever) hierarchy_.down_.push_back({to.node, to.in, origin_[i].via_in});
    }
    hierarchy_.up_begin_.push_back(static_cast<std::uint32_t>(hierarchy_.up_.size()));
    hierarchy_.down_begin_.push_back(static_cast<std::uint32_t>(hierarchy_.down_.size()));
  }

  // The hierarchy, whose links name nodes of the map so far.
  Hierarchy numbered() {
    std::vector<std::int32_t>& rank = hierarchy_.rank_;
    rank.resize(order_.size());
    for (std::size_t i = 0; i < order_.size(); ++i)
      rank[static_cast<std::size_t>(order_[i])] = static_cast<std::int32_t>(i);
    for (auto* links : {&hierarchy_.up_, &hierarchy_.down_}) {
      for (Hierarchy::Link& link : *links) {
        link.to = rank[static_cast<std::size_t>(link.to)];
        if (link.via >= 0) link.via = rank[static_cast<std::size_t>(link.via)];
      }
    }
    return std::move(hierarchy_);
  }

  std::vector<Near> near_;
  std::vector<Origin> origin_;       // Beside near_.
  std::vector<List> lists_;          // Of each node: where in near_.
  std::size_t entries_ = 0;          // Of the nodes that are left.
  bool symmetric_ = true;            // All arcs go both ways, as quickly.
  std::vector<std::int32_t> left_;   // In the order of the map.
  std::vector<std::int32_t> level_;  // How many were taken out below; -1 of a node that was taken out itself.
  std::vector<std::int64_t> importance_;
  std::vector<std::int32_t> order_;
  Hierarchy hierarchy_;
  std::vector<Worker> workers_;
};

Hierarchy Hierarchy::build(std::size_t nodes, std::span<const Arc> arcs, const OnProgress& on_progress) {
  return Contraction(nodes, arcs).run(on_progress);
}

}  // namespace tsukai::maps
