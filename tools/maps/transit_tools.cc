// maps_direction_transit_integrated: walk, metro, change, walk.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tools/maps/route_text.h"
#include "tools/maps/service.h"
#include "tools/maps/transit.h"

namespace tsukai::maps {
namespace {

constexpr int kTransitsMax = 2;

struct Part {
  Json json;
  double length_m = 0, seconds = 0;
};

Result<Part> walk(Service& service, Point from, Point to) {
  TSUKAI_TRY(const Walked walked, travelled(service, from, to, Mode::kWalk));
  Part part{Json::object(), walked.route.length_m, walked.route.seconds};
  Json steps = Json::array();
  for (const Step& step : walked.steps) {
    steps.push_back({{"instruction", step.instruction},
                     {"road", step.road},
                     {"distance", std::to_string(step.distance_m)},
                     {"action", step.action},
                     {"assistant_action", ""}});
  }
  part.json = {{"origin", to_text(from)},
               {"destination", to_text(to)},
               {"distance", fmt::format("{:.0f}", part.length_m)},
               {"duration", fmt::format("{:.0f}", part.seconds)},
               {"steps", steps}};
  return part;
}

Json bus_line(const MetroNetwork& metro, const Ride& ride, Language language) {
  Json via = Json::array();
  const auto first = static_cast<std::ptrdiff_t>(ride.first), last = static_cast<std::ptrdiff_t>(ride.last);
  for (std::ptrdiff_t i = first + (last > first ? 1 : -1); i != last; i += last > first ? 1 : -1) {
    via.push_back({{"name", metro.stops()[static_cast<std::size_t>(i)].name.in(language)}});
  }
  return {{"name", metro.line_name(metro.stops()[ride.first].line).in(language)},
          {"departure_stop", {{"name", metro.stops()[ride.first].name.in(language)}}},
          {"arrival_stop", {{"name", metro.stops()[ride.last].name.in(language)}}},
          {"distance", std::to_string(ride.metres)},
          {"duration", std::to_string(ride.seconds)},
          {"via_stops", via}};
}

Json segment(Json walking, Json lines) {
  return {{"walking", std::move(walking)},
          {"bus", {{"buslines", std::move(lines)}}},
          {"entrance", Json::object()},
          {"exit", Json::object()},
          {"railway", Json::object()}};
}

}  // namespace

Result<Answer> direction_transit(Service& service, const Json& arguments) {
  TSUKAI_TRY(const Point from, service.point(arguments, "origin"));
  TSUKAI_TRY(const Point to, service.point(arguments, "destination"));
  TSUKAI_TRY(const MetroNetwork metro, MetroNetwork::load(service.map().database()));
  const Language language = service.language();
  TSUKAI_TRY(const Part on_foot, walk(service, from, to));
  Json transits = Json::array();
  std::string text;
  std::set<std::size_t> without;
  double best_s = 0;
  for (int alternative = 0; alternative < kTransitsMax; ++alternative) {
    const Journey journey = metro.journey(from, to, without);
    // A metro ride that takes longer than walking helps nobody, nor does a second one that takes twice the
    // first.
    if (journey.rides.empty() || journey.seconds >= on_foot.seconds) break;
    if (alternative > 0 && journey.seconds > 1.6 * best_s) break;
    best_s = alternative == 0 ? journey.seconds : best_s;
    Json segments = Json::array();
    double walked_m = 0, riding_s = 0, walking_s = 0;
    Point here = from;
    std::string words;
    for (const Ride& ride : journey.rides) {
      const Stop& start = metro.stops()[ride.first];
      const Stop& end = metro.stops()[ride.last];
      TSUKAI_TRY(Part part, walk(service, here, start.at));
      walked_m += part.length_m;
      walking_s += part.seconds;
      riding_s += ride.seconds;
      words += fmt::format(
          "{}{} from {} to {}, {} stops, {}",
          part.length_m < 1 ? "; change to "
                            : fmt::format("{}walk {:.0f} m; take ", words.empty() ? "" : "; ", part.length_m),
          metro.line_name(start.line).in(language), start.name.in(language), end.name.in(language),
          std::abs(end.position - start.position), minutes(ride.seconds));
      segments.push_back(segment(std::move(part.json), Json::array({bus_line(metro, ride, language)})));
      here = end.at;
      without.insert(start.line);
    }
    TSUKAI_TRY(Part last, walk(service, here, to));
    walked_m += last.length_m;
    walking_s += last.seconds;
    segments.push_back(segment(std::move(last.json), Json::array()));
    // Waiting is what the journey's estimate holds beyond its own walks and rides.
    const double estimated_walk_s =
        (distance_m(from, metro.stops()[journey.rides.front().first].at) + distance_m(here, to)) * 1.3 / 1.25;
    const double whole = walking_s + riding_s + std::max(0.0, journey.seconds - riding_s - estimated_walk_s);
    transits.push_back({{"duration", fmt::format("{:.0f}", whole)},
                        {"walking_distance", fmt::format("{:.0f}", walked_m)},
                        {"segments", segments}});
    text += fmt::format("{}{}. About {}: {}; walk {:.0f} m.", text.empty() ? "" : "\n", alternative + 1,
                        minutes(whole), words, last.length_m);
  }
  if (transits.empty()) text = "No metro ride is quicker than walking.";
  text += fmt::format("\nOn foot: {:.0f} m, about {}.", on_foot.length_m, minutes(on_foot.seconds));
  return Answer{Json{{"route",
                      {{"origin", to_text(from)},
                       {"destination", to_text(to)},
                       {"distance", fmt::format("{:.0f}", on_foot.length_m)},
                       {"transits", transits}}}},
                text};
}

}  // namespace tsukai::maps
