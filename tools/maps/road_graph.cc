#include "tools/maps/road_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <queue>

namespace tsukai::maps {
namespace {

constexpr double kWalkMs = 1.25;     // 4.5 km/h.
constexpr double kCycleMs = 4.2;     // 15 km/h.
constexpr double kDriveShare = 0.7;  // Of the speed limit: lights and queues.
constexpr std::int64_t kCellsMax = 2'000'000;
constexpr double kBoundShare = 0.999;  // The plane against the sphere, and 32-bit coordinates.

std::string_view mode_word(Mode mode) {
  return mode == Mode::kWalk ? "on foot" : mode == Mode::kCycle ? "by bicycle" : "by car";
}

constexpr Mode kModes[] = {Mode::kWalk, Mode::kCycle, Mode::kDrive};

}  // namespace

double travel_seconds(double length_m, int speed_kmh, Mode mode) {
  if (mode == Mode::kWalk) return length_m / kWalkMs;
  if (mode == Mode::kCycle) return length_m / kCycleMs;
  return length_m / (std::max<double>(speed_kmh, 5) / 3.6 * kDriveShare);
}

RoadGraph::RoadGraph(std::vector<Point> nodes, std::vector<Edge> edges)
    : nodes_(std::move(nodes)), edges_(std::move(edges)) {
  for (const Point& node : nodes_) min_cos_ = std::min(min_cos_, std::cos(node.lat * std::numbers::pi / 180));
  min_cos_ = std::max(min_cos_, 0.01);
  planar_.reserve(nodes_.size());
  for (const Point& node : nodes_) planar_.push_back(planar(node));
  for (const Edge& edge : edges_) {
    for (const Mode mode : kModes) {
      const double seconds = edge_seconds(edge, mode);
      if ((passable(edge, true, mode) || passable(edge, false, mode)) && seconds > 0) {
        double& fastest = speed_max_[static_cast<int>(mode)];
        fastest = std::max(fastest, edge.length_m / seconds);
      }
    }
  }
  build_arcs();
  build_cells();
  reached_.resize(nodes_.size());
}

Result<RoadGraph> RoadGraph::load(Database& database) {
  std::vector<Point> nodes;
  TSUKAI_TRY(auto node, database.prepare("SELECT id, lng, lat FROM node ORDER BY id"));
  for (;;) {
    TSUKAI_TRY(const bool row, node.step());
    if (!row) break;
    if (node.integer(0) != static_cast<std::int64_t>(nodes.size())) {
      return fail(Code::kCorrupt,
                  fmt::format("map file {}: road node {} is missing", database.path(), nodes.size()),
                  "make the file again");
    }
    nodes.push_back({node.real(1), node.real(2)});
  }
  std::vector<Edge> edges;
  TSUKAI_TRY(auto edge,
             database.prepare("SELECT a, b, street, length_m, access, speed_kmh FROM edge ORDER BY id"));
  const auto count = static_cast<std::int64_t>(nodes.size());
  for (;;) {
    TSUKAI_TRY(const bool row, edge.step());
    if (!row) break;
    if (edge.integer(0) < 0 || edge.integer(0) >= count || edge.integer(1) < 0 || edge.integer(1) >= count) {
      return fail(Code::kCorrupt,
                  fmt::format("map file {}: road {} leads to a node that is not there", database.path(),
                              edges.size() + 1),
                  "make the file again");
    }
    edges.push_back({static_cast<std::int32_t>(edge.integer(0)), static_cast<std::int32_t>(edge.integer(1)),
                     static_cast<std::int32_t>(edge.integer(2)), static_cast<float>(edge.real(3)),
                     static_cast<std::uint8_t>(edge.integer(4)), static_cast<std::uint8_t>(edge.integer(5))});
  }
  RoadGraph graph(std::move(nodes), std::move(edges));
  TSUKAI_TRY(auto row, database.prepare("SELECT mode, data FROM hierarchy WHERE mode BETWEEN 0 AND 2"));
  for (;;) {
    TSUKAI_TRY(const bool more, row.step());
    if (!more) return graph;
    auto parsed = Hierarchy::parse(row.text(1), graph.nodes_.size(), graph.edges_.size());
    if (!parsed) return fail(std::move(parsed).error().in(fmt::format("map file {}", database.path())));
    graph.hierarchies_[static_cast<std::size_t>(row.integer(0))] = std::move(*parsed);
  }
}

RoadGraph::Planar RoadGraph::planar(Point point) const {
  return {
      static_cast<float>((point.lng - (nodes_.empty() ? 0 : nodes_[0].lng)) * kMetresPerDegree * min_cos_),
      static_cast<float>((point.lat - (nodes_.empty() ? 0 : nodes_[0].lat)) * kMetresPerDegree)};
}

void RoadGraph::build_arcs() {
  arc_begin_.assign(nodes_.size() + 1, 0);
  for (const Edge& edge : edges_) {
    ++arc_begin_[static_cast<std::size_t>(edge.from) + 1];
    ++arc_begin_[static_cast<std::size_t>(edge.to) + 1];
  }
  for (std::size_t i = 1; i < arc_begin_.size(); ++i) arc_begin_[i] += arc_begin_[i - 1];
  arcs_.resize(edges_.size() * 2);
  std::vector<std::int32_t> next(arc_begin_.begin(), arc_begin_.end() - 1);
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    const Edge& edge = edges_[i];
    for (const bool forward : {true, false}) {
      Arc arc{forward ? edge.to : edge.from, static_cast<std::int32_t>(i), edge.length_m, 0, edge.speed_kmh};
      for (const Mode mode : kModes) {
        const int bit = 1 << static_cast<int>(mode);
        if (passable(edge, forward, mode)) arc.modes = static_cast<std::uint8_t>(arc.modes | bit);
        if (passable(edge, !forward, mode))
          arc.modes = static_cast<std::uint8_t>(arc.modes | bit << kReverseShift);
      }
      arcs_[static_cast<std::size_t>(next[static_cast<std::size_t>(forward ? edge.from : edge.to)]++)] = arc;
    }
  }
}

