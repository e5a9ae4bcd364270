// The metro as a graph of stops, and the quickest way through it.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "base/database.h"
#include "base/result.h"
#include "tools/maps/city.h"

namespace tsukai::maps {

struct Stop {
  std::int64_t place = 0;  // place.id of the station.
  std::size_t line = 0;    // Index into MetroNetwork::lines.
  int position = 0;
  int ride_s = 0, ride_m = 0;  // From the stop before.
  Point at;
  Name name;
};

// A ride on one line, from stops[first] to stops[last]; `last` may come before `first`.
struct Ride {
  std::size_t first = 0, last = 0;
  int seconds = 0, metres = 0;
};

struct Journey {
  std::vector<Ride> rides;
  double seconds = 0;  // With estimated walks to and from the metro.
};

// Waits of half a headway at the first station and 3 minutes plus half a headway at each change are counted.
class MetroNetwork {
 public:
  static Result<MetroNetwork> load(Database& database);

  bool empty() const { return stops_.empty(); }
  const std::vector<Stop>& stops() const { return stops_; }
  const Name& line_name(std::size_t line) const { return lines_[line].name; }

  // The quickest journey by metro that uses none of the lines in `without`; walks are estimated at 1.3 times
  // the straight line. No rides when no station lies within kAccessMaxM of an end.
  static constexpr double kAccessMaxM = 3000;
  Journey journey(Point from, Point to, const std::set<std::size_t>& without) const;

 private:
  struct Line {
    Name name;
    int headway_s = 300;
  };
  std::vector<Line> lines_;
  std::vector<Stop> stops_;  // By line and position.
};

}  // namespace tsukai::maps
