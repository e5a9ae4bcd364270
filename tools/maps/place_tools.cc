// Tools about places: geocoding, search, details.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "mcp/page.h"
#include "tools/maps/category.h"
#include "tools/maps/service.h"

namespace tsukai::maps {
namespace {

constexpr double kRadiusDefaultM = 1000;
constexpr double kRadiusMaxM = 50'000;  // As Amap's.
constexpr double kOnMapM = 5000;        // How far beyond the last house a point still counts as on the map.

std::string_view kind_of(const FoundPlace& found, Language language) {
  const Category* category = find_category(found.place.category);
  if (category == nullptr) return {};
  return language == Language::kEnglish   ? category->en
         : language == Language::kChinese ? category->zh
                                          : category->ja;
}

std::string metres(double value) {
  return value < 1000 ? fmt::format("{:.0f} m", value) : fmt::format("{:.1f} km", value / 1000);
}

// One place of a list: id, name, address and typecode are Amap's package's fields; the others Amap's web
// service's.
Json to_poi(const FoundPlace& found, Language language) {
  const Category* category = find_category(found.place.category);
  Json poi = {{"id", found.place.id},
              {"name", found.place.name.in(language)},
              {"address", found.address(language)},
              {"typecode", category != nullptr ? category->typecode : ""},
              {"type", kind_of(found, language)},
              {"location", to_text(found.place.at)}};
  if (found.distance_m >= 0) poi["distance"] = fmt::format("{:.0f}", found.distance_m);
  return poi;
}

std::string to_line(const FoundPlace& found, Language language) {
  std::string line =
      fmt::format("{} (id {}), {}", found.place.name.in(language), found.place.id, kind_of(found, language));
  // Imported places often have none.
  if (const std::string address = found.address(language); !address.empty()) line += ", " + address;
  if (found.distance_m >= 0) line += ", " + metres(found.distance_m);
  if (found.place.rating > 0) line += fmt::format(", rating {:.1f}", found.place.rating);
  return line + ", at " + to_text(found.place.at);
}

struct Page {
  std::vector<FoundPlace> places;
  std::size_t begin = 0;
  std::string next_cursor;  // Empty when there are no more.
};

Result<Page> one_page(Service& service, PlaceQuery query, const Json& arguments) {
  query.limit = kPlacesMax + 1;
  Page page;
  page.begin = query.offset;
  TSUKAI_TRY(page.places, service.map().search(query));
  if (page.places.size() > kPlacesMax) {
    page.places.resize(kPlacesMax);
    page.next_cursor = mcp::cursor_at(query.offset + kPlacesMax, arguments);
  }
  return page;
}

Json to_pois(const std::vector<FoundPlace>& places, Language language) {
  Json pois = Json::array();
  for (const FoundPlace& place : places) pois.push_back(to_poi(place, language));
  return pois;
}

std::string to_lines(const Page& page, Language language) {
  std::string text;
  for (std::size_t i = 0; i < page.places.size(); ++i)
    text +=
        fmt::format("{}{}. {}", i == 0 ? "" : "\n", page.begin + i + 1, to_line(page.places[i], language));
  if (page.places.empty() && page.begin > 0) text = "There are no more.";
  if (!page.next_cursor.empty()) text += fmt::format("\nFor more send cursor \"{}\".", page.next_cursor);
  return text;
}

std::string names_after(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "; similar names: " : ", ") + name;
  return text;
}

// Tags may be given in several languages: those of `language`, or all when it has none.
std::string tags_in(const std::string& tags, Language language) {
  std::string some, all;
  for (const std::string& tag : split(tags, ';')) {
    if (tag.empty()) continue;
    all += (all.empty() ? "" : ", ") + tag;
    if (language_of(tag, Language::kEnglish) == language) some += (some.empty() ? "" : ", ") + tag;
  }
  return some.empty() ? all : some;
}

// Amap's `types`: names or codes between bars. What names no category stays a search word.
void apply_types(std::string_view types, PlaceQuery& query) {
  for (const std::string& type : split(types, '|')) {
    const std::string word(trimmed(type));
    if (word.empty()) continue;
    // A code that ends in zeros stands for all below it: 050000 is everything to eat and drink.
    std::string stem = word;
    while (stem.size() > 2 && stem.ends_with("00")) stem.resize(stem.size() - 2);
    bool any = false;
    for (const Category& category : categories()) {
      if (stem.size() < word.size() && category.typecode.starts_with(stem))
        query.categories.emplace_back(category.key), any = true;
    }
    if (any) continue;
    if (word == "restaurant" || word == "restaurants" || word == "餐厅" || word == "レストラン") {
      // The plain word means every kind of them.
      for (const Category& category : categories()) {
        if (category.typecode.starts_with("0501") || category.typecode.starts_with("0502") ||
            category.key == "restaurant")
          query.categories.emplace_back(category.key);
      }
    } else if (const Category* category = category_named(word)) {
      query.categories.emplace_back(category->key);
    } else {
      query.text += " " + word;
    }
  }
}

// What to add when a caller names another city: the map has one.
std::string city_note(Service& service, const std::string& city) {
  const Name& own = service.map().region().city;
  if (trimmed(city).empty() || own.empty()) return {};
  const std::string& english = own.en;
  const bool same =
      std::equal(city.begin(), city.end(), english.begin(), english.end(),
                 [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); }) ||
      city.find(own.zh.substr(0, 6)) != std::string::npos ||
      city.find(own.ja.substr(0, 6)) != std::string::npos || city == service.map().region().adcode ||
      city == service.map().region().citycode;
  return same ? std::string() : fmt::format("\nThis map covers {} only.", own.in(service.language()));
}

}  // namespace

