#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/find_tools.h"
#include "agent/prompt_rebuild.h"
#include "agent/remote_request.h"
#include "agent/support/situation.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

infer::ToolDefinition tool(std::string name, std::string description, Json properties = Json::object()) {
  return {std::move(name), std::move(description),
          Json{{"type", "object"}, {"properties", std::move(properties)}}};
}

std::vector<std::string> found(const std::vector<infer::ToolDefinition>& tools, std::string_view query) {
  std::vector<std::string> names;
  for (const auto place : ToolIndex(tools).search(query, 3)) names.push_back(tools[place].name);
  return names;
}

}  // namespace

TEST_SUITE("agent/find_tools") {
  TEST_CASE("words are split at capitals, marks and changes of writing") {
    CHECK(tool_words("maps__getWeather v2") == std::vector<std::string>{"maps", "get", "weather", "v2"});
    CHECK(tool_words("天気予報 now") == std::vector<std::string>{"天", "天気", "気予", "予報", "now"});
    CHECK(tool_words("").empty());
  }

  TEST_CASE("a search ranks by names first, then by what descriptions and parameters say") {
    const std::vector<infer::ToolDefinition> tools = {
        tool("maps__maps_geo", "Finds the coordinates of an address.", {{"address", {{"type", "string"}}}}),
        tool("maps__maps_weather", "Forecast for a city.", {{"city", {{"type", "string"}}}}),
        tool("shop__pay", "Pays an order, whatever the weather."),
        tool("shop__refund", "Gives the money back.", {{"order", {{"description", "number of the order"}}}})};
    CHECK(found(tools, "weather") == std::vector<std::string>{"maps__maps_weather", "shop__pay"});
    CHECK(found(tools, "forecasts").front() == "maps__maps_weather");
    CHECK(found(tools, "refund an order").front() == "shop__refund");
    CHECK(found(tools, "address") == std::vector<std::string>{"maps__maps_geo"});
    CHECK(found(tools, "quantum").empty());
    CHECK(found({}, "weather").empty());
  }

  TEST_CASE("with 500 tools the prompt holds one, grows at its end only, and comes back byte for byte") {
    Situation s;
    for (int i = 0; i < 500; ++i)
      s.tool(fmt::format("server{}", i % 20), fmt::format("tool_{}", i),
             answering(fmt::format("answer {}", i)));
    s.tool("server7", "send_invoice", answering("sent"));
    s.script.context_tokens = 11'000;
    s.script.turns = {calls("find_tools", {{"query", "send an invoice"}}),
                      calls("server7__send_invoice", Json::object()),
                      calls("find_tools", {{"query", "tool 123"}}),
                      calls("server3__tool_123", Json::object()), says("done")};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    REQUIRE(s.script.requests.size() == 5);
    for (const auto& request : s.script.requests) {
      REQUIRE(request.tools.size() == 1);
      CHECK(request.tools[0].name == "find_tools");
    }
    CHECK(s.script.requests[0].told_tools.empty());
    CHECK(s.script.requests[1].told_tools.front().name == "server7__send_invoice");
    CHECK(s.script.requests[4].told_tools.size() > 1);
    for (std::size_t i = 1; i < s.script.prompts.size(); ++i)
      CHECK(s.script.prompts[i].text.starts_with(s.script.prompts[i - 1].text));
    CHECK(outcome->totals->at("tokens_recomputed") == 0);
    CHECK(outcome->totals->at("rewound_tokens") == 0);
    const auto rebuilt = rebuild_prompts(s.rows());
    REQUIRE(rebuilt);
    CHECK(rebuilt->back().text == s.script.prompts.back().text);
    // Each turn but the first finds all that stood before in the cache.
    for (const auto& done : s.told("step_done")) {
      if (done["step"] != 1) CHECK(done["prefix_hit_ratio"] > 0.4);
    }
  }

  TEST_CASE("found tools are part of what a grammar allows, hidden ones are not") {
    infer::ChatRequest request;
    request.tools = {tool("find_tools", "")};
    request.told_tools = {tool("maps__weather", "")};
    request.allowed_tools = {"find_tools"};
    const auto allowed = infer::callable_tools(request);
    REQUIRE(allowed.size() == 2);
    CHECK(allowed[1].name == "maps__weather");
  }

  TEST_CASE(
      "a plan's grammar holds the tools that were found, while what the prompt says of it never changes") {
    Situation s;
    s.tool("maps", "weather", answering("rain"),
           {{"type", "object"}, {"properties", {{"city", {{"type", "string"}}}}}, {"required", {"city"}}});
    for (int i = 0; i < 9; ++i) s.tool("maps", fmt::format("other_{}", i), answering("x"));
    s.file.planner = Planner::kPlan;
    s.file.tools_shown = 3;
    s.script.turns = {
        calls("find_tools", {{"query", "weather"}}),
        calls("plan",
              {{"steps", {{{"id", "w"}, {"tool", "maps__weather"}, {"arguments", {{"city", "Kyoto"}}}}}}}),
        says("rain")};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "rain");
    REQUIRE(s.script.requests.size() == 3);
    const auto callable = [&](std::size_t i) { return infer::callable_tools(s.script.requests[i]); };
    REQUIRE(callable(0).size() == 1);
    CHECK(callable(0)[0].name == "find_tools");
    REQUIRE(callable(1).size() == 2);
    CHECK(callable(1)[1].name == "plan");
    const auto grammar = callable(1)[1].input_schema.print();
    CHECK(grammar.find("\"const\":\"maps__weather\"") != std::string::npos);
    CHECK(grammar.find("maps__other_1") == std::string::npos);
    for (const auto& request : s.script.requests) {
      REQUIRE(request.tools.size() == 2);
      CHECK(request.tools[1].input_schema.print() == s.script.requests[0].tools[1].input_schema.print());
      CHECK(request.told_tools.empty());
    }
    CHECK(outcome->totals->at("tokens_recomputed") == 0);
  }

  TEST_CASE("a remote model is given found tools at the end of its list, so what stood before is as it was") {
    const auto spec = parse_remote_spec("vllm:some-model@http://127.0.0.1:1/v1");
    REQUIRE(spec);
    infer::ChatRequest request;
    request.messages = {{.text = "hello"}};
    request.tools = {tool("find_tools", "finds")};
    const auto before = remote_request_body(*spec, request);
    request.told_tools = {tool("maps__weather", "rain")};
    const auto after = remote_request_body(*spec, request);
    REQUIRE(before);
    REQUIRE(after);
    const auto tools = (*parse_json(*after))["tools"];
    REQUIRE(tools.size() == 2);
    CHECK(tools[0] == (*parse_json(*before))["tools"][0]);
    CHECK(tools[1]["function"]["name"] == "maps__weather");
  }
}
