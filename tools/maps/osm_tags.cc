#include "tools/maps/osm_tags.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/text.h"

namespace tsukai::maps {
namespace {

struct RoadClass {
  std::string_view highway;
  std::uint8_t access;
  std::uint8_t speed_kmh;
};
constexpr std::uint8_t kAll = kWalk | kCycle | kDrive;
constexpr auto kRoads = std::to_array<RoadClass>({{"motorway", kDrive, 110},
                                                  {"motorway_link", kDrive, 60},
                                                  {"trunk", kDrive | kCycle | kWalk, 90},
                                                  {"trunk_link", kDrive | kCycle | kWalk, 50},
                                                  {"primary", kAll, 60},
                                                  {"primary_link", kAll, 45},
                                                  {"secondary", kAll, 55},
                                                  {"secondary_link", kAll, 45},
                                                  {"tertiary", kAll, 50},
                                                  {"tertiary_link", kAll, 40},
                                                  {"unclassified", kAll, 40},
                                                  {"residential", kAll, 30},
                                                  {"living_street", kAll, 10},
                                                  {"service", kAll, 15},
                                                  {"road", kAll, 30},
                                                  {"track", kWalk | kCycle, 0},
                                                  {"path", kWalk | kCycle, 0},
                                                  {"cycleway", kWalk | kCycle, 0},
                                                  {"footway", kWalk, 0},
                                                  {"pedestrian", kWalk, 0},
                                                  {"steps", kWalk, 0},
                                                  {"corridor", kWalk, 0}});

struct PlaceKind {
  std::string_view key, value, category;
};
constexpr auto kPlaces = std::to_array<PlaceKind>({{"amenity", "cafe", "cafe"},
                                                   {"amenity", "fast_food", "restaurant"},
                                                   {"amenity", "food_court", "restaurant"},
                                                   {"amenity", "bar", "bar"},
                                                   {"amenity", "pub", "bar"},
                                                   {"amenity", "library", "library"},
                                                   {"amenity", "theatre", "theatre"},
                                                   {"amenity", "cinema", "cinema"},
                                                   {"amenity", "place_of_worship", "temple"},
                                                   {"amenity", "bus_station", "bus"},
                                                   {"amenity", "ferry_terminal", "ferry"},
                                                   {"amenity", "parking", "parking"},
                                                   {"amenity", "fuel", "fuel"},
                                                   {"amenity", "charging_station", "fuel"},
                                                   {"amenity", "marketplace", "market"},
                                                   {"amenity", "bicycle_rental", "bikes"},
                                                   {"amenity", "pharmacy", "pharmacy"},
                                                   {"amenity", "hospital", "hospital"},
                                                   {"amenity", "clinic", "hospital"},
                                                   {"amenity", "doctors", "hospital"},
                                                   {"amenity", "school", "school"},
                                                   {"amenity", "kindergarten", "school"},
                                                   {"amenity", "university", "university"},
                                                   {"amenity", "college", "university"},
                                                   {"amenity", "bank", "bank"},
                                                   {"amenity", "post_office", "post"},
                                                   {"tourism", "museum", "museum"},
                                                   {"tourism", "gallery", "gallery"},
                                                   {"tourism", "attraction", "sight"},
                                                   {"tourism", "viewpoint", "sight"},
                                                   {"tourism", "hotel", "hotel"},
                                                   {"tourism", "hostel", "hotel"},
                                                   {"tourism", "guest_house", "hotel"},
                                                   {"tourism", "motel", "hotel"},
                                                   {"leisure", "park", "park"},
                                                   {"leisure", "garden", "park"},
                                                   {"leisure", "playground", "park"},
                                                   {"leisure", "fitness_centre", "gym"},
                                                   {"leisure", "sports_centre", "gym"},
                                                   {"leisure", "swimming_pool", "gym"},
                                                   {"shop", "tea", "teahouse"},
                                                   {"shop", "coffee", "cafe"},
                                                   {"shop", "bakery", "bakery"},
                                                   {"shop", "pastry", "bakery"},
                                                   {"shop", "supermarket", "supermarket"},
                                                   {"shop", "convenience", "convenience"},
                                                   {"shop", "mall", "mall"},
                                                   {"shop", "department_store", "mall"},
                                                   {"shop", "books", "books"},
                                                   {"shop", "clothes", "clothes"},
                                                   {"shop", "gift", "gifts"},
                                                   {"shop", "bicycle", "bikes"},
                                                   {"shop", "chemist", "pharmacy"},
                                                   {"railway", "subway_entrance", "metro"},
                                                   {"highway", "bus_stop", "bus"}});

std::string_view restaurant(std::string_view cuisine) {
  const auto has = [&](std::string_view word) { return cuisine.find(word) != std::string_view::npos; };
  if (has("chinese") || has("dumpling")) return "chinese";
  if (has("noodle") || has("ramen")) return "noodles";
  if (has("japanese") || has("sushi")) return "japanese";
  if (has("seafood") || has("fish")) return "seafood";
  if (has("hotpot") || has("hot_pot")) return "hotpot";
  if (has("vegetarian") || has("vegan")) return "vegetarian";
  if (has("italian") || has("pizza") || has("french") || has("steak")) return "western";
  return "restaurant";
}

bool forbids(std::string_view value) { return value == "no" || value == "private"; }
bool allows(std::string_view value) {
  return value == "yes" || value == "designated" || value == "permissive";
}

}  // namespace

std::optional<RoadKind> road_kind(const OsmTags& tags) {
  const std::string_view highway = tag(tags, "highway");
  const auto known = std::find_if(kRoads.begin(), kRoads.end(),
                                  [&](const RoadClass& road) { return road.highway == highway; });
  if (known == kRoads.end() || tag(tags, "area") == "yes") return std::nullopt;
  RoadKind kind{known->access, known->speed_kmh};
  const auto apply = [&](std::uint8_t bits, std::initializer_list<std::string_view> keys) {
    // From the general key to the particular one: the last word counts.
    for (const std::string_view key : keys) {
      const std::string_view value = tag(tags, key);
      if (forbids(value)) kind.access = static_cast<std::uint8_t>(kind.access & ~bits);
      if (allows(value) && key != "access") kind.access = static_cast<std::uint8_t>(kind.access | bits);
    }
  };
  apply(kWalk, {"access", "foot"});
  apply(kCycle, {"access", "vehicle", "bicycle"});
  apply(kDrive, {"access", "vehicle", "motor_vehicle", "motorcar"});
  if ((kind.access & kDrive) != 0 && kind.speed_kmh == 0) kind.speed_kmh = 15;
  const std::string_view maximum = tag(tags, "maxspeed");
  int limit = 0;
  const auto [end, error] = std::from_chars(maximum.data(), maximum.data() + maximum.size(), limit);
  if (error == std::errc() && limit > 0) {
    const std::string_view unit = trimmed(maximum.substr(static_cast<std::size_t>(end - maximum.data())));
    if (unit == "mph") limit = std::min(limit, 200) * 1609 / 1000;
    if (unit.empty() || unit == "mph" || unit == "km/h")
      kind.speed_kmh = static_cast<std::uint8_t>(std::clamp(limit, 5, 130));
  }
  const std::string_view oneway = tag(tags, "oneway");
  const bool round = tag(tags, "junction") == "roundabout" || highway == "motorway";
  if (oneway == "yes" || oneway == "true" || oneway == "1" || (round && oneway != "no")) {
    kind.access = static_cast<std::uint8_t>(kind.access & ~kDriveBack);
    if (tag(tags, "oneway:bicycle") != "no")
      kind.access = static_cast<std::uint8_t>(kind.access & ~kCycleBack);
  } else if (oneway == "-1" || oneway == "reverse") {
    kind.access = static_cast<std::uint8_t>(kind.access & ~kDriveForward);
    if (tag(tags, "oneway:bicycle") != "no")
      kind.access = static_cast<std::uint8_t>(kind.access & ~kCycleForward);
  }
  if (kind.access == 0) return std::nullopt;
  return kind;
}

std::string_view place_category(const OsmTags& tags) {
  if (tag(tags, "amenity") == "restaurant") return restaurant(tag(tags, "cuisine"));
  if (tag(tags, "railway") == "station" || tag(tags, "railway") == "halt") {
    return tag(tags, "station") == "subway" || tag(tags, "subway") == "yes" ? "metro" : "train";
  }
  for (const PlaceKind& kind : kPlaces) {
    if (tag(tags, kind.key) == kind.value) return kind.category;
  }
  if (!tag(tags, "historic").empty()) return "sight";
  // A shop of a kind we have no word for is still a place somebody looks for by name.
  return !tag(tags, "shop").empty() || !tag(tags, "amenity").empty() || !tag(tags, "tourism").empty()
             ? "other"
             : "";
}

Name osm_name(const OsmTags& tags) {
  const auto first = [&](std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
      if (const std::string_view value = tag(tags, key); !value.empty()) return repaired_utf8(value);
    }
    return std::string();
  };
  Name name{first({"name:en", "int_name"}), first({"name:zh", "name:zh-Hans", "name:zh-Hant"}),
            first({"name:ja"})};
  const std::string bare = first({"name"});
  if (bare.empty()) return name;
  const Language language = language_of(bare, Language::kEnglish);
  std::string& own = language == Language::kEnglish   ? name.en
                     : language == Language::kChinese ? name.zh
                                                      : name.ja;
  if (own.empty()) own = bare;
  return name;
}

}  // namespace tsukai::maps
