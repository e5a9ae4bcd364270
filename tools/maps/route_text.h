// What the direction tools share: a route with its steps in words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/maps/directions.h"
#include "tools/maps/service.h"

namespace tsukai::maps {

inline constexpr std::size_t kStepLinesMax =
    14;  // Steps in an answer's text; all are in the structured content.

struct Walked {
  Route route;
  std::vector<Step> steps;
};
Result<Walked> travelled(Service& service, Point from, Point to, Mode mode);

// "3 min", "1 h 5 min".
std::string minutes(double seconds);

}  // namespace tsukai::maps
