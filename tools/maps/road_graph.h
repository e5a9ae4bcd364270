// The road graph in memory, and shortest paths on it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/database.h"
#include "base/result.h"
#include "tools/maps/city.h"
#include "tools/maps/hierarchy.h"

namespace tsukai::maps {

enum class Mode { kWalk, kCycle, kDrive };

// A stretch of one edge, travelled in one direction.
struct Hop {
  std::int32_t edge = 0;
  bool forward = true;
  double from = 0,
         to = 1;  // Fractions of the edge's length, from its `from` end; from > to when not forward.
};

// Seconds for a stretch of road at the mode's speed, or at the given limit for cars.
double travel_seconds(double length_m, int speed_kmh, Mode mode);

struct Route {
  double length_m = 0;
  double seconds = 0;
  std::vector<Hop> hops;
};

// Compressed adjacency: 1,000,000 edges take about 90 MB; a hierarchy takes some 75 bytes an edge more for
// each mode. Use it from one thread at a time (searches share scratch space).
class RoadGraph {
 public:
  // REQUIRES: edges refer to nodes.
  RoadGraph(std::vector<Point> nodes, std::vector<Edge> edges);
  // Reads node and edge of a map file; kCorrupt when an edge refers to nothing.
  static Result<RoadGraph> load(Database& database);

  // The quickest route between the nearest points of the network. kNotFound when a point lies more than
  // kSnapMaxM from any road open to the mode, or when no road joins them. Points themselves need not be
  // nodes.
  static constexpr double kSnapMaxM = 1000;
  Result<Route> route(Point from, Point to, Mode mode) const;

  // Computes the hierarchy of a mode, which lets searches on a large graph take milliseconds. Below
  // kHierarchyNodesMin nodes A* is quick enough.
  static constexpr std::size_t kHierarchyNodesMin = 30'000;
  void prepare(Mode mode, const Hierarchy::OnProgress& on_progress = {});
  const Hierarchy& hierarchy(Mode mode) const { return hierarchies_[static_cast<std::size_t>(mode)]; }

  const std::vector<Point>& nodes() const { return nodes_; }
  const std::vector<Edge>& edges() const { return edges_; }
  // A point on an edge.
  Point at(std::int32_t edge, double fraction) const;
  // Seconds to travel a whole edge, the same in both directions.
  double edge_seconds(const Edge& edge, Mode mode) const;
  // Nodes settled by the last search: what its speed depends on.
  std::int64_t settled_last() const { return settled_; }

 private:
  // An edge as its node sees it: what a search touches lies side by side.
  struct Arc {
    std::int32_t to, edge;
    float length_m;
    std::uint8_t modes;  // Bit by Mode: open in this direction; from bit kReverseShift on: in the other.
    std::uint8_t speed_kmh;
  };
  static constexpr int kReverseShift = 3;
  struct Planar {
    float x, y;
  };
  // The nearest point of the network to a point.
  struct Snap {
    std::int32_t edge = -1;
    double fraction = 0, metres = 0;
  };

  // How a route leaves or enters the network: over one end of an edge.
  struct Stub {
    std::int32_t node;
    double seconds;
    bool forward;  // Along the edge's own direction.
  };
  // The best there is: over the stubs and the nodes between, or along one edge alone (`out` < 0).
  struct Found {
    double seconds;
    int out = -1, in = -1;            // Index of the stubs.
    std::vector<std::int32_t> edges;  // Between them, in order.
  };

  Planar planar(Point point) const;
  std::vector<Stub> ways_out(const Snap& start, Mode mode) const;
  std::vector<Stub> ways_in(const Snap& goal, Mode mode) const;
  void search(const std::vector<Stub>& out, const std::vector<Stub>& in, Point goal, Mode mode,
              Found& best) const;
  void climb(const std::vector<Stub>& out, const std::vector<Stub>& in, Mode mode, Found& best) const;
  void build_arcs();
  void build_cells();
  Result<Snap> snap(Point point, Mode mode) const;
  bool passable(const Edge& edge, bool forward, Mode mode) const;

  std::vector<Point> nodes_;
  std::vector<Edge> edges_;
  std::vector<Planar> planar_;  // Metres; never longer than the truth, so that the A* bound holds.
  double min_cos_ = 1;
  std::vector<std::int32_t> arc_begin_;
  std::vector<Arc> arcs_;
  // Uniform grid over the planar box; every edge is listed in each cell it touches.
  double cell_m_ = 150;
  Planar low_{0, 0};
  int columns_ = 1, rows_ = 1;
  std::vector<std::int32_t> cell_begin_;
  std::vector<std::int32_t> cell_edges_;
  double speed_max_[3] = {1, 1, 1};
  std::array<Hierarchy, 3> hierarchies_;  // By Mode; empty until prepared.
  // What a search knows of a node; valid where the stamp is the current search's. Side by side: one cache
  // line a node.
  struct Reached {
    double seconds = 0;
    float bound_s = 0;         // From here to the goal, at least.
    std::int32_t came_by = 0;  // Edge; of a stub's node -1 - its index.
    std::uint32_t stamp = 0;
  };
  mutable std::vector<Reached> reached_;
  mutable std::uint32_t search_ = 0;
  mutable std::int64_t settled_ = 0;
};

}  // namespace tsukai::maps
