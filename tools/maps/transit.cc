#include "tools/maps/transit.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <queue>

namespace tsukai::maps {
namespace {

constexpr double kTransferWalkMs = 1.25;
constexpr double kDetour = 1.3;
constexpr double kChangeS = 180;

}  // namespace

Result<MetroNetwork> MetroNetwork::load(Database& database) {
  MetroNetwork network;
  TSUKAI_TRY(auto line, database.prepare("SELECT en, zh, ja, headway_s FROM metro_line ORDER BY id"));
  for (;;) {
    TSUKAI_TRY(const bool row, line.step());
    if (!row) break;
    network.lines_.push_back({{line.text(0), line.text(1), line.text(2)}, static_cast<int>(line.integer(3))});
  }
  TSUKAI_TRY(auto stop, database.prepare("SELECT m.line, m.position, m.place, m.ride_s, m.ride_m, p.lng, "
                                         "p.lat, p.en, p.zh, p.ja FROM metro_stop m"
                                         " JOIN place p ON p.id=m.place ORDER BY m.line, m.position"));
  for (;;) {
    TSUKAI_TRY(const bool row, stop.step());
    if (!row) return network;
    if (stop.integer(0) < 0 || stop.integer(0) >= static_cast<std::int64_t>(network.lines_.size())) {
      return fail(Code::kCorrupt, "a metro stop belongs to no line", "make the map file again");
    }
    network.stops_.push_back({stop.integer(2),
                              static_cast<std::size_t>(stop.integer(0)),
                              static_cast<int>(stop.integer(1)),
                              static_cast<int>(stop.integer(3)),
                              static_cast<int>(stop.integer(4)),
                              {stop.real(5), stop.real(6)},
                              {stop.text(7), stop.text(8), stop.text(9)}});
  }
}

Journey MetroNetwork::journey(Point from, Point to, const std::set<std::size_t>& without) const {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const std::size_t count = stops_.size();
  std::vector<double> seconds(count, kNever);
  std::vector<std::size_t> before(count, count);
  using Open = std::pair<double, std::size_t>;
  std::priority_queue<Open, std::vector<Open>, std::greater<>> open;
  const auto reach = [&](std::size_t stop, double at, std::size_t by) {
    if (without.contains(stops_[stop].line) || at >= seconds[stop]) return;
    seconds[stop] = at;
    before[stop] = by;
    open.emplace(at, stop);
  };
  const auto walk_s = [](Point a, Point b) { return distance_m(a, b) * kDetour / kTransferWalkMs; };
  const auto wait_s = [&](std::size_t stop) { return lines_[stops_[stop].line].headway_s / 2.0; };
  for (std::size_t i = 0; i < count; ++i) {
    if (distance_m(from, stops_[i].at) <= kAccessMaxM)
      reach(i, walk_s(from, stops_[i].at) + wait_s(i), count);
  }
  double best = kNever;
  std::size_t end = count;
  while (!open.empty()) {
    const auto [at, i] = open.top();
    open.pop();
    if (at > seconds[i]) continue;
    if (at >= best) break;
    // Getting off where one got on is no journey.
    if (before[i] != count && stops_[before[i]].line == stops_[i].line &&
        distance_m(stops_[i].at, to) <= kAccessMaxM && at + walk_s(stops_[i].at, to) < best) {
      best = at + walk_s(stops_[i].at, to);
      end = i;
    }
    if (i + 1 < count && stops_[i + 1].line == stops_[i].line) reach(i + 1, at + stops_[i + 1].ride_s, i);
    if (i > 0 && stops_[i - 1].line == stops_[i].line) reach(i - 1, at + stops_[i].ride_s, i);
    for (std::size_t k = 0; k < count; ++k) {
      if (stops_[k].place == stops_[i].place && stops_[k].line != stops_[i].line)
        reach(k, at + kChangeS + wait_s(k), i);
    }
  }
  Journey journey;
  if (end == count) return journey;
  journey.seconds = best;
  for (std::size_t i = end; i != count; i = before[i]) {
    if (journey.rides.empty() || stops_[journey.rides.back().first].line != stops_[i].line)
      journey.rides.push_back({i, i, 0, 0});
    Ride& ride = journey.rides.back();
    if (i != ride.first) {
      const Stop& later = stops_[std::max(i, ride.first)];
      ride.seconds += later.ride_s;
      ride.metres += later.ride_m;
    }
    ride.first = i;
  }
  std::erase_if(journey.rides, [](const Ride& ride) { return ride.first == ride.last; });
  std::reverse(journey.rides.begin(), journey.rides.end());
  return journey;
}

}  // namespace tsukai::maps
