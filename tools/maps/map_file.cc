#include "tools/maps/map_file.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "base/database.h"
#include "base/random.h"
#include "base/text.h"
#include "tools/maps/category.h"
#include "tools/maps/generate.h"
#include "tools/maps/index_text.h"
#include "tools/maps/map_schema.h"
#include "tools/maps/road_graph.h"

namespace tsukai::maps {
namespace {

constexpr double kAreaWithinM = 700;  // How far the name of a sight reaches as the name of its neighbourhood.

std::string all_names(const Name& name) { return fmt::format("{} {} {}", name.en, name.zh, name.ja); }

// The best known place nearby, whose name people add when they search: "coffee near the Old Gate".
class Areas {
 public:
  explicit Areas(const City& city) {
    for (const Place& place : city.places) {
      if (place.category == "sight" || place.category == "university" || place.category == "train")
        landmarks_.push_back(&place);
    }
  }
  const Name* around(Point at) const {
    const Place* best = nullptr;
    double least = kAreaWithinM;
    for (const Place* landmark : landmarks_) {
      // Cheap test first: imported maps have thousands of sights.
      if (std::abs(landmark->at.lat - at.lat) * kMetresPerDegree > least) continue;
      const double metres = distance_m(landmark->at, at);
      if (metres <= least) least = metres, best = landmark;
    }
    return best == nullptr ? nullptr : &best->name;
  }

