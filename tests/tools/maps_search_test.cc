#include <algorithm>

#include "tools/maps/index_text.h"
#include "tools/support/small_city.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

std::vector<FoundPlace> found(const PlaceQuery& query) {
  static Map map = small_map();
  auto places = map.search(query);
  REQUIRE_MESSAGE(places.has_value(), (places ? "" : places.error().text()));
  return *std::move(places);
}

std::string first_name(const std::string& text) {
  const auto places = found({.text = text});
  return places.empty() ? "(nothing)" : places.front().place.name.en;
}

bool has(const std::vector<FoundPlace>& places, std::string_view name) {
  return std::any_of(places.begin(), places.end(),
                     [&](const FoundPlace& p) { return p.place.name.en == name; });
}

const Point kGate = [] {
  for (const Place& place : small_city().places) {
    if (place.name.en == "Old Gate") return place.at;
  }
  return Point{};
}();

}  // namespace

TEST_SUITE("tools/maps/search") {
  TEST_CASE("a place is found by its name in each of three languages, whatever the case, and comes first") {
    CHECK(first_name("Old Gate") == "Old Gate");
    CHECK(first_name("the OLD GATE") == "Old Gate");
    CHECK(first_name("老城门") == "Old Gate");
    CHECK(first_name("旧門") == "Old Gate");
    CHECK(first_name("Tea Museum") == "Museum of Tea");
    CHECK(first_name("门楼咖啡烘焙坊") == "Gatehouse Coffee Roasters");
    CHECK(first_name("門楼コーヒー焙煎所") == "Gatehouse Coffee Roasters");
  }

  TEST_CASE("words inside longer Chinese and Japanese names are found") {
    CHECK(has(found({.text = "烘焙坊"}), "Gatehouse Coffee Roasters"));
    CHECK(has(found({.text = "焙煎"}), "Gatehouse Coffee Roasters"));
    CHECK(has(found({.text = "灯塔", .limit = 50}), "White Heron Lighthouse"));
    CHECK_FALSE(found({.text = "寺"}).empty());
  }

  TEST_CASE("a kind of place is found by its synonyms and in the plural") {
    for (const char* text : {"coffee", "cafes", "咖啡", "コーヒー", "café"}) {
      CAPTURE(text);
      const auto places = found({.text = text, .limit = 20});
      REQUIRE(places.size() == 20);
      CHECK(std::count_if(places.begin(), places.end(),
                          [](const FoundPlace& p) { return p.place.category == "cafe"; }) >= 19);
    }
  }

  TEST_CASE("a thing near a sight is looked for around the sight") {
    for (const char* text : {"coffee near the old gate", "coffee beans around Old Gate", "老城门附近的咖啡",
                             "旧門の近くのコーヒー", "coffee old gate"}) {
      CAPTURE(text);
      const auto places = found({.text = text});
      REQUIRE_FALSE(places.empty());
      for (const FoundPlace& place : places) {
        CHECK(place.place.category == "cafe");
        CHECK(distance_m(place.place.at, kGate) <= 1500);
      }
    }
    CHECK(first_name("coffee beans near the old gate") == "Gatehouse Coffee Roasters");
  }

  TEST_CASE("places around a point come nearest first, all within the radius, and none is forgotten") {
    for (const double radius : {150.0, 500.0, 1200.0}) {
      const auto places = found({.within = Circle{kGate, radius}, .limit = 100000});
      std::size_t expected = 0;
      for (const Place& place : small_city().places) expected += distance_m(place.at, kGate) <= radius;
      CHECK(places.size() == expected);
      for (std::size_t i = 0; i < places.size(); ++i) {
        CHECK(places[i].distance_m <= radius);
        if (i > 0) CHECK(places[i].distance_m >= places[i - 1].distance_m);
      }
    }
  }

  TEST_CASE("categories narrow a search") {
    const auto places = found({.categories = {"museum", "gallery"}, .limit = 30});
    CHECK(places.size() > 5);
    for (const FoundPlace& place : places)
      CHECK((place.place.category == "museum" || place.place.category == "gallery"));
  }

  TEST_CASE("pages follow each other without overlap") {
    const auto all = found({.text = "noodles", .limit = 10});
    const auto second = found({.text = "noodles", .limit = 5, .offset = 5});
    REQUIRE(all.size() == 10);
    REQUIRE(second.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) CHECK(all[i + 5].place.id == second[i].place.id);
  }

  TEST_CASE("no text can break the query language of the index") {
    for (const std::string& text :
         {std::string("\""), std::string("a\"b OR *"), std::string("NEAR("), std::string("name : x"),
          std::string("-"), std::string("咖\""), std::string("\xff\xfe"), std::string(5000, 'x'),
          std::string("^ + * ( )"), std::string("a\0b", 3)}) {
      CAPTURE(text);
      CHECK_NOTHROW(found({.text = text}));
    }
  }

  TEST_CASE("Chinese and Japanese are indexed as pairs, other words stay whole") {
    CHECK(index_text("老城门 Gate") == "老城 城门 门 Gate");
    CHECK(index_text("寺") == "寺");
    CHECK(index_text("第3回") == "第 3 回");
    CHECK(query_terms("the coffee").size() == 1);
    CHECK(query_terms("the").size() == 1);
    CHECK(query_terms("  ,;! ").empty());
  }

  TEST_CASE("an address leads to its street, and to the house closest in number") {
    Map map = small_map();
    for (const char* text : {"522 Gate Street", "Gate Street 522, Lanwan", "城门街522号", "門前通り522番"}) {
      CAPTURE(text);
      auto address = map.street_address(text);
      REQUIRE(address.has_value());
      REQUIRE(address->has_value());
      CHECK((*address)->name.en == "Gate Street");
      CHECK((*address)->number == 522);
    }
    CHECK_FALSE(map.street_address("Nowhere Lane 3")->has_value());
  }
}
