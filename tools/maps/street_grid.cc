#include "tools/maps/street_grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "tools/maps/vocabulary.h"

namespace tsukai::maps {
namespace {

constexpr Point kCorner{150.08, 30.20};
constexpr int kArterialEvery = 8;
constexpr double kRiverHalfWidthM = 85;

struct Box {
  double x0, y0, x1, y1;
  bool holds(Spot s) const { return s.x >= x0 && s.x <= x1 && s.y >= y0 && s.y <= y1; }
};
constexpr Box kOldTown{5200, 4700, 6700, 5900};
constexpr auto kParks = std::to_array<Box>({{2500, 6100, 3350, 6750},
                                            {6850, 5000, 7250, 5500},
                                            {1100, 2200, 1800, 3000},
                                            {7000, 1200, 7700, 1750},
                                            {4100, 700, 4600, 1100}});

double river_y(double x) { return 4150 + 420 * std::sin(x / 2200.0 + 0.4); }
double coast_x(double y) { return 9300 + 420 * std::sin(y / 1500.0) + 180 * std::sin(y / 410.0); }

// Names a grid line: a word, a kind by importance and direction, and a half of the city for long lines.
class StreetNames {
 public:
  StreetNames(City& city, Random& random) : city_(city) {
    for (std::size_t i = 0; i < street_words().size(); ++i) order_.push_back(i);
    for (std::size_t i = order_.size() - 1; i > 0; --i) std::swap(order_[i], order_[random.below(i + 1)]);
  }

  std::int32_t horizontal(int row, int column) {
    const bool east = column >= StreetGrid::kColumns / 2;
    const auto known = streets_.find({false, row, east});
    if (known != streets_.end()) return known->second;
    const Word& word = street_words()[order_[static_cast<std::size_t>(row) % order_.size()]];
    const bool wide = row % kArterialEvery == 0;
    Name name{east ? "East " : "West ", std::string(word.zh) + (east ? "东" : "西"),
              std::string(word.ja) + (east ? "東" : "西")};
    name.en += std::string(word.en) + (wide ? " Avenue" : " Street");
    name.zh += wide ? "大道" : "街";
    name.ja += wide ? "大通り" : "通り";
    return streets_[{false, row, east}] = add(std::move(name));
  }

  std::int32_t vertical(int column, int row) {
    const bool north = row >= StreetGrid::kRows / 2;
    const auto known = streets_.find({true, column, north});
    if (known != streets_.end()) return known->second;
    const Word& word = street_words()[order_[static_cast<std::size_t>(column + 37) % order_.size()]];
    const bool wide = column % kArterialEvery == 0;
    Name name{north ? "North " : "South ", std::string(word.zh) + (north ? "北" : "南"),
              std::string(word.ja) + (north ? "北" : "南")};
    name.en += std::string(word.en) + (wide ? " Boulevard" : " Road");
    name.zh += wide ? "干道" : "路";
    name.ja += wide ? "本通り" : "路";
    return streets_[{true, column, north}] = add(std::move(name));
  }

  std::int32_t add(Name name) {
    city_.streets.push_back({std::move(name)});
    return static_cast<std::int32_t>(city_.streets.size()) - 1;
  }

