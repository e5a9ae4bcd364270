#include "tools/maps/map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>

#include "base/text.h"
#include "tools/maps/index_text.h"
#include "tools/maps/map_schema.h"

namespace tsukai::maps {
namespace {

constexpr std::size_t kCandidatesMax = 400;  // Rows ranked in memory per search.
constexpr double kNearbyM = 1500;            // What "near" means in a search text.
constexpr std::uintmax_t kCheckedBytesMax = 64u
                                            << 20;  // Larger files are not checked page by page at the start.

constexpr std::string_view kColumns =
    "p.id, p.uid, p.en, p.zh, p.ja, p.alias, p.category, p.lng, p.lat, p.district, p.street, p.number, "
    "p.address, p.tel, p.hours,"
    " p.rating, p.cost, p.price_level, p.tags, p.area_en, p.area_zh, p.area_ja,"
    " coalesce(s.en,''), coalesce(s.zh,''), coalesce(s.ja,''), coalesce(d.en,''), coalesce(d.zh,''), "
    "coalesce(d.ja,''), coalesce(d.adcode,'')";
constexpr std::string_view kJoins =
    " LEFT JOIN street s ON s.id=p.street LEFT JOIN district d ON d.id=p.district ";

FoundPlace read_row(const Statement& row) {
  FoundPlace found;
  Place& p = found.place;
  found.row = row.integer(0);
  p.id = row.text(1);
  p.name = {row.text(2), row.text(3), row.text(4)};
  p.alias = row.text(5);
  p.category = row.text(6);
  p.at = {row.real(7), row.real(8)};
  p.district = static_cast<std::int32_t>(row.integer(9));
  p.street = static_cast<std::int32_t>(row.integer(10));
  p.number = static_cast<std::int32_t>(row.integer(11));
  p.address = row.text(12);
  p.tel = row.text(13);
  p.hours = row.text(14);
  p.rating = row.real(15);
  p.cost = row.real(16);
  p.price_level = static_cast<int>(row.integer(17));
  p.tags = row.text(18);
  found.area = {row.text(19), row.text(20), row.text(21)};
  found.street = {row.text(22), row.text(23), row.text(24)};
  found.district = {row.text(25), row.text(26), row.text(27)};
  found.adcode = row.text(28);
  return found;
}

Result<std::vector<FoundPlace>> read_all(Statement statement) {
  std::vector<FoundPlace> all;
  for (;;) {
    TSUKAI_TRY(const bool row, statement.step());
    if (!row) return all;
    all.push_back(read_row(statement));
  }
}

std::string lower(std::string_view text) {
  std::string out(trimmed(text));
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  if (out.starts_with("the ")) out.erase(0, 4);
  return out;
}

// Whether the text is one of the place's names.
bool is_named(const FoundPlace& found, const std::string& lowered) {
  const Place& p = found.place;
  if (lowered == lower(p.name.en) || lowered == p.name.zh || lowered == p.name.ja) return true;
  for (const std::string& other : split(p.alias, '|')) {
    if (!other.empty() && lowered == lower(other)) return true;
  }
  return false;
}

// Whether the text names the sight the place lies at: "coffee old gate".
bool is_in_area(const FoundPlace& found, const std::string& lowered) {
  const Name& area = found.area;
  return (!area.en.empty() && lowered.find(lower(area.en)) != std::string::npos) ||
         (!area.zh.empty() && lowered.find(area.zh) != std::string::npos) ||
         (!area.ja.empty() && lowered.find(area.ja) != std::string::npos);
}

// "coffee near the old gate" is two things: what and where. Chinese and Japanese put the place first:
// 老城门附近的咖啡.
struct Nearby {
  std::string what, where;
};
std::optional<Nearby> split_nearby(const std::string& lowered) {
  for (const std::string_view word :
       {" near ", " nearby ", " around ", " close to ", " next to ", " by the ", " at the "}) {
    if (const std::size_t at = lowered.find(word); at != std::string::npos)
      return Nearby{lowered.substr(0, at), lower(lowered.substr(at + word.size()))};
  }
  for (const std::string_view word :
       {"附近的", "附近", "旁边的", "周边的", "周边", "の近くの", "近くの", "の近く", "周辺の"}) {
    if (const std::size_t at = lowered.find(word); at != std::string::npos && at > 0)
      return Nearby{lowered.substr(at + word.size()), lowered.substr(0, at)};
  }
  return std::nullopt;
}

std::string joined(const std::vector<std::string>& terms, std::string_view with) {
  std::string text;
  for (const std::string& term : terms) text.append(text.empty() ? "" : with).append(term);
  return text;
}

std::string category_filter(const PlaceQuery& query) {
  if (query.categories.empty()) return {};
  std::string keys;
  // Keys come from categories(), never from a caller's text: no quoting problem.
  for (const std::string& key : query.categories) keys += (keys.empty() ? "'" : ",'") + key + "'";
  return " AND p.category IN (" + keys + ")";
}

std::vector<FoundPlace> page(std::vector<FoundPlace> all, const PlaceQuery& query) {
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(query.offset, all.size())));
  if (all.size() > query.limit) all.resize(query.limit);
  return all;
}

