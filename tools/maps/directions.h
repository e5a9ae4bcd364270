// A route in words: one step per street, with what to do at its end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/maps/road_graph.h"

namespace tsukai::maps {

struct Step {
  std::string instruction;  // "Walk 120 m northeast along Gate Street, then turn left"
  std::string road;         // Empty for a nameless path.
  std::string orientation;  // "northeast"
  std::string action;       // "turn left"; empty for the last step.
  int distance_m = 0;
  int duration_s = 0;
};

// Distances and durations add up exactly to the route's, rounded. Steps shorter than kStepMinM join their
// neighbour.
inline constexpr double kStepMinM = 4;
std::vector<Step> describe(const Route& route, const RoadGraph& graph, Mode mode, Language language,
                           const std::function<Name(std::int32_t)>& street_name);

// "north", "北", "北": the eight winds.
std::string_view orientation(double bearing, Language language);

}  // namespace tsukai::maps