 private:
  City& city_;
  std::vector<std::size_t> order_;
  std::map<std::tuple<bool, int, bool>, std::int32_t> streets_;
};

// Nodes from which, and to which, `root` is reachable over edges whose access has `forward` (or `back`, the
// other way).
std::vector<bool> strongly_connected(const City& city, std::int32_t root, std::uint8_t forward,
                                     std::uint8_t back) {
  std::vector<bool> in_both(city.nodes.size(), true);
  for (const bool reverse : {false, true}) {
    std::vector<std::vector<std::int32_t>> next(city.nodes.size());
    for (const Edge& edge : city.edges) {
      if (edge.access & (reverse ? back : forward))
        next[static_cast<std::size_t>(edge.from)].push_back(edge.to);
      if (edge.access & (reverse ? forward : back))
        next[static_cast<std::size_t>(edge.to)].push_back(edge.from);
    }
    std::vector<bool> seen(city.nodes.size(), false);
    std::vector<std::int32_t> open{root};
    seen[static_cast<std::size_t>(root)] = true;
    while (!open.empty()) {
      const auto here = static_cast<std::size_t>(open.back());
      open.pop_back();
      for (const std::int32_t there : next[here]) {
        if (seen[static_cast<std::size_t>(there)]) continue;
        seen[static_cast<std::size_t>(there)] = true;
        open.push_back(there);
      }
    }
    for (std::size_t i = 0; i < seen.size(); ++i) in_both[i] = in_both[i] && seen[i];
  }
  return in_both;
}

void keep_connected(City& city, std::int32_t root, std::uint8_t forward, std::uint8_t back) {
  const std::vector<bool> kept = strongly_connected(city, root, forward, back);
  for (Edge& edge : city.edges) {
    if (kept[static_cast<std::size_t>(edge.from)] && kept[static_cast<std::size_t>(edge.to)]) continue;
    edge.access = static_cast<std::uint8_t>(edge.access & ~(forward | back));
  }
}

void drop_unreached_nodes(City& city, StreetGrid& grid) {
  std::vector<std::int32_t> renamed(city.nodes.size(), -1);
  for (const Edge& edge : city.edges)
    renamed[static_cast<std::size_t>(edge.from)] = renamed[static_cast<std::size_t>(edge.to)] = 0;
  std::int32_t next = 0;
  for (std::size_t i = 0; i < renamed.size(); ++i) {
    if (renamed[i] < 0) continue;
    city.nodes[static_cast<std::size_t>(next)] = city.nodes[i];
    grid.spots[static_cast<std::size_t>(next)] = grid.spots[i];
    renamed[i] = next++;
  }
  city.nodes.resize(static_cast<std::size_t>(next));
  grid.spots.resize(static_cast<std::size_t>(next));
  for (Edge& edge : city.edges) {
    edge.from = renamed[static_cast<std::size_t>(edge.from)];
    edge.to = renamed[static_cast<std::size_t>(edge.to)];
  }
  for (std::int32_t& node : grid.node_at) {
    if (node >= 0) node = renamed[static_cast<std::size_t>(node)];
  }
}

struct Layer {
  City& city;
  StreetGrid& grid;
  Random& random;
  StreetNames names;

