// The generated city's metro: lines along planned polylines, stations where they meet streets.
#pragma once

#include <functional>

#include "tools/maps/city.h"
#include "tools/maps/street_grid.h"

namespace tsukai::maps {

// Appends stations to city.places and lines to city.lines. Lines that come within walking distance share a
// station.
void lay_metro(City& city, const StreetGrid& grid, const std::function<std::int32_t(Spot)>& district_of);

}  // namespace tsukai::maps
