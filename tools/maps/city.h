// What a map file holds, as plain values: made by the generator or an importer, written by map_file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/maps/geo.h"

namespace tsukai::maps {

enum class Language { kEnglish, kChinese, kJapanese };

// A name in three languages; any may be empty.
struct Name {
  std::string en, zh, ja;
  // The name in `language`, else in the first language that has one.
  const std::string& in(Language language) const;
  bool empty() const { return en.empty() && zh.empty() && ja.empty(); }
};

// The language a text is written in, as far as its letters say: kana is Japanese, other Han is Chinese, all
// else `otherwise`.
Language language_of(std::string_view text, Language otherwise);

// Where the whole map lies.
struct Region {
  Name country, province, city;
  std::string citycode;  // Telephone area code, as Amap uses the word.
  std::string adcode;    // Six digits.
};

struct District {
  Name name;
  std::string adcode;
};

struct Street {
  Name name;  // Empty for a nameless path.
};

struct Place {
  std::string id;  // As MCP clients see it: "B0LW00042".
  Name name;
  std::string alias;     // Other names, separated by '|'.
  std::string category;  // Key of a Category.
  Point at;
  std::int32_t district = -1;  // Index into City::districts, -1 when unknown.
  std::int32_t street = -1;    // Index into City::streets.
  std::int32_t number = 0;     // House number, 0 when unknown.
  std::string address;         // Only where street and number can't say it.
  std::string tel;
  std::string hours;    // "08:00-18:00"
  double rating = 0;    // 1.0 to 5.0; 0: none.
  double cost = 0;      // Per person; 0: none.
  int price_level = 0;  // 1 to 4; 0: none.
  std::string tags;     // "coffee beans;roastery"
};

// Who may pass an edge, and which way.
enum Access : std::uint8_t {
  kWalk = 1,  // Both ways.
  kCycleForward = 2,
  kCycleBack = 4,
  kDriveForward = 8,
  kDriveBack = 16,
  kCycle = kCycleForward | kCycleBack,
  kDrive = kDriveForward | kDriveBack,
};

struct Edge {
  std::int32_t from = 0, to = 0;  // Indices into City::nodes.
  std::int32_t street = -1;       // Index into City::streets.
  float length_m = 0;             // At least the straight distance between the ends.
  std::uint8_t access = 0;        // Of Access.
  std::uint8_t speed_kmh = 0;     // For cars.
};

struct MetroLine {
  Name name;
  std::int32_t headway_s = 300;
  std::vector<std::int32_t> stations;  // Indices into City::places.
  std::vector<std::int32_t> ride_s;    // Seconds from the station before; the first is 0.
  std::vector<std::int32_t> ride_m;    // Metres from the station before; the first is 0.
};

struct City {
  Region region;
  std::string origin;  // What made it: "generated city, seed 1, version 1".
  std::vector<District> districts;
  std::vector<Street> streets;
  std::vector<Place> places;
  std::vector<Point> nodes;
  std::vector<Edge> edges;
  std::vector<MetroLine> lines;
};

}  // namespace tsukai::maps
