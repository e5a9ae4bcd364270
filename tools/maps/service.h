// The answers behind the MCP tools: JSON arguments in, structured content and a short text out.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "tools/maps/map.h"
#include "tools/maps/road_graph.h"

namespace tsukai::maps {

inline constexpr std::size_t kPlacesMax = 6;    // Places in one answer: an 8k context reads several answers.
inline constexpr std::size_t kOriginsMax = 20;  // Of maps_distance.

struct Answer {
  JsonValue structured;
  std::string text;
};

// A map with its roads, and the language answers are given in. Not thread-safe.
class Service {
 public:
  // `clock` outlives the service; it dates the weather.
  Service(Map map, Language language, const Clock& clock);

  Map& map() { return map_; }
  Language language() const { return language_; }
  const Clock& clock() const { return clock_; }

  bool roads_are_read() const { return roads_.has_value(); }
  // Read from the file at the first route that is asked for.
  Result<const RoadGraph*> roads();
  Result<Name> street_name(std::int32_t street);

  // "lng,lat", or the id or exact name of a place: small models confuse them. The error names similar places.
  Result<Point> point(const Json& arguments, std::string_view argument);

 private:
  Map map_;
  Language language_;
  const Clock& clock_;
  std::optional<RoadGraph> roads_;
};

// A tool answers from validated arguments. Errors say what to change.
using ToolFunction = Result<Answer> (*)(Service& service, const Json& arguments);

Result<Answer> geo(Service& service, const Json& arguments);
Result<Answer> regeocode(Service& service, const Json& arguments);
Result<Answer> text_search(Service& service, const Json& arguments);
Result<Answer> around_search(Service& service, const Json& arguments);
Result<Answer> search_detail(Service& service, const Json& arguments);
Result<Answer> distance(Service& service, const Json& arguments);
Result<Answer> direction_walking(Service& service, const Json& arguments);
Result<Answer> direction_driving(Service& service, const Json& arguments);
Result<Answer> bicycling(Service& service, const Json& arguments);
Result<Answer> direction_transit(Service& service, const Json& arguments);
Result<Answer> weather(Service& service, const Json& arguments);
Result<Answer> ip_location(Service& service, const Json& arguments);

}  // namespace tsukai::maps