Error not_a_map(const std::string& path) {
  return Error(Code::kInvalidArgument, fmt::format("{} is not a map file", path),
               "make one with tsukai-maps generate --out FILE");
}

}  // namespace

std::string FoundPlace::address(Language language) const {
  if (!place.address.empty()) return place.address;
  const std::string& road = street.in(language);
  const std::string& part = district.in(language);
  if (road.empty()) return part;
  if (language == Language::kEnglish) {
    return fmt::format("{}{}{}{}", place.number > 0 ? fmt::format("{} ", place.number) : "", road,
                       part.empty() ? "" : ", ", part);
  }
  return fmt::format("{}{}{}", part, road,
                     place.number > 0
                         ? fmt::format("{}{}", place.number, language == Language::kChinese ? "号" : "番")
                         : "");
}

Result<Map> Map::open(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return fail(Code::kNotFound, fmt::format("there is no map file {}", path),
                "make one with tsukai-maps generate --out FILE, or leave --data out");
  }
  const auto damaged = [&](Error why) {
    return fail(why.code() == Code::kCorrupt
                    ? Error(Code::kCorrupt, fmt::format("map file {} is damaged ({})", path, why.message()),
                            "delete it; tsukai-maps generate --out FILE makes a new one")
                    : std::move(why).in(fmt::format("open map {}", path)));
  };
  auto opened = Database::open(path, {.read_only = true, .create = false});
  if (!opened) return damaged(std::move(opened).error());
  Map map(std::move(*opened));
  const auto one = [&](std::string_view sql) -> Result<std::string> {
    TSUKAI_TRY(auto statement, map.database_->prepare(sql));
    TSUKAI_TRY(const bool row, statement.step());
    return row ? statement.text(0) : std::string();
  };
  auto tables =
      one("SELECT count(*) FROM sqlite_schema WHERE name IN ('schema_version', 'place_text', 'meta')");
  if (!tables) return damaged(std::move(tables).error());
  if (*tables != "3") return fail(not_a_map(path));
  auto version = one("SELECT version FROM schema_version WHERE module='map'");
  if (!version) return damaged(std::move(version).error());
  if (version->empty()) return fail(not_a_map(path));
  if (*version != std::to_string(map_schema().size())) {
    return fail(
        Code::kUnsupported,
        fmt::format("{} has map format {}, this tsukai-maps reads {}", path, *version, map_schema().size()),
        "make it again with this version");
  }
  if (std::filesystem::file_size(path, error) <= kCheckedBytesMax) {
    auto sound = one("PRAGMA quick_check(1)");
    if (!sound) return damaged(std::move(sound).error());
    if (*sound != "ok") return damaged(Error(Code::kCorrupt, *sound));
  }
  TSUKAI_TRY(auto meta, map.database_->prepare("SELECT key, value FROM meta"));
  for (;;) {
    auto row = meta.step();
    if (!row) return damaged(std::move(row).error());
    if (!*row) break;
    const std::string key = meta.text(0), value = meta.text(1);
    for (auto& [prefix, name] : {std::pair<std::string, Name*>{"country", &map.region_.country},
                                 {"province", &map.region_.province},
                                 {"city", &map.region_.city}}) {
      if (key == prefix + ".en") name->en = value;
      if (key == prefix + ".zh") name->zh = value;
      if (key == prefix + ".ja") name->ja = value;
    }
    if (key == "citycode") map.region_.citycode = value;
    if (key == "adcode") map.region_.adcode = value;
    if (key == "origin") map.origin_ = value;
  }
  return map;
}

Result<std::vector<FoundPlace>> Map::ranked(const PlaceQuery& query, const std::string& match) {
  const std::string order = match.empty() ? " ORDER BY p.rating DESC, p.id" : " ORDER BY rank, p.id";
  const std::string from = match.empty() ? "FROM place p" : "FROM place_text t JOIN place p ON p.id=t.rowid";
  const std::string where =
      match.empty() ? "WHERE 1" : "WHERE place_text MATCH ?1 AND rank MATCH 'bm25(8.0, 4.0, 1.5)'";
  TSUKAI_TRY(auto statement,
             database_->prepare(fmt::format("SELECT {} {}{}{}{}{} LIMIT {}", kColumns, from, kJoins, where,
                                            category_filter(query), order, kCandidatesMax)));
  if (!match.empty()) statement.bind(1, match);
  return read_all(std::move(statement));
}

