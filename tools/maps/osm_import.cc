#include "tools/maps/osm_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <unordered_map>

#include "base/text.h"
#include "tools/maps/osm_tags.h"

namespace tsukai::maps {
namespace {

std::string text_of(const OsmTags& tags, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (const std::string_view value = tag(tags, key); !value.empty())
      return shortened(repaired_utf8(value), 200);
  }
  return {};
}

// Builds the city while the file streams by. Extracts list nodes before ways, so one pass is enough.
class Importer : public OsmHandler {
 public:
  explicit Importer(ImportReport& report) : report_(report) {}

  Result<void> node(std::int64_t id, Point at, const OsmTags& tags) override {
    if (nodes_.size() >= kImportNodesMax)
      return fail(Code::kExhausted, fmt::format("more than {} nodes", kImportNodesMax),
                  "cut out a smaller area, for example with osmium extract");
    if (report_.ways > 0)
      return fail(Code::kInvalidArgument, "a node comes after a way",
                  "sort the file first: osmium sort IN -o OUT");
    ++report_.nodes;
    sorted_ = sorted_ && (nodes_.empty() || nodes_.back().id < id);
    nodes_.push_back({id, rounded(at)});
    if (tags.empty()) return {};
    note_city(tags);
    add_place('N', id, rounded(at), tags);
    return {};
  }

  Result<void> way(std::int64_t id, const std::vector<std::int64_t>& nodes, const OsmTags& tags) override {
    ++report_.ways;
    if (!sorted_) {
      std::sort(nodes_.begin(), nodes_.end(), [](const Known& a, const Known& b) { return a.id < b.id; });
      sorted_ = true;
    }
    if (const auto road = road_kind(tags)) return add_road(nodes, tags, *road);
    if (!tags.empty() && !place_category(tags).empty()) add_area(id, nodes, tags);
    return {};
  }

  Result<City> finish(const std::string& path, const std::string& city_name) {
    if (city_.edges.empty() && city_.places.empty()) {
      return fail(Code::kInvalidArgument, fmt::format("{} holds neither a road nor a named place", path),
                  "give an extract of a town or region");
    }
    city_.region.city = !city_name.empty() ? Name{city_name, "", ""}
                        : !best_city_.empty()
                            ? best_city_
                            : Name{std::filesystem::path(path).stem().stem().string(), "", ""};
    city_.origin = fmt::format("OpenStreetMap extract {}, (c) OpenStreetMap contributors, ODbL",
                               std::filesystem::path(path).filename().string());
    return std::move(city_);
  }

 private:
  struct Known {
    std::int64_t id;
    Point at;
  };

  const Known* find(std::int64_t id) const {
    const auto at =
        std::lower_bound(nodes_.begin(), nodes_.end(), id,
                         [](const Known& known, std::int64_t wanted) { return known.id < wanted; });
    return at != nodes_.end() && at->id == id ? &*at : nullptr;
  }

  void note_city(const OsmTags& tags) {
    const std::string_view kind = tag(tags, "place");
    if (kind != "city" && kind != "town") return;
    std::int64_t people = kind == "city" ? 100'000 : 1'000;
    const std::string_view population = tag(tags, "population");
    std::from_chars(population.data(), population.data() + population.size(), people);
    if (people > best_population_) best_population_ = people, best_city_ = osm_name(tags);
  }

  std::int32_t street(const Name& name) {
    if (name.empty()) return -1;
    const auto [at, is_new] = streets_.try_emplace(fmt::format("{}\n{}\n{}", name.en, name.zh, name.ja),
                                                   static_cast<std::int32_t>(city_.streets.size()));
    if (is_new) city_.streets.push_back({name});
    return at->second;
  }

