#include "tools/maps/service.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::maps {

Service::Service(Map map, Language language, const Clock& clock)
    : map_(std::move(map)), language_(language), clock_(clock) {}

Result<const RoadGraph*> Service::roads() {
  if (!roads_) {
    TSUKAI_TRY(auto roads, RoadGraph::load(map_.database()));
    roads_.emplace(std::move(roads));
  }
  return &*roads_;
}

Result<Name> Service::street_name(std::int32_t street) {
  TSUKAI_TRY(auto statement, map_.database().prepare("SELECT en, zh, ja FROM street WHERE id=?1"));
  TSUKAI_TRY(const bool row, statement.bind(1, static_cast<std::int64_t>(street)).step());
  return row ? Name{statement.text(0), statement.text(1), statement.text(2)} : Name{};
}

Result<Point> Service::point(const Json& arguments, std::string_view argument) {
  const std::string text = string_at(arguments, argument);
  auto parsed = parse_point(text, argument);
  if (parsed) return parsed;
  if (text.find_first_not_of("0123456789.,-+ ") == std::string::npos) return parsed;
  if (auto known = map_.place(text)) return known->place.at;
  TSUKAI_TRY(auto found, map_.search({.text = text, .limit = 1}));
  if (!found.empty()) {
    const Place& place = found.front().place;
    for (const std::string& name : {place.name.en, place.name.zh, place.name.ja}) {
      if (nearest_name(text, {name}) == name && !name.empty()) return place.at;
    }
  }
  TSUKAI_TRY(const auto similar, map_.similar_names(text, language_, 3));
  std::string names;
  for (const std::string& name : similar) names += (names.empty() ? "; similar names: " : ", ") + name;
  return fail(Code::kInvalidArgument,
              fmt::format("{} is \"{}\", which is neither longitude,latitude nor a place on this map{}",
                          argument, shortened(text, 40), names),
              "ask maps_geo or maps_text_search for the location first");
}

}  // namespace tsukai::maps
