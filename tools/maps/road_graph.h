// The road graph in memory, and shortest paths on it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/database.h"
#include "base/result.h"
#include "tools/maps/city.h"

namespace tsukai::maps {

enum class Mode { kWalk, kCycle, kDrive };

// A stretch of one edge, travelled in one direction.
struct Hop {
  std::int32_t edge = 0;
  bool forward = true;
  double from = 0,
         to = 1;  // Fractions of the edge's length, from its `from` end; from > to when not forward.
};

struct Route {
  double length_m = 0;
  double seconds = 0;
  std::vector<Hop> hops;
};

// Compressed adjacency: 1,000,000 edges take about 70 MB. Use it from one thread at a time (searches share
// scratch space).
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

  const std::vector<Point>& nodes() const { return nodes_; }
  const std::vector<Edge>& edges() const { return edges_; }
  // A point on an edge.
  Point at(std::int32_t edge, double fraction) const;
  // Seconds to travel a whole edge, the same in both directions.
  double edge_seconds(const Edge& edge, Mode mode) const;
  // Nodes settled by the last search: what its speed depends on.
  std::int64_t settled_last() const { return settled_; }

 private:
  struct Arc {
    std::int32_t to, edge;
  };
  struct Planar {
    float x, y;
  };
  // The nearest point of the network to a point.
  struct Snap {
    std::int32_t edge = -1;
    double fraction = 0, metres = 0;
  };

  Planar planar(Point point) const;
  void build_arcs();
  void build_cells();
  Result<Snap> snap(Point point, Mode mode) const;
  bool passable(const Edge& edge, bool forward, Mode mode) const;
  double lower_bound_s(Planar a, Planar b, Mode mode) const;

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
  // Search state by node, valid where the stamp is the current search's.
  mutable std::vector<double> seconds_;
  mutable std::vector<std::int32_t> came_by_;  // Edge.
  mutable std::vector<std::uint32_t> stamp_;
  mutable std::uint32_t search_ = 0;
  mutable std::int64_t settled_ = 0;
};

}  // namespace tsukai::maps
