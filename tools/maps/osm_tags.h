// What OpenStreetMap's tags mean for this map.
#pragma once

#include <optional>
#include <string_view>

#include "tools/maps/city.h"
#include "tools/maps/osm_reader.h"

namespace tsukai::maps {

struct RoadKind {
  std::uint8_t access = 0;
  std::uint8_t speed_kmh = 0;
};

// Nothing when the way is no road, or open to nobody.
std::optional<RoadKind> road_kind(const OsmTags& tags);

// The key of a Category for a place with a name; empty when it is none we show.
std::string_view place_category(const OsmTags& tags);

// name, name:en, name:zh, name:ja; a bare name counts for the language its letters belong to.
Name osm_name(const OsmTags& tags);

}  // namespace tsukai::maps
