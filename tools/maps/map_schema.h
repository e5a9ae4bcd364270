// The tables of a map file (described in map_file.h).
#pragma once

#include <string>
#include <vector>

namespace tsukai::maps {

// For Database::migrate("map", ...).
const std::vector<std::string>& map_schema();

}  // namespace tsukai::maps
