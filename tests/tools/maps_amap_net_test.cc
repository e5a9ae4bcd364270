// Holds tsukai-maps against Amap's own MCP server: the package as published on npm, its network replaced by
// answers of our making (support/amap_standin.mjs). Label net: npm is asked for the package.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "mcp/client.h"
#include "support/await.h"
#include "support/fake_clock.h"
#include "tools/maps/tools.h"
#include "tools/support/small_city.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

constexpr const char* kPackage = "@amap/amap-maps-mcp-server";
constexpr const char* kVersion = "0.0.8";

struct Question {
  const char* tool;
  const char* arguments;
  Json parsed() const { return parse_json(arguments).value(); }
};
constexpr Question kQuestions[] = {
    {"maps_regeocode", R"({"location": "150.141392,30.242808"})"},
    {"maps_geo", R"({"address": "Old Gate", "city": "Lanwan"})"},
    {"maps_ip_location", R"({"ip": "192.168.1.2"})"},
    {"maps_weather", R"({"city": "Lanwan"})"},
    {"maps_search_detail", R"({"id": "B0LW00002"})"},
    {"maps_bicycling", R"({"origin": "150.141392,30.242808", "destination": "150.127,30.249"})"},
    {"maps_direction_walking", R"({"origin": "150.141392,30.242808", "destination": "150.127,30.249"})"},
    {"maps_direction_driving", R"({"origin": "150.141392,30.242808", "destination": "150.127,30.249"})"},
    {"maps_direction_transit_integrated",
     R"({"origin": "150.141392,30.242808", "destination": "150.095,30.222", "city": "Lanwan", "cityd": "Lanwan"})"},
    {"maps_distance", R"({"origins": "150.141392,30.242808", "destination": "150.127,30.249", "type": "3"})"},
    {"maps_text_search", R"({"keywords": "coffee", "city": "Lanwan"})"},
    {"maps_around_search", R"({"location": "150.141392,30.242808", "keywords": "coffee", "radius": "800"})"}};

struct Theirs {
  std::vector<mcp::Tool> tools;
  std::vector<Json> answers;  // To kQuestions, in order.
};

Task<Theirs> ask_amap(mcp::ServerConfig config) {
  TSUKAI_CO_TRY(auto client, co_await mcp::Client::connect(std::move(config), {}));
  Theirs theirs;
  TSUKAI_CO_TRY(theirs.tools, co_await client->list_tools());
  for (const Question& question : kQuestions) {
    TSUKAI_CO_TRY(const mcp::ToolResult result, co_await client->call_tool(question.tool, question.parsed()));
    if (result.is_error) co_return fail(Code::kInternal, std::string(question.tool) + ": " + result.text());
    TSUKAI_CO_TRY(Json parsed, parse_json(result.text()));
    theirs.answers.push_back(std::move(parsed));
  }
  co_await client->shutdown();
  co_return theirs;
}

// Every field of theirs is in ours, with the same kind of value; of lists the first entries are compared.
void check_covers(const Json& ours, const Json& theirs, const std::string& where) {
  CAPTURE(where);
  CHECK(ours.type_name() == std::string(theirs.type_name()));
  if (theirs.is_object() && ours.is_object()) {
    for (const auto& [key, value] : theirs.items()) {
      CHECK_MESSAGE(ours.contains(key), where, "/", key, " is missing");
      if (ours.contains(key)) check_covers(ours.at(key), value, where + "/" + key);
    }
  }
  if (theirs.is_array() && ours.is_array() && !theirs.empty()) {
    REQUIRE_MESSAGE(!ours.empty(), where, " is empty");
    check_covers(ours.at(0), theirs.at(0), where + "[0]");
  }
}

std::set<std::string> names_in(const Json& schema, const char* member) {
  std::set<std::string> names;
  if (!schema.contains(member)) return names;
  for (const auto& [key, value] : schema.at(member).items())
    names.insert(schema.at(member).is_array() ? value.get<std::string>() : key);
  return names;
}

}  // namespace

TEST_SUITE("tools/maps/amap") {
  TEST_CASE("our tools have the names, arguments and result fields of Amap's server") {
    if (std::system("command -v npm >/dev/null") != 0) {
      MESSAGE("npm is not installed: not compared here");
      return;
    }
    ScratchDir scratch;
    REQUIRE(std::system(("cd " + scratch.path() + " && npm install --silent --no-audit --no-fund " +
                         kPackage + "@" + kVersion + " >log 2>&1")
                            .c_str()) == 0);
    mcp::ServerConfig config;
    config.name = "amap";
    config.command = "node";
    config.args = {"--import", TSUKAI_SOURCE_DIR "/tests/tools/support/amap_standin.mjs",
                   scratch / "node_modules/@amap/amap-maps-mcp-server/build/index.js"};
    config.env = {{"AMAP_MAPS_API_KEY", "none"}};
    auto theirs = await(ask_amap(config));
    REQUIRE_MESSAGE(theirs.has_value(), (theirs ? "" : theirs.error().text()));
    REQUIRE(theirs->tools.size() == tools().size());
    for (std::size_t i = 0; i < tools().size(); ++i) {
      const mcp::Tool& own = tools()[i].tool;
      CHECK(own.name == theirs->tools[i].name);
      CAPTURE(own.name);
      // Ours can be asked for a further page of a search; all else is the same.
      auto arguments = names_in(*own.input_schema, "properties");
      if (own.name.ends_with("_search")) CHECK(arguments.erase("cursor") == 1);
      CHECK(arguments == names_in(*theirs->tools[i].input_schema, "properties"));
      CHECK(names_in(*own.input_schema, "required") == names_in(*theirs->tools[i].input_schema, "required"));
      for (const auto& [name, schema] : own.input_schema->at("properties").items())
        if (name != "cursor")
          CHECK(schema.at("type") == theirs->tools[i].input_schema->at("properties").at(name).at("type"));
    }
    FakeClock clock;
    Service service(small_map(), Language::kEnglish, clock);
    for (std::size_t i = 0; i < std::size(kQuestions); ++i) {
      const std::string name = kQuestions[i].tool;
      for (const ToolEntry& entry : tools()) {
        if (entry.tool.name != name) continue;
        auto answer = entry.function(service, kQuestions[i].parsed());
        REQUIRE_MESSAGE(answer.has_value(), name, ": ", (answer ? "" : answer.error().text()));
        check_covers(*answer->structured, theirs->answers[i], name);
      }
    }
  }
}
