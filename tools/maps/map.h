// A map file, opened for reading: search, lookup, addresses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/database.h"
#include "base/result.h"
#include "tools/maps/city.h"

namespace tsukai::maps {

// A place with what its row refers to.
struct FoundPlace {
  std::int64_t row = 0;  // place.id in the file.
  Place place;
  Name street, district, area;
  std::string adcode;      // Of the district.
  double distance_m = -1;  // From the centre of the search; -1 without one.

  // "12 Gate Street, Old Town", "老城区城门街12号".
  std::string address(Language language) const;
};

struct Circle {
  Point centre;
  double radius_m = 1000;
};

struct PlaceQuery {
  std::string text;                     // Any language; empty matches all.
  std::vector<std::string> categories;  // Keys; empty matches all.
  std::optional<Circle> within;         // Then the nearest come first, else the best matches.
  std::size_t limit = 8;
  std::size_t offset = 0;
};

struct StreetAddress {
  std::int32_t street = -1;
  Name name;
  int number = 0;  // 0: the street as a whole.
  Point at;
  FoundPlace nearest;  // The place whose row gave the point.
};

// One read-only connection; use it from one thread at a time.
class Map {
 public:
  // kNotFound, kCorrupt, kUnsupported, kInvalidArgument (not a map), each with the path and what to do.
  static Result<Map> open(const std::string& path);

  const Region& region() const { return region_; }
  const std::string& origin() const { return origin_; }
  Database& database() { return *database_; }

  Result<std::vector<FoundPlace>> search(const PlaceQuery& query);
  // kNotFound when there is no such id.
  Result<FoundPlace> place(std::string_view id);
  Result<FoundPlace> place_at_row(std::int64_t row);
  // The closest place to a point, whatever it is; kNotFound farther away than `within_m`.
  Result<FoundPlace> nearest(Point point, double within_m);
  // "12 Gate Street": the street whose name the text holds, and the house nearest to the number.
  Result<std::optional<StreetAddress>> street_address(std::string_view text);
  // Up to `count` names of places that share a word or a beginning with the text; for error messages.
  Result<std::vector<std::string>> similar_names(std::string_view text, Language language, std::size_t count);

 private:
  explicit Map(Database database) : database_(std::make_unique<Database>(std::move(database))) {}
  Result<std::vector<FoundPlace>> ranked(const PlaceQuery& query, const std::string& match);
  Result<std::vector<FoundPlace>> around(const PlaceQuery& query, const std::string& match);

  std::unique_ptr<Database> database_;
  Region region_;
  std::string origin_;
};

}  // namespace tsukai::maps
