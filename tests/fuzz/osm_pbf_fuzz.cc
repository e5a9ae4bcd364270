// Any bytes as an OpenStreetMap extract in PBF: read within bounds or refused; what is read keeps its
// promises.
#include <cstddef>
#include <cstdint>

#include "tools/maps/osm_reader.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Checking handler;
  const auto done = read_osm_pbf({reinterpret_cast<const char*>(data), size}, handler);
  TSUKAI_CHECK(done || !done.error().message().empty(), "an error without words");
  return 0;
}