Result<std::vector<FoundPlace>> Map::around(const PlaceQuery& query, const std::string& match) {
  const Circle& circle = *query.within;
  constexpr double kSlackM = 5;  // The R*Tree rounds to 32-bit floats.
  const Point low = moved(circle.centre, -circle.radius_m - kSlackM, -circle.radius_m - kSlackM);
  const Point high = moved(circle.centre, circle.radius_m + kSlackM, circle.radius_m + kSlackM);
  const std::string text =
      match.empty() ? "" : " AND p.id IN (SELECT rowid FROM place_text WHERE place_text MATCH ?5)";
  TSUKAI_TRY(auto statement,
             database_->prepare(fmt::format("SELECT {} FROM place_box b JOIN place p ON p.id=b.id{}WHERE "
                                            "b.lng1>=?1 AND b.lng0<=?2 AND b.lat1>=?3 AND b.lat0<=?4{}{}",
                                            kColumns, kJoins, category_filter(query), text)));
  statement.bind(1, low.lng).bind(2, high.lng).bind(3, low.lat).bind(4, high.lat);
  if (!match.empty()) statement.bind(5, match);
  TSUKAI_TRY(auto all, read_all(std::move(statement)));
  for (FoundPlace& found : all) found.distance_m = distance_m(circle.centre, found.place.at);
  std::erase_if(all, [&](const FoundPlace& found) { return found.distance_m > circle.radius_m; });
  std::sort(all.begin(), all.end(), [](const FoundPlace& a, const FoundPlace& b) {
    return a.distance_m != b.distance_m ? a.distance_m < b.distance_m : a.row < b.row;
  });
  return all;
}

Result<std::vector<FoundPlace>> Map::search(const PlaceQuery& query) {
  const std::vector<std::string> terms = query_terms(query.text);
  if (terms.empty() && !trimmed(query.text).empty())
    return std::vector<FoundPlace>{};  // Nothing but punctuation.
  if (query.within) {
    TSUKAI_TRY(auto all, around(query, joined(terms, " AND ")));
    if (all.empty() && terms.size() > 1) {
      TSUKAI_TRY(all, around(query, joined(terms, " OR ")));
      return page(std::move(all), query);
    }
    return page(std::move(all), query);
  }
  const std::string wanted = lower(query.text);
  if (const auto nearby = split_nearby(wanted)) {
    TSUKAI_TRY(const auto places, ranked({}, joined(query_terms(nearby->where), " AND ")));
    const auto centre = std::find_if(places.begin(), places.end(),
                                     [&](const FoundPlace& found) { return is_named(found, nearby->where); });
    if (centre != places.end()) {
      PlaceQuery close = query;
      close.text = nearby->what;
      close.within = Circle{centre->place.at, kNearbyM};
      TSUKAI_TRY(auto found, search(close));
      if (!found.empty()) return found;
    }
  }
  TSUKAI_TRY(auto all, ranked(query, joined(terms, " AND ")));
  if (all.empty() && terms.size() > 1) {
    TSUKAI_TRY(auto some, ranked(query, joined(terms, " OR ")));
    all = std::move(some);
  }
  // Whoever types a name means that place: exact names come first, then what lies around a sight that was
  // named.
  const auto order = [&](const FoundPlace& found) {
    return is_named(found, wanted) ? 0 : is_in_area(found, wanted) ? 1 : 2;
  };
  std::vector<FoundPlace> sorted;
  for (const int wave : {0, 1, 2}) {
    for (const FoundPlace& found : all) {
      if (order(found) == wave) sorted.push_back(found);
    }
  }
  return page(std::move(sorted), query);
}

Result<FoundPlace> Map::place(std::string_view id) {
  TSUKAI_TRY(auto statement,
             database_->prepare(fmt::format("SELECT {} FROM place p{}WHERE p.uid=?1", kColumns, kJoins)));
  TSUKAI_TRY(auto all, read_all(std::move(statement.bind(1, trimmed(id)))));
  if (!all.empty()) return std::move(all.front());
  return fail(Code::kNotFound, fmt::format("there is no place with id \"{}\"", shortened(id, 40)),
              "use an id from maps_text_search or maps_around_search");
}

Result<FoundPlace> Map::place_at_row(std::int64_t row) {
  TSUKAI_TRY(auto statement,
             database_->prepare(fmt::format("SELECT {} FROM place p{}WHERE p.id=?1", kColumns, kJoins)));
  TSUKAI_TRY(auto all, read_all(std::move(statement.bind(1, row))));
  if (!all.empty()) return std::move(all.front());
  return fail(Code::kCorrupt,
              fmt::format("{} refers to place {}, which is not there", database_->path(), row),
              "make the file again");
}

