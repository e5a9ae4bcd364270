// What both formats of OpenStreetMap extracts promise of all that they read.
#pragma once

#include "tools/maps/osm_reader.h"

namespace tsukai::maps {

class Checking final : public OsmHandler {
 public:
  Result<void> node(std::int64_t, Point at, const OsmTags& tags) override {
    TSUKAI_CHECK(at.lng >= -180 && at.lng <= 180 && at.lat >= -90 && at.lat <= 90, "a point off the globe");
    TSUKAI_CHECK(tags.size() <= kTagsMax, "more tags than allowed");
    return {};
  }
  Result<void> way(std::int64_t, const std::vector<std::int64_t>& nodes, const OsmTags& tags) override {
    TSUKAI_CHECK(nodes.size() <= kWayNodesMax && tags.size() <= kTagsMax, "more than allowed");
    return {};
  }
};

}  // namespace tsukai::maps