  void add_place(char kind, std::int64_t id, Point at, const OsmTags& tags) {
    const std::string_view category = place_category(tags);
    Place place;
    place.name = osm_name(tags);
    if (category.empty() || place.name.empty()) return;
    place.id = fmt::format("{}{}", kind, id);
    if (!ids_.insert({place.id, 0}).second) return;  // An extract that repeats an object, or a hostile one.
    place.category = category;
    place.at = at;
    place.alias = text_of(tags, {"alt_name", "short_name"});
    std::replace(place.alias.begin(), place.alias.end(), ';', '|');
    place.tel = text_of(tags, {"phone", "contact:phone"});
    place.hours = text_of(tags, {"opening_hours"});
    place.tags = text_of(tags, {"cuisine"});
    const std::string road = text_of(tags, {"addr:street", "addr:place"});
    const std::string house = text_of(tags, {"addr:housenumber"});
    if (!road.empty()) {
      Name name;
      const Language language = language_of(road, Language::kEnglish);
      (language == Language::kEnglish ? name.en : language == Language::kChinese ? name.zh : name.ja) = road;
      place.street = street(name);
      int number = 0;
      const auto [end, error] = std::from_chars(house.data(), house.data() + house.size(), number);
      if (error == std::errc() && number > 0) place.number = number;
      // "12a" does not fit a number: then the whole address is kept as text.
      if (!house.empty() && (error != std::errc() || end != house.data() + house.size()))
        place.address = house + " " + road;
    } else {
      place.address = text_of(tags, {"addr:full", "addr:city"});
    }
    city_.places.push_back(std::move(place));
  }

  // A building or park drawn as an outline stands at the middle of its corners.
  void add_area(std::int64_t id, const std::vector<std::int64_t>& nodes, const OsmTags& tags) {
    Point sum;
    int count = 0;
    for (std::size_t i = 0; i + (nodes.size() > 1 && nodes.front() == nodes.back() ? 1 : 0) < nodes.size();
         ++i) {
      const Known* known = find(nodes[i]);
      if (known == nullptr) continue;
      sum = {sum.lng + known->at.lng, sum.lat + known->at.lat};
      ++count;
    }
    if (count > 0) add_place('W', id, rounded({sum.lng / count, sum.lat / count}), tags);
  }

  Result<void> add_road(const std::vector<std::int64_t>& nodes, const OsmTags& tags, const RoadKind& road) {
    Name name = osm_name(tags);
    if (name.empty()) name.en = text_of(tags, {"ref"});
    const std::int32_t named = street(name);
    std::int32_t before = -1;
    Point last;
    for (const std::int64_t id : nodes) {
      const Known* known = find(id);
      if (known == nullptr) {
        ++report_.missing_nodes;
        before = -1;
        continue;
      }
      const auto [at, is_new] = graph_.try_emplace(id, static_cast<std::int32_t>(city_.nodes.size()));
      if (is_new) city_.nodes.push_back(known->at);
      if (before >= 0 && before != at->second) {
        if (city_.edges.size() >= kImportEdgesMax)
          return fail(Code::kExhausted, fmt::format("more than {} road segments", kImportEdgesMax),
                      "cut out a smaller area");
        const double metres = std::ceil(distance_m(last, known->at) * 10) / 10;
        city_.edges.push_back({before, at->second, named, static_cast<float>(std::max(metres, 0.1)),
                               road.access, road.speed_kmh});
      }
      before = at->second;
      last = known->at;
    }
    return {};
  }

  ImportReport& report_;
  City city_;
  std::vector<Known> nodes_;
  bool sorted_ = true;
  std::unordered_map<std::int64_t, std::int32_t> graph_;
  std::unordered_map<std::string, std::int32_t> streets_;
  std::unordered_map<std::string, int> ids_;
  Name best_city_;
  std::int64_t best_population_ = 0;
};

}  // namespace

Result<City> import_osm(const std::string& path, const std::string& city_name, ImportReport& report) {
  Importer importer(report);
  TSUKAI_TRY_VOID(read_osm(path, importer));
  return importer.finish(path, city_name);
}

}  // namespace tsukai::maps