  void connect(std::int32_t from, std::int32_t to, std::int32_t street, bool arterial, bool always) {
    const Spot middle{
        (grid.spots[static_cast<std::size_t>(from)].x + grid.spots[static_cast<std::size_t>(to)].x) / 2,
        (grid.spots[static_cast<std::size_t>(from)].y + grid.spots[static_cast<std::size_t>(to)].y) / 2};
    const double draw = random.unit(), way = random.unit();
    Edge edge{from, to, street};
    if (in_park(middle) && !arterial) {
      edge.street = -1;
      edge.access = kWalk | kCycle;
    } else if (in_old_town(middle) && !arterial) {
      if (!always && draw < 0.08) return;
      edge.access = way < 0.3 ? kWalk : kWalk | kCycle;
    } else if (arterial) {
      edge.access = kWalk | kCycle | kDrive;
      edge.speed_kmh = 50;
    } else {
      if (!always && draw < 0.14) return;
      edge.access = kWalk | kCycle | kDrive;
      edge.speed_kmh = 30;
      if (way < 0.12)
        edge.access = kWalk | kCycle | kDriveForward;
      else if (way < 0.24)
        edge.access = kWalk | kCycle | kDriveBack;
    }
    const double metres =
        distance_m(city.nodes[static_cast<std::size_t>(from)], city.nodes[static_cast<std::size_t>(to)]);
    edge.length_m = static_cast<float>(std::ceil(metres * 10) / 10);
    city.edges.push_back(edge);
  }
};

// Bridges: where a boulevard meets the river, its banks are joined.
void lay_bridges(Layer& layer) {
  for (int column = 0; column < StreetGrid::kColumns; column += kArterialEvery) {
    int south = -1;
    for (int row = 0; row < StreetGrid::kRows; ++row) {
      if (layer.grid.node(column, row) < 0) continue;
      if (south >= 0 && row > south + 1) {
        const Word& word = street_words()[static_cast<std::size_t>(column * 5 + 3) % street_words().size()];
        const std::int32_t street = layer.names.add(
            {std::string(word.en) + " Bridge", std::string(word.zh) + "桥", std::string(word.ja) + "橋"});
        layer.connect(layer.grid.node(column, south), layer.grid.node(column, row), street, true, true);
      }
      south = row;
    }
  }
}

}  // namespace

Point to_point(Spot spot) { return rounded(moved(kCorner, spot.x, spot.y)); }
Spot to_spot(Point point) {
  const double degrees_per_metre = moved(kCorner, 1, 0).lng - kCorner.lng;
  return {(point.lng - kCorner.lng) / degrees_per_metre, (point.lat - kCorner.lat) * kMetresPerDegree};
}

bool in_old_town(Spot spot) { return kOldTown.holds(spot); }
bool in_park(Spot spot) {
  return std::any_of(kParks.begin(), kParks.end(), [&](const Box& park) { return park.holds(spot); });
}
bool in_water(Spot spot) {
  return spot.x > coast_x(spot.y) || std::abs(spot.y - river_y(spot.x)) < kRiverHalfWidthM;
}

std::int32_t StreetGrid::nearest(Spot spot) const {
  std::int32_t best = 0;
  double best_squared = std::numeric_limits<double>::max();
  for (std::size_t i = 0; i < spots.size(); ++i) {
    const double dx = spots[i].x - spot.x, dy = spots[i].y - spot.y;
    if (dx * dx + dy * dy >= best_squared) continue;
    best_squared = dx * dx + dy * dy;
    best = static_cast<std::int32_t>(i);
  }
  return best;
}

StreetGrid lay_streets(City& city, Random& random) {
  StreetGrid grid;
  grid.node_at.assign(static_cast<std::size_t>(StreetGrid::kColumns) * StreetGrid::kRows, -1);
  for (int row = 0; row < StreetGrid::kRows; ++row) {
    for (int column = 0; column < StreetGrid::kColumns; ++column) {
      const double bend = 22;
      const Spot spot{column * StreetGrid::kSpacingM + (random.unit() - 0.5) * 2 * bend,
                      row * StreetGrid::kSpacingM + (random.unit() - 0.5) * 2 * bend};
      if (in_water(spot)) continue;
      grid.node_at[static_cast<std::size_t>(row) * StreetGrid::kColumns + column] =
          static_cast<std::int32_t>(grid.spots.size());
      grid.spots.push_back(spot);
      city.nodes.push_back(to_point(spot));
    }
  }
  Layer layer{city, grid, random, StreetNames(city, random)};
  // The street that leads up to the Old Gate keeps its name whatever the seed.
  const int gate_row = static_cast<int>(std::lround(kOldGate.y / StreetGrid::kSpacingM));
  const std::int32_t gate_street = layer.names.add({kGateStreet, "城门街", "門前通り"});
  for (int row = 0; row < StreetGrid::kRows; ++row) {
    for (int column = 0; column < StreetGrid::kColumns; ++column) {
      const std::int32_t here = grid.node(column, row);
      if (here < 0) continue;
      if (column + 1 < StreetGrid::kColumns && grid.node(column + 1, row) >= 0) {
        const bool gate = row == gate_row && in_old_town({column * StreetGrid::kSpacingM, kOldGate.y + 50});
        layer.connect(here, grid.node(column + 1, row),
                      gate ? gate_street : layer.names.horizontal(row, column), row % kArterialEvery == 0,
                      gate);
      }
      if (row + 1 < StreetGrid::kRows && grid.node(column, row + 1) >= 0) {
        layer.connect(here, grid.node(column, row + 1), layer.names.vertical(column, row),
                      column % kArterialEvery == 0, false);
      }
    }
  }
  lay_bridges(layer);
  // An arterial crossing in the middle of the city is the root of all three networks.
  const std::int32_t root = grid.node(56, 56);
  TSUKAI_CHECK(root >= 0, "the middle of the city is dry");
  keep_connected(city, root, kWalk, kWalk);
  keep_connected(city, root, kCycleForward, kCycleBack);
  keep_connected(city, root, kDriveForward, kDriveBack);
  std::erase_if(city.edges, [](const Edge& edge) { return (edge.access & kWalk) == 0; });
  drop_unreached_nodes(city, grid);
  return grid;
}

}  // namespace tsukai::maps
