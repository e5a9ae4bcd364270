// An OpenStreetMap extract as a City: roads with access and speeds, places with categories, names and
// addresses. Not read: relations (so no metro lines and no districts), turn restrictions, opening hours
// beyond their text.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "tools/maps/city.h"

namespace tsukai::maps {

inline constexpr std::size_t kImportNodesMax = 40'000'000;  // Sixteen bytes each: a country of medium size.
inline constexpr std::size_t kImportEdgesMax = 8'000'000;

struct ImportReport {
  std::int64_t nodes = 0, ways = 0;
  std::int64_t missing_nodes = 0;  // Of roads cut off at the extract's border.
};

// `city_name` may be empty: then the largest place=city or town in the extract gives its name, else the
// file's name. kExhausted beyond the limits above, kInvalidArgument when there is neither a road nor a place
// in the file.
Result<City> import_osm(const std::string& path, const std::string& city_name, ImportReport& report);

}  // namespace tsukai::maps