Result<FoundPlace> Map::nearest(Point point, double within_m) {
  for (double radius = 100; radius <= within_m; radius *= 3) {
    TSUKAI_TRY(auto all, around({.within = Circle{point, std::min(radius, within_m)}}, ""));
    if (!all.empty()) return std::move(all.front());
  }
  return fail(Code::kNotFound,
              fmt::format("{} is not on this map of {}", to_text(point), region_.city.in(Language::kEnglish)),
              "take coordinates from maps_geo or a search");
}

Result<std::optional<StreetAddress>> Map::street_address(std::string_view text) {
  // The longest run of digits that stands alone is the house number; everything else names the street.
  std::string words, digits;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
    if (end > i) {
      if (digits.empty() && end - i <= 5) digits = text.substr(i, end - i);
      words += ' ';
      i = end;
    } else {
      words += text[i++];
    }
  }
  // Marks of the number itself, not of the street.
  for (const std::string_view mark : {"号", "番地", "番", "No.", "no."}) {
    for (std::size_t at; (at = words.find(mark)) != std::string::npos;) words.replace(at, mark.size(), " ");
  }
  const std::vector<std::string> terms = query_terms(words);
  if (terms.empty()) return std::optional<StreetAddress>();
  StreetAddress address;
  address.number = digits.empty() ? 0 : std::stoi(digits);
  TSUKAI_TRY(auto streets,
             database_->prepare("SELECT s.id, s.en, s.zh, s.ja FROM street_text t JOIN street s ON "
                                "s.id=t.rowid WHERE street_text MATCH ?1 ORDER BY rank, s.id LIMIT 20"));
  // A part of the words may be the district or the city: AND first, then any.
  for (const std::string_view with : {" AND ", " OR "}) {
    streets.reset();
    streets.bind(1, joined(terms, with));
    for (;;) {
      TSUKAI_TRY(const bool row, streets.step());
      if (!row) break;
      const Name name{streets.text(1), streets.text(2), streets.text(3)};
      const std::string whole = lower(words);
      const bool inside = (!name.en.empty() && whole.find(lower(name.en)) != std::string::npos) ||
                          (!name.zh.empty() && words.find(name.zh) != std::string::npos) ||
                          (!name.ja.empty() && words.find(name.ja) != std::string::npos);
      if (with == " OR " && !inside) continue;
      TSUKAI_TRY(auto houses,
                 database_->prepare(fmt::format(
                     "SELECT {} FROM place p{}WHERE p.street=?1 ORDER BY abs(p.number-?2), p.id LIMIT 1",
                     kColumns, kJoins)));
      TSUKAI_TRY(auto nearest,
                 read_all(std::move(
                     houses.bind(1, streets.integer(0)).bind(2, static_cast<std::int64_t>(address.number)))));
      if (nearest.empty()) continue;
      address.street = static_cast<std::int32_t>(streets.integer(0));
      address.name = name;
      address.nearest = std::move(nearest.front());
      address.at = address.nearest.place.at;
      return std::optional<StreetAddress>(std::move(address));
    }
  }
  return std::optional<StreetAddress>();
}

Result<std::vector<std::string>> Map::similar_names(std::string_view text, Language language,
                                                    std::size_t count) {
  std::vector<std::string> names;
  const auto add = [&](const std::vector<FoundPlace>& all) {
    for (const FoundPlace& found : all) {
      const std::string& name = found.place.name.in(language);
      if (names.size() < count && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
    }
  };
  const std::vector<std::string> terms = query_terms(text);
  if (!terms.empty()) {
    TSUKAI_TRY(auto sharing, ranked({}, joined(terms, " OR ")));
    add(sharing);
  }
  if (names.size() < count) {
    // Slips of the finger share a beginning: shorten the words and ask for prefixes.
    std::string match;
    for (const std::string& word : split(lower(text), ' ')) {
      const std::string safe = index_text(word);
      if (safe.size() < 4 || safe.find(' ') != std::string::npos ||
          static_cast<unsigned char>(safe[0]) >= 0x80)
        continue;
      match += fmt::format("{}\"{}\"*", match.empty() ? "" : " OR ",
                           safe.substr(0, std::max<std::size_t>(3, safe.size() / 2)));
    }
    if (!match.empty()) {
      TSUKAI_TRY(auto sharing, ranked({}, "name : (" + match + ")"));
      add(sharing);
    }
  }
  return names;
}

}  // namespace tsukai::maps
