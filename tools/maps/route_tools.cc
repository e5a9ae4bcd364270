// Tools about ways: distances and directions on foot, by bicycle, by car.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "tools/maps/directions.h"
#include "tools/maps/route_text.h"
#include "tools/maps/service.h"

namespace tsukai::maps {

Result<Walked> travelled(Service& service, Point from, Point to, Mode mode) {
  TSUKAI_TRY(const RoadGraph* roads, service.roads());
  auto found = roads->route(from, to, mode);
  if (!found) return fail(std::move(found).error().in("origin, destination"));
  Route route = std::move(*found);
  std::map<std::int32_t, Name> names;
  for (const Hop& hop : route.hops) {
    const std::int32_t street = roads->edges()[static_cast<std::size_t>(hop.edge)].street;
    if (street < 0 || names.contains(street)) continue;
    TSUKAI_TRY(names[street], service.street_name(street));
  }
  auto steps =
      describe(route, *roads, mode, service.language(), [&](std::int32_t street) { return names[street]; });
  return Walked{std::move(route), std::move(steps)};
}

std::string minutes(double seconds) {
  const long whole = std::max(1L, std::lround(seconds / 60));
  return whole < 60 ? fmt::format("{} min", whole) : fmt::format("{} h {} min", whole / 60, whole % 60);
}

namespace {

// Amap's web service gives numbers as strings in version 3 (walking, driving) and as numbers in version 4
// (bicycling).
enum class Numbers { kStrings, kNumbers };

Json number(long value, Numbers numbers) {
  return numbers == Numbers::kStrings ? Json(std::to_string(value)) : Json(value);
}

Result<Answer> directions(Service& service, const Json& arguments, Mode mode, Numbers numbers,
                          const char* outer) {
  TSUKAI_TRY(const Point from, service.point(arguments, "origin"));
  TSUKAI_TRY(const Point to, service.point(arguments, "destination"));
  TSUKAI_TRY(const Walked walked, travelled(service, from, to, mode));
  const auto& [route, steps] = walked;
  Json listed = Json::array();
  std::string text = fmt::format("{:.0f} m, about {}.", route.length_m, minutes(route.seconds));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    listed.push_back({{"instruction", step.instruction},
                      {"road", step.road},
                      {"distance", number(step.distance_m, numbers)},
                      {"orientation", step.orientation},
                      {"duration", number(step.duration_s, numbers)}});
    if (i < kStepLinesMax || i + 1 == steps.size()) {
      if (i + 1 == steps.size() && steps.size() > kStepLinesMax + 1)
        text += fmt::format("\n... {} more steps ...", steps.size() - kStepLinesMax - 1);
      text += fmt::format("\n{}. {}", i + 1, step.instruction);
    }
  }
  Json path = {{"distance", number(std::lround(route.length_m), numbers)},
               {"duration", number(std::lround(route.seconds), numbers)},
               {"steps", listed}};
  return Answer{
      Json{
          {outer, {{"origin", to_text(from)}, {"destination", to_text(to)}, {"paths", Json::array({path})}}}},
      text};
}

}  // namespace

Result<Answer> direction_walking(Service& service, const Json& arguments) {
  return directions(service, arguments, Mode::kWalk, Numbers::kStrings, "route");
}
Result<Answer> direction_driving(Service& service, const Json& arguments) {
  return directions(service, arguments, Mode::kDrive, Numbers::kStrings, "route");
}
Result<Answer> bicycling(Service& service, const Json& arguments) {
  return directions(service, arguments, Mode::kCycle, Numbers::kNumbers, "data");
}

Result<Answer> distance(Service& service, const Json& arguments) {
  const std::string type(trimmed(string_at(arguments, "type", "1")));
  if (type != "0" && type != "1" && type != "3" && !type.empty()) {
    return fail(Code::kInvalidArgument, fmt::format("type is \"{}\"", shortened(type, 20)),
                "give 0 (straight line), 1 (by car) or 3 (on foot)");
  }
  TSUKAI_TRY(const Point to, service.point(arguments, "destination"));
  const std::vector<std::string> origins = split(string_at(arguments, "origins"), '|');
  if (origins.size() > kOriginsMax) {
    return fail(Code::kExhausted,
                fmt::format("origins holds {} points, at most {} are allowed", origins.size(), kOriginsMax),
                "ask in several calls");
  }
  Json results = Json::array();
  std::string text;
  for (std::size_t i = 0; i < origins.size(); ++i) {
    TSUKAI_TRY(const Point from, service.point(Json{{"origins", origins[i]}}, "origins"));
    double metres = distance_m(from, to), seconds = 0;
    if (type != "0") {
      TSUKAI_TRY(const RoadGraph* roads, service.roads());
      auto found = roads->route(from, to, type == "3" ? Mode::kWalk : Mode::kDrive);
      if (!found) return fail(std::move(found).error().in("origins, destination"));
      const Route& route = *found;
      metres = route.length_m;
      seconds = route.seconds;
    }
    results.push_back({{"origin_id", std::to_string(i + 1)},
                       {"dest_id", "1"},
                       {"distance", fmt::format("{:.0f}", metres)},
                       {"duration", fmt::format("{:.0f}", seconds)}});
    text += fmt::format("{}From {}: {:.0f} m {}{}", text.empty() ? "" : "\n", to_text(from), metres,
                        type == "0"   ? "in a straight line"
                        : type == "3" ? "on foot"
                                      : "by car",
                        type == "0" ? "" : ", about " + minutes(seconds));
  }
  return Answer{Json{{"results", results}}, text};
}

}  // namespace tsukai::maps
