#include "tools/maps/directions.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace tsukai::maps {
namespace {

// Consecutive hops along one street.
struct Stretch {
  std::int32_t street = -1;
  double length_m = 0, seconds = 0;
  double bearing_in = 0, bearing_out = 0;  // At its first and last hop.
  Point first, last;
};

std::vector<Stretch> stretches(const Route& route, const RoadGraph& graph, Mode mode) {
  std::vector<Stretch> all;
  for (const Hop& hop : route.hops) {
    const Edge& edge = graph.edges()[static_cast<std::size_t>(hop.edge)];
    const double share = std::abs(hop.to - hop.from);
    const Point from = graph.at(hop.edge, hop.from), to = graph.at(hop.edge, hop.to);
    // A stub of a metre has no direction worth telling, and a street it lies on is not taken.
    const bool stub = share * edge.length_m < kStepMinM;
    const bool joins = !all.empty() && (all.back().street == edge.street || stub);
    if (!joins && all.size() == 1 && all.back().length_m < kStepMinM) {
      all.back().street = edge.street;
      all.back().bearing_in = bearing_deg(from, to);
    } else if (!joins) {
      all.push_back({edge.street, 0, 0, bearing_deg(from, to), 0, from, to});
    }
    Stretch& stretch = all.back();
    stretch.length_m += share * edge.length_m;
    stretch.seconds += share * graph.edge_seconds(edge, mode);
    if (!stub || stretch.bearing_out == 0) stretch.bearing_out = bearing_deg(from, to);
    stretch.last = to;
  }
  return all;
}

enum Turn { kStraight, kSlightRight, kRight, kSharpRight, kBack, kSharpLeft, kLeft, kSlightLeft };

Turn turn_between(double in, double out) {
  double angle = std::fmod(out - in + 540, 360) - 180;  // (-180, 180], right is positive.
  if (std::abs(angle) < 25) return kStraight;
  if (std::abs(angle) > 165) return kBack;
  if (angle > 0) return angle < 55 ? kSlightRight : angle < 125 ? kRight : kSharpRight;
  return angle > -55 ? kSlightLeft : angle > -125 ? kLeft : kSharpLeft;
}

constexpr std::array<std::array<std::string_view, 3>, 8> kTurns = {
    {{"go straight on", "直行", "直進"},
     {"bear right", "向右前方行进", "斜め右へ"},
     {"turn right", "右转", "右折"},
     {"turn sharp right", "向右后方行进", "右後方へ"},
     {"turn around", "调头", "引き返す"},
     {"turn sharp left", "向左后方行进", "左後方へ"},
     {"turn left", "左转", "左折"},
     {"bear left", "向左前方行进", "斜め左へ"}}};
constexpr std::array<std::array<std::string_view, 3>, 8> kBearings = {{{"north", "北", "北"},
                                                                       {"northeast", "东北", "北東"},
                                                                       {"east", "东", "東"},
                                                                       {"southeast", "东南", "南東"},
                                                                       {"south", "南", "南"},
                                                                       {"southwest", "西南", "南西"},
                                                                       {"west", "西", "西"},
                                                                       {"northwest", "西北", "北西"}}};
constexpr std::array<std::array<std::string_view, 3>, 3> kVerbs = {
    {{"Walk", "步行", "歩く"}, {"Cycle", "骑行", "自転車で進む"}, {"Drive", "行驶", "車で進む"}}};

std::string sentence(const Step& step, Mode mode, Language language) {
  const std::string_view verb = kVerbs[static_cast<std::size_t>(mode)][static_cast<std::size_t>(language)];
  switch (language) {
    case Language::kEnglish:
      return fmt::format("{} {} m {} {}{}", verb, step.distance_m, step.orientation,
                         step.road.empty() ? std::string("on a path") : "along " + step.road,
                         step.action.empty() ? ", then you are there" : ", then " + step.action);
    case Language::kChinese:
      return fmt::format("{}向{}{}{}米{}", step.road.empty() ? std::string("沿小路") : "沿" + step.road,
                         step.orientation, verb, step.distance_m,
                         step.action.empty() ? "到达目的地" : step.action);
    case Language::kJapanese:
      return fmt::format("{}を{}へ{}m{}、{}", step.road.empty() ? std::string("小道") : step.road,
                         step.orientation, step.distance_m, verb, step.action.empty() ? "到着" : step.action);
  }
  return {};
}

}  // namespace

std::string_view orientation(double bearing, Language language) {
  return kBearings[static_cast<std::size_t>(std::lround(bearing / 45)) % 8]
                  [static_cast<std::size_t>(language)];
}

std::vector<Step> describe(const Route& route, const RoadGraph& graph, Mode mode, Language language,
                           const std::function<Name(std::int32_t)>& street_name) {
  const std::vector<Stretch> all = stretches(route, graph, mode);
  std::vector<Step> steps;
  double metres = 0, seconds = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Stretch& stretch = all[i];
    Step step;
    // Differences of rounded running sums, so that the steps add up to the rounded whole.
    step.distance_m = static_cast<int>(std::lround(metres + stretch.length_m) - std::lround(metres));
    step.duration_s = static_cast<int>(std::lround(seconds + stretch.seconds) - std::lround(seconds));
    metres += stretch.length_m;
    seconds += stretch.seconds;
    if (stretch.street >= 0) step.road = street_name(stretch.street).in(language);
    step.orientation = orientation(bearing_deg(stretch.first, stretch.last), language);
    if (i + 1 < all.size()) {
      step.action = kTurns[turn_between(stretch.bearing_out, all[i + 1].bearing_in)]
                          [static_cast<std::size_t>(language)];
    }
    step.instruction = sentence(step, mode, language);
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace tsukai::maps