 private:
  std::vector<const Place*> landmarks_;
};

Result<void> write_meta(Database& database, const City& city) {
  TSUKAI_TRY(auto insert, database.prepare("INSERT INTO meta(key, value) VALUES(?1, ?2)"));
  const auto put = [&](std::string_view key, std::string_view value) {
    return insert.bind(1, key).bind(2, value).run();
  };
  const auto put_name = [&](const std::string& key, const Name& name) -> Result<void> {
    TSUKAI_TRY_VOID(put(key + ".en", name.en));
    TSUKAI_TRY_VOID(put(key + ".zh", name.zh));
    return put(key + ".ja", name.ja);
  };
  TSUKAI_TRY_VOID(put_name("country", city.region.country));
  TSUKAI_TRY_VOID(put_name("province", city.region.province));
  TSUKAI_TRY_VOID(put_name("city", city.region.city));
  TSUKAI_TRY_VOID(put("citycode", city.region.citycode));
  TSUKAI_TRY_VOID(put("adcode", city.region.adcode));
  return put("origin", city.origin);
}

Result<void> write_streets(Database& database, const City& city) {
  TSUKAI_TRY(auto district,
             database.prepare("INSERT INTO district(id, en, zh, ja, adcode) VALUES(?1, ?2, ?3, ?4, ?5)"));
  for (std::size_t i = 0; i < city.districts.size(); ++i) {
    const District& d = city.districts[i];
    TSUKAI_TRY_VOID(district.bind(1, static_cast<std::int64_t>(i))
                        .bind(2, d.name.en)
                        .bind(3, d.name.zh)
                        .bind(4, d.name.ja)
                        .bind(5, d.adcode)
                        .run());
  }
  TSUKAI_TRY(auto street, database.prepare("INSERT INTO street(id, en, zh, ja) VALUES(?1, ?2, ?3, ?4)"));
  TSUKAI_TRY(auto text, database.prepare("INSERT INTO street_text(rowid, name) VALUES(?1, ?2)"));
  for (std::size_t i = 0; i < city.streets.size(); ++i) {
    const Name& name = city.streets[i].name;
    TSUKAI_TRY_VOID(street.bind(1, static_cast<std::int64_t>(i))
                        .bind(2, name.en)
                        .bind(3, name.zh)
                        .bind(4, name.ja)
                        .run());
    TSUKAI_TRY_VOID(text.bind(1, static_cast<std::int64_t>(i)).bind(2, index_text(all_names(name))).run());
  }
  return {};
}

Result<void> write_places(Database& database, const City& city) {
  TSUKAI_TRY(auto row, database.prepare("INSERT INTO place(id, uid, en, zh, ja, alias, category, lng, lat, "
                                        "district, street, number, address, tel, hours, rating, cost,"
                                        " price_level, tags, area_en, area_zh, area_ja)"
                                        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
                                        "?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"));
  TSUKAI_TRY(auto box, database.prepare(
                           "INSERT INTO place_box(id, lng0, lng1, lat0, lat1) VALUES(?1, ?2, ?2, ?3, ?3)"));
  TSUKAI_TRY(auto text,
             database.prepare("INSERT INTO place_text(rowid, name, kind, address) VALUES(?1, ?2, ?3, ?4)"));
  const Areas areas(city);
  for (std::size_t i = 0; i < city.places.size(); ++i) {
    const Place& p = city.places[i];
    const auto id = static_cast<std::int64_t>(i) + 1;
    const Name* near = areas.around(p.at);
    const Name area = near != nullptr ? *near : Name{};
    TSUKAI_TRY_VOID(row.bind(1, id)
                        .bind(2, p.id)
                        .bind(3, p.name.en)
                        .bind(4, p.name.zh)
                        .bind(5, p.name.ja)
                        .bind(6, p.alias)
                        .bind(7, p.category)
                        .bind(8, p.at.lng)
                        .bind(9, p.at.lat)
                        .bind(10, static_cast<std::int64_t>(p.district))
                        .bind(11, static_cast<std::int64_t>(p.street))
                        .bind(12, static_cast<std::int64_t>(p.number))
                        .bind(13, p.address)
                        .bind(14, p.tel)
                        .bind(15, p.hours)
                        .bind(16, p.rating)
                        .bind(17, p.cost)
                        .bind(18, static_cast<std::int64_t>(p.price_level))
                        .bind(19, p.tags)
                        .bind(20, area.en)
                        .bind(21, area.zh)
                        .bind(22, area.ja)
                        .run());
    TSUKAI_TRY_VOID(box.bind(1, id).bind(2, p.at.lng).bind(3, p.at.lat).run());
    const Category* category = find_category(p.category);
    TSUKAI_CHECK(category != nullptr, p.category);
    std::string address = fmt::format("{} {} {}", all_names(city.region.city), all_names(area), p.address);
    if (p.district >= 0)
      address += " " + all_names(city.districts[static_cast<std::size_t>(p.district)].name);
    if (p.street >= 0) address += " " + all_names(city.streets[static_cast<std::size_t>(p.street)].name);
    TSUKAI_TRY_VOID(text.bind(1, id)
                        .bind(2, index_text(fmt::format("{} | {}", all_names(p.name), p.alias)))
                        .bind(3, index_text(fmt::format("{} {} {} {} | {}", category->en, category->zh,
                                                        category->ja, category->words, p.tags)))
                        .bind(4, index_text(address))
                        .run());
  }
  return {};
}

Result<void> write_roads(Database& database, const City& city) {
  TSUKAI_TRY(auto node, database.prepare("INSERT INTO node(id, lng, lat) VALUES(?1, ?2, ?3)"));
  for (std::size_t i = 0; i < city.nodes.size(); ++i) {
    TSUKAI_TRY_VOID(node.bind(1, static_cast<std::int64_t>(i))
                        .bind(2, city.nodes[i].lng)
                        .bind(3, city.nodes[i].lat)
                        .run());
  }
  TSUKAI_TRY(
      auto edge,
      database.prepare(
          "INSERT INTO edge(a, b, street, length_m, access, speed_kmh) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
  for (const Edge& e : city.edges) {
    TSUKAI_TRY_VOID(edge.bind(1, static_cast<std::int64_t>(e.from))
                        .bind(2, static_cast<std::int64_t>(e.to))
                        .bind(3, static_cast<std::int64_t>(e.street))
                        .bind(4, static_cast<double>(e.length_m))
                        .bind(5, static_cast<std::int64_t>(e.access))
                        .bind(6, static_cast<std::int64_t>(e.speed_kmh))
                        .run());
  }
  TSUKAI_TRY(auto line, database.prepare(
                            "INSERT INTO metro_line(id, en, zh, ja, headway_s) VALUES(?1, ?2, ?3, ?4, ?5)"));
  TSUKAI_TRY(auto stop,
             database.prepare(
                 "INSERT INTO metro_stop(line, position, place, ride_s, ride_m) VALUES(?1, ?2, ?3, ?4, ?5)"));
  for (std::size_t i = 0; i < city.lines.size(); ++i) {
    const MetroLine& l = city.lines[i];
    TSUKAI_TRY_VOID(line.bind(1, static_cast<std::int64_t>(i))
                        .bind(2, l.name.en)
                        .bind(3, l.name.zh)
                        .bind(4, l.name.ja)
                        .bind(5, static_cast<std::int64_t>(l.headway_s))
                        .run());
    for (std::size_t k = 0; k < l.stations.size(); ++k) {
      TSUKAI_TRY_VOID(stop.bind(1, static_cast<std::int64_t>(i))
                          .bind(2, static_cast<std::int64_t>(k))
                          .bind(3, static_cast<std::int64_t>(l.stations[k]) + 1)
                          .bind(4, static_cast<std::int64_t>(l.ride_s[k]))
                          .bind(5, static_cast<std::int64_t>(l.ride_m[k]))
                          .run());
    }
  }
  return {};
}

Result<void> write_hierarchies(Database& database, const City& city, const OnStage& on_stage) {
  if (city.nodes.size() < RoadGraph::kHierarchyNodesMin) return {};
  RoadGraph roads(city.nodes, city.edges);
  TSUKAI_TRY(auto insert, database.prepare("INSERT INTO hierarchy(mode, data) VALUES(?1, ?2)"));
  for (const Mode mode : {Mode::kWalk, Mode::kCycle, Mode::kDrive}) {
    const char* const stage = mode == Mode::kWalk    ? "preparing routes on foot"
                              : mode == Mode::kCycle ? "preparing routes by bicycle"
                                                     : "preparing routes by car";
    roads.prepare(mode, [&](std::size_t done, std::size_t total) {
      if (on_stage) on_stage(stage, done, total);
    });
    TSUKAI_TRY_VOID(
        insert.bind(1, static_cast<std::int64_t>(mode)).bind_blob(2, roads.hierarchy(mode).bytes()).run());
  }
  return {};
}

Result<void> write_into(const std::string& path, const City& city, const OnStage& on_stage) {
  TSUKAI_TRY(auto database, Database::open(path));
  TSUKAI_TRY_VOID(database.migrate("map", map_schema()));
  TSUKAI_TRY_VOID(database.write([&]() -> Result<void> {
    TSUKAI_TRY_VOID(write_meta(database, city));
    TSUKAI_TRY_VOID(write_streets(database, city));
    TSUKAI_TRY_VOID(write_places(database, city));
    TSUKAI_TRY_VOID(write_roads(database, city));
    TSUKAI_TRY_VOID(write_hierarchies(database, city, on_stage));
    return database.execute("INSERT INTO place_text(place_text) VALUES('optimize')");
  }));
  TSUKAI_TRY_VOID(database.checkpoint());
  // A map file is read by many and changed by none: without a WAL it is a single file that may lie on a
  // read-only disk.
  return database.execute("PRAGMA journal_mode=DELETE");
}

}  // namespace

Result<void> write_map(const std::string& path, const City& city, const OnStage& on_stage) {
  const std::string temporary = fmt::format("{}.tmp-{}", path, random_id(8));
  Result<void> done = write_into(temporary, city, on_stage);
  std::error_code error;
  std::filesystem::remove(temporary + ".lock", error);
  if (done) {
    std::filesystem::rename(temporary, path, error);
    if (!error) return {};
    done = fail(Code::kDenied, fmt::format("write {}: {}", path, error.message()), "choose another file");
  }
  for (const char* suffix : {"", "-wal", "-shm", "-journal"})
    std::filesystem::remove(temporary + suffix, error);
  return fail(std::move(done).error().in(fmt::format("write map {}", path)));
}

Result<std::string> cached_city(std::uint64_t seed) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if ((cache == nullptr || *cache == '\0') && (home == nullptr || *home == '\0')) {
    return fail(Code::kNotFound,
                "neither $XDG_CACHE_HOME nor $HOME is set, so there is no folder for the map",
                "give --data FILE");
  }
  const std::filesystem::path folder =
      (cache != nullptr && *cache != '\0' ? std::filesystem::path(cache)
                                          : std::filesystem::path(home) / ".cache") /
      "tsukai";
  const std::string path =
      (folder / fmt::format("lanwan-seed{}-city{}-map{}.db", seed, kGeneratorVersion, kFormatVersion))
          .string();
  std::error_code error;
  if (std::filesystem::exists(path, error)) return path;
  std::filesystem::create_directories(folder, error);
  if (error)
    return fail(Code::kDenied, fmt::format("create {}: {}", folder.string(), error.message()),
                "set $XDG_CACHE_HOME, or give --data FILE");
  TSUKAI_TRY_VOID(write_map(path, generate_city(seed)));
  return path;
}

}  // namespace tsukai::maps
