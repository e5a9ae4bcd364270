// OpenStreetMap extracts, in the XML (.osm) and PBF (.osm.pbf) formats, as a stream of nodes and ways.
// Relations are passed over. Files come from anywhere: every length and count is checked, and nothing is
// trusted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tools/maps/geo.h"

namespace tsukai::maps {

// Valid only during the call they are given to.
using OsmTags = std::vector<std::pair<std::string_view, std::string_view>>;
// The value of a key; empty when absent.
std::string_view tag(const OsmTags& tags, std::string_view key);

class OsmHandler {
 public:
  virtual ~OsmHandler() = default;
  // An error ends the reading and is returned by it.
  virtual Result<void> node(std::int64_t id, Point at, const OsmTags& tags) = 0;
  virtual Result<void> way(std::int64_t id, const std::vector<std::int64_t>& nodes, const OsmTags& tags) = 0;
};

inline constexpr std::size_t kTagsMax = 2000;        // Of one object, ...
inline constexpr std::size_t kWayNodesMax = 20'000;  // ... ten times what the OSM API allows.

// Chooses the format by the file's first bytes. Errors name the file and the byte: kNotFound, kCorrupt (cut
// short or malformed), kUnsupported (a compression or feature we do not read).
Result<void> read_osm(const std::string& path, OsmHandler& handler);

// The two formats, over bytes in memory; errors without the file name.
Result<void> read_osm_pbf(std::string_view bytes, OsmHandler& handler);
Result<void> read_osm_xml(std::string_view bytes, OsmHandler& handler);

}  // namespace tsukai::maps
