#include "mcp/server.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "support/await.h"

using namespace tsukai;
using namespace tsukai::mcp;

namespace {

Task<ToolOutput> add(Json arguments, CallContext& context) {
  context.progress(1, 2, "half way");
  context.progress(1, 2, "not a step forward");
  co_return ToolOutput{Json{{"sum", arguments["a"].get<int>() + arguments["b"].get<int>()}}, {}};
}

Task<ToolOutput> wait_forever(Json, CallContext&) {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::hours(1)));
  co_return ToolOutput{};
}

Task<ToolOutput> wait_a_little(Json, CallContext&) {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(5)));
  co_return ToolOutput{{}, "done"};
}

Task<ToolOutput> refuse(Json, CallContext&) {
  co_return fail(Code::kNotFound, "no street called Nowhere", "look it up with maps_geo first");
}

Task<ToolOutput> throws(Json, CallContext&) {
  const Json number = 1;
  co_return ToolOutput{Json(number.get<std::string>()), {}};
}

std::unique_ptr<Server> calculator() {
  auto server = Server::make({{"calculator", "Calculator", "1.0"}, "Adds.", 2});
  Tool tool;
  tool.name = "add";
  tool.description = "Adds two numbers";
  tool.input_schema = Json{{"type", "object"},
                           {"properties", {{"a", {{"type", "integer"}}}, {"b", {{"type", "integer"}}}}},
                           {"required", {"a", "b"}},
                           {"additionalProperties", false}};
  tool.output_schema =
      Json{{"type", "object"}, {"properties", {{"sum", {{"type", "integer"}}}}}, {"required", {"sum"}}};
  server->add_tool(tool, add);
  for (auto [name, handler] : {std::pair<const char*, ToolHandler>{"forever", wait_forever},
                               {"little", wait_a_little},
                               {"refuse", refuse},
                               {"throws", throws}}) {
    Tool plain;
    plain.name = name;
    server->add_tool(plain, handler);
  }
  return server;
}

// Sends lines, ends the stream and gives back everything the server said.
Task<std::vector<Json>> exchange(std::vector<std::string> lines) {
  auto executor = co_await asio::this_coro::executor;
  auto [here, there] = memory_transports(executor);
  auto server = calculator();
  Gate gate(executor);
  gate.spawn(server->serve(std::move(there)));
  for (auto& line : lines) (void)here->send(std::move(line));
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(1)));
  std::vector<Json> out;
  here->end();
  co_await gate.drained();
  while (true) {
    TSUKAI_CO_TRY(auto text, co_await here->receive());
    if (!text) break;
    out.push_back(Json::parse(*text));
  }
  co_return out;
}

std::vector<Json> say(std::vector<std::string> lines) {
  const std::string initialize =
      R"({"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}})";
  lines.insert(lines.begin(), initialize);
  auto answers = await(exchange(std::move(lines)));
  REQUIRE(answers.has_value());
  REQUIRE_FALSE(answers->empty());
  answers->erase(answers->begin());
  return *answers;
}

std::string call(std::string tool, Json arguments, Json meta = nullptr, int id = 1) {
  Json params = {{"name", tool}, {"arguments", arguments}};
  if (!meta.is_null()) params["_meta"] = meta;
  return Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", "tools/call"}, {"params", params}}.dump();
}

const Json kModernMeta = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                          {"io.modelcontextprotocol/clientCapabilities", Json::object()}};

}  // namespace