Result<Answer> geo(Service& service, const Json& arguments) {
  const std::string address = string_at(arguments, "address");
  const Language language = language_of(address, service.language());
  Map& map = service.map();
  const Region& region = map.region();
  Json results = Json::array();
  std::string text;
  const auto add = [&](const FoundPlace& at, const std::string& title, int number, std::string_view level,
                       Point location) {
    results.push_back({{"country", region.country.in(language)},
                       {"province", region.province.in(language)},
                       {"city", region.city.in(language)},
                       {"citycode", region.citycode},
                       {"district", at.district.in(language)},
                       {"street", at.street.in(language)},
                       {"number", number > 0 ? std::to_string(number) : ""},
                       {"adcode", at.adcode.empty() ? region.adcode : at.adcode},
                       {"location", to_text(location)},
                       {"level", level},
                       {"formatted_address", title}});
    text += fmt::format("{}{} is at {}", text.empty() ? "" : "\n", title, to_text(location));
  };
  TSUKAI_TRY(auto found, map.search({.text = address, .limit = 3}));
  const auto titled = [&](const FoundPlace& f) {
    return fmt::format("{}, {}", f.place.name.in(language), f.address(language));
  };
  const auto lowered = [](std::string s) {
    std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
    return s;
  };
  const auto named = [&](const FoundPlace& f) {
    const Name& n = f.place.name;
    for (const std::string& name : {n.en, n.zh, n.ja}) {
      if (!name.empty() && lowered(address).find(lowered(name)) != std::string::npos) return true;
    }
    return false;
  };
  // A name of a place beats a street, a street with a number beats places that merely share words with it.
  const bool exact = !found.empty() && named(found.front());
  std::optional<StreetAddress> street;
  if (!exact) {
    TSUKAI_TRY(street, map.street_address(address));
  }
  if (street) {
    const int number = street->number;
    add(street->nearest,
        fmt::format("{}{}", number > 0 ? fmt::format("{} ", number) : "", street->name.in(language)), number,
        number > 0 ? "house number" : "street", street->at);
  } else {
    if (exact) found.resize(1);
    for (const FoundPlace& place : found)
      add(place, titled(place), place.place.number, "point of interest", place.place.at);
  }
  if (results.empty()) {
    TSUKAI_TRY(const auto similar, map.similar_names(address, language, 4));
    return fail(Code::kNotFound,
                fmt::format("address: no place or street called \"{}\" on this map{}", shortened(address, 60),
                            names_after(similar)),
                "use another name, or search with maps_text_search");
  }
  return Answer{Json{{"return", results}}, text + city_note(service, string_at(arguments, "city"))};
}

Result<Answer> regeocode(Service& service, const Json& arguments) {
  TSUKAI_TRY(const Point point, service.point(arguments, "location"));
  auto found = service.map().nearest(point, kOnMapM);
  if (!found) return fail(std::move(found).error().in("location"));
  const FoundPlace near = std::move(*found);
  const Language language = service.language();
  const Region& region = service.map().region();
  const std::string whole = fmt::format("{}, {}, near {}", near.address(language), region.city.in(language),
                                        near.place.name.in(language));
  // "provice" is how Amap's package spells it; callers read that key.
  return Answer{Json{{"provice", region.province.in(language)},
                     {"city", region.city.in(language)},
                     {"district", near.district.in(language)},
                     {"formatted_address", whole}},
                whole + ", " + region.province.in(language)};
}

