#include "tools/maps/metro_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace tsukai::maps {
namespace {

constexpr double kSpacingM = 850;
constexpr double kSharedWithinM = 380;
constexpr double kMetresPerSecond = 11;  // About 40 km/h between stations,
constexpr int kDwellS = 30;              // and the doors open half a minute.

struct LinePlan {
  Name name;
  int headway_s;
  std::vector<Spot> bends;
};
std::vector<LinePlan> line_plans() {
  return {{{"Metro Line 1", "地铁1号线", "地下鉄1号線"},
           240,
           {{600, 5600}, {4700, 5400}, {5900, 4760}, {8500, 4700}}},
          {{"Metro Line 2", "地铁2号线", "地下鉄2号線"},
           300,
           {{5900, 8200}, {5950, 5330}, {5900, 4760}, {6400, 3300}, {7800, 1200}}},
          {{"Metro Line 3", "地铁3号线", "地下鉄3号線"},
           360,
           {{1000, 7600}, {2800, 6300}, {4700, 5400}, {5000, 3000}, {4100, 1300}, {1400, 2450}}},
          {{"Metro Line 4", "地铁4号线", "地下鉄4号線"},
           360,
           {{8300, 7200}, {8750, 5050}, {8500, 4700}, {8300, 3000}, {7800, 1200}, {4100, 1300}}}};
}

// Stations at the places people travel to carry their names.
struct NamedStation {
  Spot spot;
  Name name;
};
std::vector<NamedStation> named_stations() {
  return {{kOldGate, {"Old Gate Station", "老城门站", "旧門駅"}},
          {{4700, 5400}, {"Central Station (Metro)", "中央车站地铁站", "中央駅"}},
          {{5950, 5330}, {"Drum Tower Station", "鼓楼站", "太鼓楼駅"}},
          {{8500, 4700}, {"Harbour Market Station", "海港市场站", "港市場駅"}},
          {{7800, 1200}, {"Opera House Station", "大剧院站", "オペラハウス駅"}},
          {{2800, 6300}, {"Lake Park Station", "湖滨公园站", "湖畔公園駅"}},
          {{1400, 2450}, {"University Station", "岚湾大学站", "嵐湾大学駅"}}};
}

class MetroBuilder {
 public:
  MetroBuilder(City& city, const StreetGrid& grid, const std::function<std::int32_t(Spot)>& district_of)
      : city_(city), grid_(grid), district_of_(district_of), street_at_(city.nodes.size(), -1) {
    for (const Edge& edge : city.edges) {
      for (const std::int32_t node : {edge.from, edge.to}) {
        std::int32_t& street = street_at_[static_cast<std::size_t>(node)];
        street = std::max(street, edge.street);
      }
    }
  }

  void lay(const LinePlan& plan) {
    MetroLine line{plan.name, plan.headway_s, {}, {}, {}};
    for (std::size_t i = 0; i < plan.bends.size(); ++i) {
      stop(line, plan.bends[i]);
      if (i + 1 == plan.bends.size()) break;
      const Spot a = plan.bends[i], b = plan.bends[i + 1];
      const double length = std::hypot(b.x - a.x, b.y - a.y);
      const int legs = std::max(1, static_cast<int>(std::lround(length / kSpacingM)));
      for (int k = 1; k < legs; ++k) stop(line, {a.x + (b.x - a.x) * k / legs, a.y + (b.y - a.y) * k / legs});
    }
    for (std::size_t i = 0; i < line.stations.size(); ++i) {
      const auto at = [&](std::size_t k) {
        return city_.places[static_cast<std::size_t>(line.stations[k])].at;
      };
      const double metres = i == 0 ? 0 : 1.08 * distance_m(at(i - 1), at(i));  // Tracks bend.
      line.ride_m.push_back(static_cast<std::int32_t>(std::lround(metres)));
      line.ride_s.push_back(
          i == 0 ? 0 : static_cast<std::int32_t>(std::lround(metres / kMetresPerSecond)) + kDwellS);
    }
    city_.lines.push_back(std::move(line));
  }

 private:
  void stop(MetroLine& line, Spot wanted) {
    if (in_water(wanted)) return;  // Under the river no station.
    const std::int32_t station = station_at(wanted);
    if (line.stations.empty() || line.stations.back() != station) line.stations.push_back(station);
  }

  std::int32_t station_at(Spot wanted) {
    for (const std::int32_t known : stations_) {
      if (distance_m(city_.places[static_cast<std::size_t>(known)].at, to_point(wanted)) < kSharedWithinM)
        return known;
    }
    const std::int32_t node = grid_.nearest(wanted);
    const Spot spot = grid_.spots[static_cast<std::size_t>(node)];
    Place place;
    place.id = fmt::format("B0LW{:05}", city_.places.size() + 1);
    place.category = "metro";
    place.at = to_point(spot);
    place.district = district_of_(spot);
    place.street = street_at_[static_cast<std::size_t>(node)];
    place.hours = "05:30-23:30";
    place.name = name_at(wanted, place.street);
    city_.places.push_back(std::move(place));
    stations_.push_back(static_cast<std::int32_t>(city_.places.size()) - 1);
    return stations_.back();
  }

  Name name_at(Spot wanted, std::int32_t street) {
    for (const NamedStation& named : named_stations()) {
      if (std::hypot(named.spot.x - wanted.x, named.spot.y - wanted.y) < 50) return named.name;
    }
    Name name = street >= 0 ? city_.streets[static_cast<std::size_t>(street)].name : Name{"City", "市", "市"};
    name.en += " Station";
    name.zh += "站";
    name.ja += "駅";
    for (int number = 2; !names_.insert(name.en).second; ++number) {
      name.en += fmt::format(" {}", number);
      name.zh += fmt::format("{}", number);
      name.ja += fmt::format("{}", number);
    }
    return name;
  }

  City& city_;
  const StreetGrid& grid_;
  const std::function<std::int32_t(Spot)>& district_of_;
  std::vector<std::int32_t> street_at_;
  std::vector<std::int32_t> stations_;
  std::set<std::string> names_;
};

}  // namespace

void lay_metro(City& city, const StreetGrid& grid, const std::function<std::int32_t(Spot)>& district_of) {
  MetroBuilder builder(city, grid, district_of);
  for (const LinePlan& plan : line_plans()) builder.lay(plan);
}

}  // namespace tsukai::maps