TEST_SUITE("mcp/server") {
  TEST_CASE("initialize settles the client's revision, or offers the newest one") {
    for (auto [asked, given] : {std::pair{"2024-11-05", "2024-11-05"},
                                {"2025-06-18", "2025-06-18"},
                                {"2031-01-01", "2025-11-25"}}) {
      Json request = {{"jsonrpc", "2.0"},
                      {"id", 0},
                      {"method", "initialize"},
                      {"params", {{"protocolVersion", asked}, {"capabilities", Json::object()}}}};
      auto answers = await(exchange({request.dump()}));
      REQUIRE(answers.has_value());
      const Json& result = answers->at(0).at("result");
      CHECK(result["protocolVersion"] == given);
      CHECK(result["serverInfo"]["name"] == "calculator");
      CHECK(result["instructions"] == "Adds.");
      CHECK_FALSE(result.contains("resultType"));
    }
  }

  TEST_CASE("tools are listed page by page, in the order they were added") {
    auto first = say({R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"}).at(0)["result"];
    REQUIRE(first["tools"].size() == 2);
    CHECK(first["tools"][0]["name"] == "add");
    CHECK(first["tools"][0]["outputSchema"]["required"][0] == "sum");
    const Json next = {{"jsonrpc", "2.0"},
                       {"id", 2},
                       {"method", "tools/list"},
                       {"params", {{"cursor", first["nextCursor"]}}}};
    CHECK(say({next.dump()}).at(0)["result"]["tools"][0]["name"] == "little");
    CHECK(say({R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}})"})
              .at(0)["error"]["code"] == -32602);
  }

  TEST_CASE("a call answers with structured content and the same as text, after its progress") {
    auto said = say({call("add", {{"a", 2}, {"b", 3}}, {{"progressToken", "p"}})});
    REQUIRE(said.size() == 2);
    CHECK(said[0]["method"] == "notifications/progress");
    CHECK(said[0]["params"]["progressToken"] == "p");
    CHECK(said[1]["result"]["structuredContent"]["sum"] == 5);
    CHECK(said[1]["result"]["content"][0]["text"] == R"({"sum":5})");
  }

  TEST_CASE("no progress is sent to who did not ask for it") {
    CHECK(say({call("add", {{"a", 2}, {"b", 3}})}).size() == 1);
  }

  TEST_CASE("a bad argument is a result that says what to change") {
    auto result = say({call("add", {{"a", 2}, {"bb", 3}})}).at(0)["result"];
    CHECK(result["isError"] == true);
    const auto text = result["content"][0]["text"].get<std::string>();
    CAPTURE(text);
    CHECK(text.find("did you mean b?") != std::string::npos);
    CHECK(text.find("b (integer, required)") != std::string::npos);
  }

  TEST_CASE("a tool's own error and what it throws are results, and the server lives on") {
    auto said = say({call("refuse", Json::object(), nullptr, 1), call("throws", Json::object(), nullptr, 2),
                     R"({"jsonrpc":"2.0","id":3,"method":"ping"})"});
    REQUIRE(said.size() == 3);
    for (const auto& answer : said) {
      if (answer["id"] == 1)
        CHECK(answer["result"]["content"][0]["text"] ==
              "no street called Nowhere; look it up with maps_geo first");
      if (answer["id"] == 2) CHECK(answer["result"]["isError"] == true);
      if (answer["id"] == 3) CHECK(answer["result"].empty());
    }
  }

  TEST_CASE("calls in flight are answered after end of file; a cancelled one is not") {
    auto said = say({call("little", Json::object(), nullptr, 1), call("forever", Json::object(), nullptr, 2),
                     R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}})",
                     R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}})"});
    REQUIRE(said.size() == 1);
    CHECK(said[0]["result"]["content"][0]["text"] == "done");
  }

  TEST_CASE("one client may have 1,024 calls in flight, and hears that when it asks for more") {
    std::vector<std::string> lines;
    for (int id = 1; id <= 1025; ++id) lines.push_back(call("forever", Json::object(), nullptr, id));
    for (int id = 1; id <= 1024; ++id) {
      lines.push_back(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" +
                      std::to_string(id) + "}}");
    }
    auto said = say(std::move(lines));
    REQUIRE(said.size() == 1);
    CHECK(said[0]["id"] == 1025);
    CHECK(said[0]["error"]["message"] == "1024 calls are in flight; wait for one to end");
  }

  TEST_CASE("what is no protocol gets the error that JSON-RPC names for it") {
    CHECK(say({"{nonsense"}).at(0)["error"]["code"] == -32700);
    CHECK(say({R"({"jsonrpc":"1.0","id":4,"method":"ping"})"}).at(0)["error"]["code"] == -32600);
    CHECK(say({R"({"jsonrpc":"1.0","id":4,"method":"ping"})"}).at(0)["id"] == 4);
    CHECK(say({R"({"jsonrpc":"2.0","id":1,"method":"tools/dance"})"}).at(0)["error"]["code"] == -32601);
    CHECK(say({call("dance", Json::object())}).at(0)["error"]["code"] == -32602);
    CHECK(say({R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])"}).at(0)["error"]["code"] == -32600);
    CHECK(say({R"({"jsonrpc":"2.0","method":"notifications/unheard-of"})"}).empty());
    auto early = await(exchange({R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"}));
    CHECK(early->at(0)["error"]["code"] == -32602);
  }

  TEST_CASE("2026-07-28: every request stands alone and says so in _meta") {
    auto one = [](std::string method, Json meta, Json params = Json::object()) {
      params["_meta"] = meta;
      auto said = await(
          exchange({Json{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}}.dump()}));
      REQUIRE(said.has_value());
      REQUIRE(said->size() == 1);
      return said->at(0);
    };
    auto discovered = one("server/discover", kModernMeta)["result"];
    CHECK(discovered["supportedVersions"] == Json::array({"2026-07-28"}));
    CHECK(discovered["resultType"] == "complete");
    CHECK(discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "calculator");
    auto list = one("tools/list", kModernMeta)["result"];
    CHECK(list["ttlMs"] >= 0);
    CHECK(list["cacheScope"] == "public");
    CHECK(one("tools/call", kModernMeta,
              {{"name", "add"}, {"arguments", {{"a", 1}, {"b", 1}}}})["result"]["structuredContent"]["sum"] ==
          2);
    for (const char* gone : {"ping", "initialize", "logging/setLevel"})
      CHECK(one(gone, kModernMeta)["error"]["code"] == -32601);
    Json wrong = kModernMeta;
    wrong["io.modelcontextprotocol/protocolVersion"] = "2099-01-01";
    CHECK(one("tools/list", wrong)["error"]["code"] == -32022);
    CHECK(one("tools/list", wrong)["error"]["data"]["supported"][0] == "2026-07-28");
    CHECK(one("tools/list", {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"}})["error"]["code"] ==
          -32602);
  }
}