Result<Answer> text_search(Service& service, const Json& arguments) {
  PlaceQuery query;
  query.text = string_at(arguments, "keywords");
  TSUKAI_TRY(query.offset, mcp::page_begin(arguments));
  const std::string asked = query.text;
  apply_types(string_at(arguments, "types"), query);
  const Language language = language_of(asked, service.language());
  TSUKAI_TRY(const Page page, one_page(service, query, arguments));
  Json suggested = Json::array();
  Json answer = {{"pois", to_pois(page.places, language)}};
  std::string text = to_lines(page, language);
  if (page.places.empty() && query.offset == 0) {
    TSUKAI_TRY(const auto similar, service.map().similar_names(asked, language, 4));
    for (const std::string& name : similar) suggested.push_back(name);
    text =
        fmt::format("Nothing matches \"{}\"{}. Try fewer or other words, such as cafe, museum, park, hotel.",
                    shortened(asked, 60), names_after(similar));
  }
  answer["suggestion"] = {{"keywords", suggested}, {"ciytes", Json::array()}};
  if (!page.next_cursor.empty()) answer["next_cursor"] = page.next_cursor;
  return Answer{std::move(answer), text + city_note(service, string_at(arguments, "city"))};
}

Result<Answer> around_search(Service& service, const Json& arguments) {
  TSUKAI_TRY(const Point centre, service.point(arguments, "location"));
  double radius = kRadiusDefaultM;
  if (const std::string text(trimmed(string_at(arguments, "radius"))); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), radius);
    if (error != std::errc() || !(radius >= 1 && radius <= kRadiusMaxM)) {
      return fail(Code::kInvalidArgument, fmt::format("radius is \"{}\"", shortened(text, 20)),
                  fmt::format("give metres from 1 to {:.0f}, for example 800", kRadiusMaxM));
    }
  }
  PlaceQuery query;
  query.text = string_at(arguments, "keywords");
  query.within = Circle{centre, radius};
  TSUKAI_TRY(query.offset, mcp::page_begin(arguments));
  const Language language = language_of(query.text, service.language());
  TSUKAI_TRY(const Page page, one_page(service, query, arguments));
  Json answer = {{"pois", to_pois(page.places, language)}};
  if (!page.next_cursor.empty()) answer["next_cursor"] = page.next_cursor;
  std::string text = to_lines(page, language);
  if (page.places.empty() && query.offset == 0) {
    text = fmt::format("Nothing{} within {} of {}.",
                       query.text.empty() ? "" : fmt::format(" matches \"{}\"", shortened(query.text, 60)),
                       metres(radius), to_text(centre));
    query.within->radius_m = kRadiusMaxM;
    query.limit = 1;
    TSUKAI_TRY(const auto farther, service.map().search(query));
    if (!farther.empty()) {
      text += fmt::format(" The nearest is {} at {}: raise radius above {:.0f}.",
                          farther[0].place.name.in(language), metres(farther[0].distance_m),
                          std::ceil(farther[0].distance_m));
    } else {
      text += " Try another keyword, such as cafe, museum, park, hotel.";
    }
  }
  return Answer{std::move(answer), text};
}

Result<Answer> search_detail(Service& service, const Json& arguments) {
  TSUKAI_TRY(const FoundPlace found, service.map().place(string_at(arguments, "id")));
  const Language language = service.language();
  const Place& place = found.place;
  Json detail = {{"id", place.id},
                 {"name", place.name.in(language)},
                 {"location", to_text(place.at)},
                 {"address", found.address(language)},
                 {"business_area", found.area.in(language)},
                 {"city", service.map().region().city.in(language)},
                 {"type", kind_of(found, language)},
                 {"alias", place.alias}};
  const std::string address = found.address(language), point = to_text(place.at);
  std::string text = fmt::format("{} is a {} at {}", place.name.in(language), kind_of(found, language),
                                 address.empty() ? point : fmt::format("{} ({})", address, point));
  const auto add = [&](const char* key, const std::string& value, const std::string& words) {
    if (value.empty()) return;
    detail[key] = value;
    text += words;
  };
  // An empty field says less than no field: what is unknown is left out.
  add("tel", place.tel, ". Telephone " + place.tel);
  add("open_time", place.hours, ". Open " + place.hours);
  add("rating", place.rating > 0 ? fmt::format("{:.1f}", place.rating) : "",
      fmt::format(". Rating {:.1f} of 5", place.rating));
  add("cost", place.cost > 0 ? fmt::format("{:.2f}", place.cost) : "",
      fmt::format(". About {:.0f} per person", place.cost));
  add("price_level", place.price_level > 0 ? std::to_string(place.price_level) : "", "");
  const std::string tags = tags_in(place.tags, language);
  add("tag", tags, ". Offers: " + tags);
  std::string others;
  for (const std::string& name : {place.name.en, place.name.zh, place.name.ja}) {
    if (!name.empty() && name != place.name.in(language)) others += (others.empty() ? "" : ", ") + name;
  }
  if (!others.empty()) text += ". Also called " + others;
  return Answer{std::move(detail), text + "."};
}

}  // namespace tsukai::maps
