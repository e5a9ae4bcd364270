// The generated city's ground plan: coast, river, old town, and the streets on them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "tools/maps/city.h"

namespace tsukai::maps {

// Metres east and north of the city's south-west corner.
struct Spot {
  double x = 0, y = 0;
};

struct StreetGrid {
  static constexpr int kColumns = 100, kRows = 82;
  static constexpr double kSpacingM = 105;

  std::vector<Spot> spots;            // Of nodes, as City::nodes.
  std::vector<std::int32_t> node_at;  // [kRows][kColumns], -1 under water.

  std::int32_t node(int column, int row) const {
    return node_at[static_cast<std::size_t>(row) * kColumns + column];
  }
  // The nearest node that a street reaches.
  std::int32_t nearest(Spot spot) const;
};

Point to_point(Spot spot);
Spot to_spot(Point point);

inline constexpr Spot kOldGate{5900, 4760};
inline constexpr const char* kGateStreet = "Gate Street";
bool in_old_town(Spot spot);
bool in_park(Spot spot);
bool in_water(Spot spot);

// Fills nodes, edges and streets of `city`. Every node can be reached from every other on foot; the edges
// open to bicycles, and those open to cars, each form one strongly connected network.
StreetGrid lay_streets(City& city, Random& random);

}  // namespace tsukai::maps
