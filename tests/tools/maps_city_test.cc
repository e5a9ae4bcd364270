#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "base/hash.h"
#include "tools/maps/category.h"
#include "tools/support/small_city.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

// Every row of every plain table, as text.
std::string contents(const std::string& path) {
  auto database = Database::open(path, {.read_only = true, .create = false});
  REQUIRE(database.has_value());
  std::string all;
  for (const char* sql :
       {"SELECT group_concat(key || '=' || value, char(10)) FROM meta",
        "SELECT group_concat(id || en || zh || ja, char(10)) FROM street",
        "SELECT group_concat(uid || en || zh || ja || category || lng || ',' || lat || number || tel || "
        "hours || rating || cost || tags, "
        "char(10)) FROM place",
        "SELECT group_concat(id || ':' || lng || ',' || lat, char(10)) FROM node",
        "SELECT group_concat(a || '-' || b || ':' || street || length_m || access || speed_kmh, char(10)) "
        "FROM edge",
        "SELECT group_concat(line || position || place || ride_s, char(10)) FROM metro_stop"}) {
    auto statement = database->prepare(sql);
    REQUIRE(statement->step().value());
    all += statement->text(0);
  }
  return all;
}

std::size_t count_of(const City& city, std::string_view category) {
  std::size_t count = 0;
  for (const Place& place : city.places) count += place.category == category;
  return count;
}

}  // namespace

TEST_SUITE("tools/maps/city") {
  TEST_CASE("the same seed gives the same map, another seed another one") {
    ScratchDir scratch;
    REQUIRE(write_map(scratch / "a.db", generate_city(5)).has_value());
    REQUIRE(write_map(scratch / "b.db", generate_city(5)).has_value());
    REQUIRE(write_map(scratch / "c.db", generate_city(6)).has_value());
    CHECK(sha256_hex(contents(scratch / "a.db")) == sha256_hex(contents(scratch / "b.db")));
    CHECK(sha256_hex(contents(scratch / "a.db")) != sha256_hex(contents(scratch / "c.db")));
  }

  TEST_CASE("every place has three names, an id of its own, a known category, and lies in the city") {
    const City& city = small_city();
    CHECK(city.places.size() >= 3000);
    std::set<std::string> ids;
    for (const Place& place : city.places) {
      CAPTURE(place.id);
      CHECK(ids.insert(place.id).second);
      CHECK_FALSE(place.name.en.empty());
      CHECK_FALSE(place.name.zh.empty());
      CHECK_FALSE(place.name.ja.empty());
      CHECK(find_category(place.category) != nullptr);
      CHECK(place.at.lng > 150.0);
      CHECK(place.at.lng < 150.25);
      CHECK(place.at.lat > 30.19);
      CHECK(place.at.lat < 30.29);
      CHECK(place.rating <= 5);
    }
    for (const char* category :
         {"cafe", "noodles", "museum", "park", "hotel", "metro", "supermarket", "books"}) {
      CAPTURE(category);
      CHECK(count_of(city, category) >= 5);
    }
  }

  TEST_CASE("whatever the seed, three cafes near the old gate sell coffee beans") {
    for (const std::uint64_t seed : {1, 2, 99}) {
      const City city = generate_city(seed);
      const auto gate = std::find_if(city.places.begin(), city.places.end(),
                                     [](const Place& p) { return p.name.en == "Old Gate"; });
      REQUIRE(gate != city.places.end());
      int sellers = 0;
      for (const Place& place : city.places) {
        sellers += place.category == "cafe" && place.tags.find("coffee beans") != std::string::npos &&
                   distance_m(place.at, gate->at) < 400;
      }
      CHECK(sellers >= 3);
    }
  }

  TEST_CASE("no road is shorter than the straight line between its ends") {
    const City& city = small_city();
    for (const Edge& edge : city.edges) {
      const double straight = distance_m(city.nodes[static_cast<std::size_t>(edge.from)],
                                         city.nodes[static_cast<std::size_t>(edge.to)]);
      REQUIRE(edge.length_m >= straight * 0.99999);
      REQUIRE(edge.length_m < straight + 1);
    }
  }

  TEST_CASE("a finished map file is one file, without a journal or a lock beside it") {
    ScratchDir scratch;
    REQUIRE(write_map(scratch / "a.db", small_city()).has_value());
    int files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(scratch.path())) ++files;
    CHECK(files == 1);
    REQUIRE(Map::open(scratch / "a.db").has_value());
    files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(scratch.path())) ++files;
    CHECK(files == 1);
  }

  TEST_CASE("a map that cannot be written leaves nothing behind and says where") {
    auto done = write_map("/nonexistent-folder/a.db", City{});
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message().find("/nonexistent-folder/a.db") != std::string::npos);
  }

  TEST_CASE(
      "a file that is missing, damaged, of another program or cut short is refused in one sentence that "
      "names it") {
    ScratchDir scratch;
    scratch.write("text.db", "this is no database at all, but long enough to look at");
    const std::string whole = read_file(small_city_file());
    scratch.write("cut.db", std::string_view(whole).substr(0, whole.size() / 2));
    std::string scribbled = whole;
    for (std::size_t i = 20000; i < 60000; ++i) scribbled[i] = static_cast<char>(i * 7);
    scratch.write("scribbled.db", scribbled);
    {
      auto other = Database::open(scratch / "other.db");
      REQUIRE(other->execute("CREATE TABLE theirs(id INTEGER)").has_value());
      REQUIRE(other->checkpoint().has_value());
    }
    for (const auto& [name, code] :
         {std::pair("missing.db", Code::kNotFound), std::pair("text.db", Code::kCorrupt),
          std::pair("cut.db", Code::kCorrupt), std::pair("scribbled.db", Code::kCorrupt),
          std::pair("other.db", Code::kInvalidArgument)}) {
      CAPTURE(name);
      auto map = Map::open(scratch / name);
      REQUIRE_FALSE(map.has_value());
      CHECK(map.error().code() == code);
      CHECK(map.error().message().find(name) != std::string::npos);
      CHECK_FALSE(map.error().remedy().empty());
    }
  }
}
