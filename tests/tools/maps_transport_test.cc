// tsukai-maps over both transports, in both eras.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "support/await.h"
#include "tools/support/small_city.h"
#include "tools/support/wire.h"

using namespace tsukai;

namespace {

struct TransportQuestion {
  const char* tool;
  Json arguments;
};

Task<void> ask_everything(Over over, Era era) {
  TSUKAI_CO_TRY(auto wire, co_await Wire::open(TSUKAI_BIN_DIR "/tsukai-maps",
                                               {"--data", maps::small_city_file()}, over, era));
  TSUKAI_CO_TRY(const auto listed, co_await wire->request("tools/list", {}));
  CHECK(listed->at("tools").size() == 12);
  const std::vector<TransportQuestion> questions = {
      {"maps_geo", {{"address", "Old Gate"}}},
      {"maps_regeocode", {{"location", "Old Gate"}}},
      {"maps_ip_location", {{"ip", "192.168.1.2"}}},
      {"maps_weather", {{"city", "Lanwan"}}},
      {"maps_text_search", {{"keywords", "coffee"}}},
      {"maps_around_search", {{"location", "Old Gate"}, {"keywords", "coffee"}}},
      {"maps_search_detail", {{"id", "B0LW00001"}}},
      {"maps_distance", {{"origins", "Old Gate"}, {"destination", "City Museum"}}},
      {"maps_bicycling", {{"origin", "Old Gate"}, {"destination", "City Museum"}}},
      {"maps_direction_walking", {{"origin", "Old Gate"}, {"destination", "City Museum"}}},
      {"maps_direction_driving", {{"origin", "Old Gate"}, {"destination", "City Museum"}}},
      {"maps_direction_transit_integrated",
       {{"origin", "Old Gate"},
        {"destination", "Lanwan University"},
        {"city", "Lanwan"},
        {"cityd", "Lanwan"}}}};
  for (const TransportQuestion& question : questions) {
    TSUKAI_CO_TRY(const auto answer, co_await wire->call(question.tool, question.arguments));
    CAPTURE(question.tool);
    CAPTURE(answer.print().substr(0, 300));
    CHECK_FALSE(bool_at(*answer, "isError"));
    CHECK(answer->contains("structuredContent"));
  }
  TSUKAI_CO_TRY(const auto wrong, co_await wire->call("maps_geo", Json{{"address", "Qwertz"}}));
  CHECK(wrong->at("isError") == true);
  co_await wire->close();
  co_return Result<void>();
}

// All pages of a search, over standard input and output. Gives the ids in order.
Task<std::vector<std::string>> all_pages(std::string tool, JsonValue question) {
  TSUKAI_CO_TRY(auto wire,
                co_await Wire::open(TSUKAI_BIN_DIR "/tsukai-maps", {"--data", maps::small_city_file()},
                                    Over::kStdio, Era::kModern));
  std::vector<std::string> ids;
  Json arguments = *question;
  for (int page = 0; page < 100; ++page) {
    TSUKAI_CO_TRY(const auto answer, co_await wire->call(tool, arguments));
    const Json& content = answer->at("structuredContent");
    for (const Json& poi : content.at("pois")) ids.push_back(poi.at("id"));
    if (!content.contains("next_cursor")) break;
    arguments["cursor"] = content.at("next_cursor");
  }
  co_await wire->close();
  co_return ids;
}

}  // namespace

TEST_SUITE("tools/maps/transport") {
  TEST_CASE("every tool answers over both transports in both eras") {
    for (const Over over : {Over::kStdio, Over::kHttp}) {
      for (const Era era : {Era::kLegacy, Era::kModern}) {
        CAPTURE(static_cast<int>(over));
        CAPTURE(static_cast<int>(era));
        const auto done = await(ask_everything(over, era));
        CHECK_MESSAGE(done.has_value(), (done ? "" : done.error().text()));
      }
    }
  }

  TEST_CASE("the pages of a search hold more than one page does, and nothing twice") {
    for (const auto& [tool, arguments] :
         {std::pair<std::string, Json>{"maps_text_search", {{"keywords", "coffee"}}},
          {"maps_around_search", {{"location", "Old Gate"}, {"radius", "2000"}}}}) {
      CAPTURE(tool);
      const auto ids = await(all_pages(tool, arguments));
      REQUIRE_MESSAGE(ids.has_value(), (ids ? "" : ids.error().text()));
      CHECK(ids->size() > 12);
      CHECK(std::set<std::string>(ids->begin(), ids->end()).size() == ids->size());
    }
  }
}
