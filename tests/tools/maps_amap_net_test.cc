// Holds tsukai-maps against Amap's own MCP server: the package as published on npm, its network replaced by
// answers of our making (support/amap_standin.mjs). Label net: npm is asked for the package.
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "mcp/client.h"
#include "support/await.h"
#include "support/fake_clock.h"
#include "tools/maps/tools.h"
#include "tools/support/program.h"
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

// The words that start Amap's server with the stand-in for its network; installed once for the tests of this
// file.
const std::vector<std::string>& amap() {
  static const ScratchDir folder;
  static const std::vector<std::string> words = [] {
    const std::string in = folder.path();
    REQUIRE(std::system(("cd " + in + " && npm install --silent --no-audit --no-fund --prefix " + in + " " +
                         kPackage + "@" + kVersion + " >log 2>&1")
                            .c_str()) == 0);
    return std::vector<std::string>{"node", "--import",
                                    TSUKAI_SOURCE_DIR "/tests/tools/support/amap_standin.mjs",
                                    folder / "node_modules/@amap/amap-maps-mcp-server/build/index.js"};
  }();
  return words;
}

bool npm_is_here() {
  if (std::system("command -v npm >/dev/null 2>&1") == 0) return true;
  MESSAGE("npm is not installed: not compared here");
  return false;
}

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
    if (!npm_is_here()) return;
    mcp::ServerConfig config;
    config.name = "amap";
    config.command = amap()[0];
    config.args = {amap().begin() + 1, amap().end()};
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

  TEST_CASE("one agent file runs against tsukai-maps and against Amap's server, with the same calls") {
    if (!npm_is_here()) return;
    cli::Home home;
    Json script = Json::array();
    for (const Question& question : kQuestions)
      script.push_back({std::string("maps__") + question.tool, question.parsed()});
    home.write("script.json", print_json(script));
    cli::Program model(
        home, {"/bin/sh", "-c",
               "exec node " TSUKAI_SOURCE_DIR "/tests/tools/support/scripted_model.mjs script.json >url"});
    const std::string url(trimmed(cli::wait_for_file(home / "url")));
    home.write("agent.yaml", "name: guide\nmodel: openai:scripted@" + url +
                                 " key=none\ninstructions: Use the map.\nservers:\n"
                                 "  maps: {command: maps-server, env: {AMAP_MAPS_API_KEY: none}}\n"
                                 "budget: {steps: 20, tool_calls: 20}\n");
    // What maps-server is depends on the PATH alone.
    std::string theirs = "exec";
    for (const std::string& word : amap()) theirs += " '" + word + "'";
    const std::string path = home.environment["PATH"];
    std::vector<Json> called[2];
    for (const bool own : {true, false}) {
      CAPTURE(own);
      const std::string folder = own ? "own" : "amap";
      const std::string program =
          home.write(folder + "/maps-server",
                     "#!/bin/sh\n" + (own ? "exec " TSUKAI_BIN_DIR "/tsukai-maps" : theirs) + "\n");
      std::filesystem::permissions(program, std::filesystem::perms::owner_all);
      home.environment["PATH"] = home / folder + ":" + path;
      const cli::Finished finished = cli::tsukai(home, {"run", "agent.yaml", "Look around.", "--json"});
      CHECK_MESSAGE(finished.exit == 0, finished.out, finished.err);
      for (const std::string& line : split(finished.out, '\n')) {
        if (line.empty()) continue;
        const Json event = parse_json(line).value();
        if (event.at("type") == "tool_call")
          called[own].push_back({event.at("data").at("tool"), event.at("data").at("arguments")});
        if (event.at("type") == "tool_result")
          CHECK_MESSAGE(event.at("data").at("is_error") == false,
                        event.at("data").at("text").get<std::string>());
      }
    }
    CHECK(called[0].size() == std::size(kQuestions));
    CHECK(called[0] == called[1]);
  }
}