void RoadGraph::build_cells() {
  Planar high{0, 0};
  for (const Planar& p : planar_) {
    low_ = {std::min(low_.x, p.x), std::min(low_.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const double width = high.x - low_.x, height = high.y - low_.y;
  cell_m_ = std::max(150.0, std::sqrt(width * height / static_cast<double>(kCellsMax)));
  columns_ = static_cast<int>(std::min<double>(width / cell_m_, kCellsMax)) + 1;
  rows_ = static_cast<int>(std::min<double>(height / cell_m_, kCellsMax)) + 1;
  // Twice over the edges: count, then fill.
  std::vector<std::int32_t> next;
  for (const bool fill : {false, true}) {
    if (fill) {
      for (std::size_t i = 1; i < cell_begin_.size(); ++i) cell_begin_[i] += cell_begin_[i - 1];
      cell_edges_.resize(static_cast<std::size_t>(cell_begin_.back()));
      next.assign(cell_begin_.begin(), cell_begin_.end() - 1);
    } else {
      cell_begin_.assign(static_cast<std::size_t>(columns_) * static_cast<std::size_t>(rows_) + 1, 0);
    }
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      const Planar a = planar_[static_cast<std::size_t>(edges_[i].from)],
                   b = planar_[static_cast<std::size_t>(edges_[i].to)];
      const int samples = 1 + static_cast<int>(std::hypot(b.x - a.x, b.y - a.y) / (cell_m_ / 2));
      std::size_t last = cell_begin_.size();
      for (int k = 0; k <= samples; ++k) {
        const double share = static_cast<double>(k) / samples;
        const int column =
            std::clamp(static_cast<int>((a.x + (b.x - a.x) * share - low_.x) / cell_m_), 0, columns_ - 1);
        const int row =
            std::clamp(static_cast<int>((a.y + (b.y - a.y) * share - low_.y) / cell_m_), 0, rows_ - 1);
        const std::size_t cell = static_cast<std::size_t>(row) * static_cast<std::size_t>(columns_) +
                                 static_cast<std::size_t>(column);
        if (cell == last) continue;
        last = cell;
        if (fill)
          cell_edges_[static_cast<std::size_t>(next[cell]++)] = static_cast<std::int32_t>(i);
        else
          ++cell_begin_[cell + 1];
      }
    }
  }
}

bool RoadGraph::passable(const Edge& edge, bool forward, Mode mode) const {
  switch (mode) {
    case Mode::kWalk:
      return (edge.access & kWalk) != 0;
    case Mode::kCycle:
      return (edge.access & (forward ? kCycleForward : kCycleBack)) != 0;
    case Mode::kDrive:
      return (edge.access & (forward ? kDriveForward : kDriveBack)) != 0;
  }
  return false;
}

double RoadGraph::edge_seconds(const Edge& edge, Mode mode) const {
  return travel_seconds(edge.length_m, edge.speed_kmh, mode);
}

Point RoadGraph::at(std::int32_t edge, double fraction) const {
  const Edge& e = edges_[static_cast<std::size_t>(edge)];
  const Point a = nodes_[static_cast<std::size_t>(e.from)], b = nodes_[static_cast<std::size_t>(e.to)];
  return {a.lng + (b.lng - a.lng) * fraction, a.lat + (b.lat - a.lat) * fraction};
}

Result<RoadGraph::Snap> RoadGraph::snap(Point point, Mode mode) const {
  const Planar here = planar(point);
  const double cos_here = std::max(0.01, std::cos(point.lat * std::numbers::pi / 180));
  const int column = static_cast<int>(std::clamp((here.x - low_.x) / cell_m_, -1e6, 1e6));
  const int row = static_cast<int>(std::clamp((here.y - low_.y) / cell_m_, -1e6, 1e6));
  Snap best;
  best.metres = kSnapMaxM;
  const auto look = [&](int c, int r) {
    if (c < 0 || c >= columns_ || r < 0 || r >= rows_) return;
    const std::size_t cell =
        static_cast<std::size_t>(r) * static_cast<std::size_t>(columns_) + static_cast<std::size_t>(c);
    for (std::int32_t i = cell_begin_[cell]; i < cell_begin_[cell + 1]; ++i) {
      const std::int32_t index = cell_edges_[static_cast<std::size_t>(i)];
      const Edge& edge = edges_[static_cast<std::size_t>(index)];
      if (!passable(edge, true, mode) && !passable(edge, false, mode)) continue;
      // On a plane that touches the globe at `point`.
      const auto local = [&](const Point& p) {
        return std::pair((p.lng - point.lng) * kMetresPerDegree * cos_here,
                         (p.lat - point.lat) * kMetresPerDegree);
      };
      const auto [ax, ay] = local(nodes_[static_cast<std::size_t>(edge.from)]);
      const auto [bx, by] = local(nodes_[static_cast<std::size_t>(edge.to)]);
      const double dx = bx - ax, dy = by - ay, squared = dx * dx + dy * dy;
      const double fraction = squared <= 0 ? 0 : std::clamp(-(ax * dx + ay * dy) / squared, 0.0, 1.0);
      const double metres = std::hypot(ax + dx * fraction, ay + dy * fraction);
      if (metres < best.metres || (metres == best.metres && index < best.edge))
        best = {index, fraction, metres};
    }
  };
  const int rings = static_cast<int>(kSnapMaxM / cell_m_) + 2;
  for (int ring = 0; ring <= rings; ++ring) {
    // Whatever lies in this ring is at least ring-2 cells away (a cell for where we are in ours, one for the
    // sampling).
    if (best.edge >= 0 && (ring - 2) * cell_m_ * min_cos_ / cos_here > best.metres) break;
    for (int r = row - ring; r <= row + ring; ++r) {
      const bool whole = r == row - ring || r == row + ring;
      for (int c = column - ring; c <= column + ring; c += whole || ring == 0 ? 1 : 2 * ring) look(c, r);
    }
  }
  if (best.edge >= 0) return best;
  return fail(Code::kNotFound,
              fmt::format("no road {} within {} m of {}", mode_word(mode), kSnapMaxM, to_text(point)),
              "take coordinates from maps_geo or a search on this map");
}

// A point at the very end of an edge is a node: it may be left and entered by any road, whatever this one
// allows.
std::vector<RoadGraph::Stub> RoadGraph::ways_out(const Snap& start, Mode mode) const {
  const Edge& edge = edges_[static_cast<std::size_t>(start.edge)];
  const double whole = edge_seconds(edge, mode);
  std::vector<Stub> ways;
  if (passable(edge, true, mode) || start.fraction == 1)
    ways.push_back({edge.to, (1 - start.fraction) * whole, true});
  if (passable(edge, false, mode) || start.fraction == 0)
    ways.push_back({edge.from, start.fraction * whole, false});
  return ways;
}

std::vector<RoadGraph::Stub> RoadGraph::ways_in(const Snap& goal, Mode mode) const {
  const Edge& edge = edges_[static_cast<std::size_t>(goal.edge)];
  const double whole = edge_seconds(edge, mode);
  std::vector<Stub> ways;
  if (passable(edge, true, mode) || goal.fraction == 0)
    ways.push_back({edge.from, goal.fraction * whole, true});
  if (passable(edge, false, mode) || goal.fraction == 1)
    ways.push_back({edge.to, (1 - goal.fraction) * whole, false});
  return ways;
}

void RoadGraph::climb(const std::vector<Stub>& out, const std::vector<Stub>& in, Mode mode,
                      Found& best) const {
  std::vector<Hierarchy::End> sources, targets;
  for (const Stub& stub : out) sources.push_back({stub.node, to_ticks(stub.seconds)});
  for (const Stub& stub : in) targets.push_back({stub.node, to_ticks(stub.seconds)});
  auto path = hierarchy(mode).quickest(sources, targets);
  settled_ = hierarchy(mode).settled_last();
  if (!path) return;
  double seconds = out[path->source].seconds + in[path->target].seconds;
  for (const std::int32_t edge : path->edges)
    seconds += edge_seconds(edges_[static_cast<std::size_t>(edge)], mode);
  if (seconds >= best.seconds) return;
  best = {seconds, static_cast<int>(path->source), static_cast<int>(path->target), std::move(path->edges)};
}

// A*: the nodes that a straight line at top speed promises most of come first.
void RoadGraph::search(const std::vector<Stub>& out, const std::vector<Stub>& in, Point goal, Mode mode,
                       Found& best) const {
  if (++search_ == 0) {  // After four billion searches the stamps begin anew.
    for (Reached& reached : reached_) reached.stamp = 0;
    search_ = 1;
  }
  settled_ = 0;
  const Planar target = planar(goal);
  const double seconds_per_m = kBoundShare / speed_max_[static_cast<int>(mode)];
  const auto bound_of = [&](std::int32_t node) {
    const Planar here = planar_[static_cast<std::size_t>(node)];
    return std::hypot(here.x - target.x, here.y - target.y) * seconds_per_m * (1 - 1e-6);  // Kept as a float.
  };
  using Open = std::pair<double, std::int32_t>;  // Lower bound of the whole route, node.
  std::priority_queue<Open, std::vector<Open>, std::greater<>> open;
  const auto reach = [&](std::int32_t node, double seconds, std::int32_t by) {
    Reached& reached = reached_[static_cast<std::size_t>(node)];
    if (reached.stamp != search_) {
      reached.stamp = search_;
      reached.bound_s = static_cast<float>(bound_of(node));
    } else if (reached.seconds <= seconds) {
      return;
    }
    reached.seconds = seconds;
    reached.came_by = by;
    const double bound = seconds + reached.bound_s;
    if (bound < best.seconds) open.emplace(bound, node);
  };
  for (std::size_t i = 0; i < out.size(); ++i)
    reach(out[i].node, out[i].seconds, -1 - static_cast<std::int32_t>(i));
  std::int32_t last = -1;
  while (!open.empty() && open.top().first < best.seconds) {
    const auto [bound, node] = open.top();
    open.pop();
    const auto n = static_cast<std::size_t>(node);
    const double seconds = reached_[n].seconds;
    if (seconds + reached_[n].bound_s < bound) continue;  // A shorter way was found meanwhile.
    ++settled_;
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (node != in[i].node || seconds + in[i].seconds >= best.seconds) continue;
      best.seconds = seconds + in[i].seconds;
      best.in = static_cast<int>(i);
      last = node;
    }
    for (std::int32_t i = arc_begin_[n]; i < arc_begin_[n + 1]; ++i) {
      const Arc& arc = arcs_[static_cast<std::size_t>(i)];
      if ((arc.modes & 1 << static_cast<int>(mode)) == 0) continue;
      reach(arc.to, seconds + travel_seconds(arc.length_m, arc.speed_kmh, mode), arc.edge);
    }
  }
  if (last < 0) return;
  best.edges.clear();
  for (std::int32_t by; (by = reached_[static_cast<std::size_t>(last)].came_by) >= 0;) {
    best.edges.push_back(by);
    const Edge& edge = edges_[static_cast<std::size_t>(by)];
    last = edge.to == last ? edge.from : edge.to;
  }
  std::reverse(best.edges.begin(), best.edges.end());
  best.out = -1 - reached_[static_cast<std::size_t>(last)].came_by;
}

Result<Route> RoadGraph::route(Point from, Point to, Mode mode) const {
  TSUKAI_TRY(const Snap start, snap(from, mode));
  TSUKAI_TRY(const Snap goal, snap(to, mode));
  const Edge& start_edge = edges_[static_cast<std::size_t>(start.edge)];
  Found best{std::numeric_limits<double>::infinity()};
  if (start.edge == goal.edge &&
      (start.fraction == goal.fraction || passable(start_edge, goal.fraction > start.fraction, mode))) {
    best.seconds = std::abs(goal.fraction - start.fraction) * edge_seconds(start_edge, mode);
  }
  const auto out = ways_out(start, mode), in = ways_in(goal, mode);
  if (hierarchy(mode).empty())
    search(out, in, at(goal.edge, goal.fraction), mode, best);
  else
    climb(out, in, mode, best);
  if (!std::isfinite(best.seconds)) {
    return fail(Code::kNotFound,
                fmt::format("no way {} from {} to {}", mode_word(mode), to_text(from), to_text(to)),
                "choose another place or another way to travel");
  }

  Route route;
  route.seconds = best.seconds;
  if (best.out < 0) {
    route.hops.push_back({start.edge, goal.fraction >= start.fraction, start.fraction, goal.fraction});
  } else {
    const Stub& first = out[static_cast<std::size_t>(best.out)];
    const Stub& last = in[static_cast<std::size_t>(best.in)];
    route.hops.push_back({start.edge, first.forward, start.fraction, first.forward ? 1.0 : 0.0});
    std::int32_t node = first.node;
    for (const std::int32_t by : best.edges) {
      const Edge& edge = edges_[static_cast<std::size_t>(by)];
      const bool forward = edge.from == node;
      route.hops.push_back({by, forward, forward ? 0.0 : 1.0, forward ? 1.0 : 0.0});
      node = forward ? edge.to : edge.from;
    }
    route.hops.push_back({goal.edge, last.forward, last.forward ? 0.0 : 1.0, goal.fraction});
  }
  std::erase_if(route.hops, [&](const Hop& hop) { return hop.from == hop.to && route.hops.size() > 1; });
  for (const Hop& hop : route.hops)
    route.length_m += std::abs(hop.to - hop.from) * edges_[static_cast<std::size_t>(hop.edge)].length_m;
  return route;
}

void RoadGraph::prepare(Mode mode, const Hierarchy::OnProgress& on_progress) {
  std::vector<Hierarchy::Arc> arcs;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    const Edge& edge = edges_[i];
    const Ticks ticks = to_ticks(edge_seconds(edge, mode));
    const auto index = static_cast<std::int32_t>(i);
    if (passable(edge, true, mode)) arcs.push_back({edge.from, edge.to, ticks, index});
    if (passable(edge, false, mode)) arcs.push_back({edge.to, edge.from, ticks, index});
  }
  hierarchies_[static_cast<std::size_t>(mode)] = Hierarchy::build(nodes_.size(), arcs, on_progress);
}

}  // namespace tsukai::maps
