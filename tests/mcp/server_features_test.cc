// Resources, prompts, completion, questions to the client and announcements, in both eras, over a memory
// transport.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "mcp/server.h"
#include "mcp/server_registry.h"
#include "support/await.h"

using namespace tsukai;
using namespace tsukai::mcp;

namespace {

Task<ToolOutput> greet(Json, CallContext& context) {
  std::map<std::string, InputRequest> first, second;
  first.emplace("name", InputRequest{"elicitation/create", Json{{"message", "Your name?"}}});
  second.emplace("town", InputRequest{"elicitation/create", Json{{"message", "Your town?"}}});
  TSUKAI_CO_TRY(auto name, co_await context.ask(std::move(first)));
  TSUKAI_CO_TRY(auto town, co_await context.ask(std::move(second)));
  co_return ToolOutput{
      {},
      string_at((*name.at("name"))["content"], "v") + " of " + string_at((*town.at("town"))["content"], "v")};
}
Task<ToolOutput> chatter(Json, CallContext& context) {
  context.log("debug", "test", Json("low"));
  context.log("error", "test", Json("high"));
  co_return ToolOutput{{}, "done"};
}
Task<std::vector<ResourceContent>> note(std::string uri, std::map<std::string, std::string> variables,
                                        CallContext&) {
  if (variables["day"] == "never") co_return fail(Code::kNotFound, "no note for never");
  co_return std::vector<ResourceContent>{{uri, "text/plain", "note of " + variables["day"]},
                                         {uri, "", "\x01\x02", true}};
}
Task<PromptOutput> prompt(std::map<std::string, std::string> arguments, CallContext&) {
  co_return PromptOutput{
      "d", Json::array({{{"role", "user"}, {"content", {{"type", "text"}, {"text", arguments["topic"]}}}}})};
}
Task<std::vector<std::string>> completion(JsonValue, std::string, std::string value) {
  co_return std::vector<std::string>(150, value + "x");
}

std::unique_ptr<Server> notes() {
  auto server = Server::make({{"notes", "", "1"}, "", 0, true, true});
  for (auto [name, handler] : {std::pair<const char*, ToolHandler>{"greet", greet}, {"chatter", chatter}}) {
    Tool tool;
    tool.name = name;
    server->add_tool(tool, handler);
  }
  server->add_resource_template({"note://{day}/text", "note", "", "", "text/plain"}, note);
  server->add_prompt({"write", "", "", {{"topic", "what about", true}}}, prompt);
  server->set_completion(completion);
  return server;
}

// A client that says what it is told to, line by line, and gives back the next message each time.
struct Client {
  explicit Client(asio::any_io_executor executor) : server(notes()), gate(executor) {
    auto [mine, theirs] = memory_transports(executor);
    transport = std::move(mine);
    gate.spawn(server->serve(std::move(theirs)));
  }
  void say(Json message) {
    message["jsonrpc"] = "2.0";
    (void)transport->send(message.dump());
  }
  Task<Json> hear() {
    TSUKAI_CO_TRY(auto text, co_await with_deadline(transport->receive(), std::chrono::seconds(5),
                                                    "hearing the server"));
    if (!text) co_return fail(Code::kTransport, "the server has ended");
    co_return Json::parse(*text);
  }
  Task<Json> ask(std::string method, Json params) {
    say({{"id", 1}, {"method", std::move(method)}, {"params", std::move(params)}});
    return hear();
  }
  Task<Json> open(Json capabilities) {
    return ask("initialize", {{"protocolVersion", "2025-11-25"}, {"capabilities", std::move(capabilities)}});
  }

  std::unique_ptr<Server> server;
  std::unique_ptr<Transport> transport;
  Gate gate;
};

Json server_features_modern(Json params, Json capabilities = Json::object()) {
  params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28";
  params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = std::move(capabilities);
  return params;
}
Json accept(const char* value) { return {{"action", "accept"}, {"content", {{"v", value}}}}; }

// Runs a conversation and ends it.
template <typename Body>
void talk(Body body) {
  struct Run {
    static Task<void> run(Body body) {
      Client client(co_await asio::this_coro::executor);
      auto outcome = co_await body(client);
      client.transport->end();
      co_await client.gate.drained();
      co_return outcome;
    }
  };
  auto outcome = await(Run::run(std::move(body)));
  if (!outcome) FAIL(outcome.error().text());
}

Task<void> legacy_resources(Client& client) {
  TSUKAI_CO_TRY(auto opened, co_await client.open(Json::object()));
  CHECK(opened["result"]["capabilities"]["resources"]["subscribe"] == true);
  CHECK(opened["result"]["capabilities"].contains("completions"));
  TSUKAI_CO_TRY(auto list, co_await client.ask("resources/templates/list", Json::object()));
  CHECK(list["result"]["resourceTemplates"][0]["uriTemplate"] == "note://{day}/text");
  TSUKAI_CO_TRY(auto read, co_await client.ask("resources/read", {{"uri", "note://monday/text"}}));
  CHECK(read["result"]["contents"][0]["text"] == "note of monday");
  CHECK(read["result"]["contents"][1]["blob"] == "AQI=");
  for (const char* uri : {"note://never/text", "note://a/b/text", "else://x"}) {
    TSUKAI_CO_TRY(auto missing, co_await client.ask("resources/read", {{"uri", uri}}));
    CHECK(missing["error"]["code"] == -32002);
    CHECK(missing["error"]["data"]["uri"] == uri);
  }
  co_return Result<void>();
}

Task<void> legacy_prompts(Client& client) {
  TSUKAI_CO_TRY_VOID(co_await client.open(Json::object()));
  TSUKAI_CO_TRY(auto got,
                co_await client.ask("prompts/get", {{"name", "write"}, {"arguments", {{"topic", "rain"}}}}));
  CHECK(got["result"]["messages"][0]["content"]["text"] == "rain");
  TSUKAI_CO_TRY(auto without, co_await client.ask("prompts/get", {{"name", "write"}}));
  CHECK(without["error"]["message"] == "prompt write needs the argument topic");
  TSUKAI_CO_TRY(auto values, co_await client.ask("completion/complete",
                                                 {{"ref", {{"type", "ref/prompt"}, {"name", "write"}}},
                                                  {"argument", {{"name", "topic"}, {"value", "r"}}}}));
  CHECK(values["result"]["completion"]["values"].size() == 100);
  CHECK(values["result"]["completion"]["hasMore"] == true);
  co_return Result<void>();
}

Task<void> legacy_questions(Client& client) {
  TSUKAI_CO_TRY_VOID(co_await client.open({{"elicitation", Json::object()}}));
  TSUKAI_CO_TRY(auto first, co_await client.ask("tools/call", {{"name", "greet"}}));
  CHECK(first["method"] == "elicitation/create");
  CHECK(first["params"]["message"] == "Your name?");
  client.say({{"id", first["id"]}, {"result", accept("Mika")}});
  TSUKAI_CO_TRY(auto second, co_await client.hear());
  client.say({{"id", second["id"]}, {"result", accept("Kyoto")}});
  TSUKAI_CO_TRY(auto answer, co_await client.hear());
  CHECK(answer["result"]["content"][0]["text"] == "Mika of Kyoto");
  co_return Result<void>();
}

Task<void> legacy_questions_not_offered(Client& client) {
  TSUKAI_CO_TRY_VOID(co_await client.open(Json::object()));
  TSUKAI_CO_TRY(auto answer, co_await client.ask("tools/call", {{"name", "greet"}}));
  CHECK(answer["result"]["isError"] == true);
  CHECK(answer["result"]["content"][0]["text"] == "the client does not offer elicitation");
  co_return Result<void>();
}

Task<void> modern_questions(Client& client) {
  const Json can = {{"elicitation", Json::object()}};
  const Json call = {{"name", "greet"}, {"arguments", Json::object()}};
  TSUKAI_CO_TRY(auto first, co_await client.ask("tools/call", server_features_modern(call, can)));
  CHECK(first["result"]["resultType"] == "input_required");
  CHECK(first["result"]["inputRequests"]["name"]["params"]["message"] == "Your name?");
  Json retry = call;
  retry["requestState"] = first["result"]["requestState"];
  retry["inputResponses"] = {{"name", accept("Mika")}, {"nobody asked", accept("x")}};
  TSUKAI_CO_TRY(auto second, co_await client.ask("tools/call", server_features_modern(retry, can)));
  CHECK(second["result"]["inputRequests"].contains("town"));
  CHECK(second["result"]["requestState"] != first["result"]["requestState"]);
  retry["requestState"] = second["result"]["requestState"];
  retry["inputResponses"] = {{"town", accept("Kyoto")}};
  TSUKAI_CO_TRY(auto done, co_await client.ask("tools/call", server_features_modern(retry, can)));
  CHECK(done["result"]["content"][0]["text"] == "Mika of Kyoto");
  CHECK(done["result"]["resultType"] == "complete");
  retry["inputResponses"] = {{"town", 12345}};
  TSUKAI_CO_TRY(auto again, co_await client.ask("tools/call", server_features_modern(retry, can)));
  CHECK(again["result"]["resultType"] == "input_required");
  // Lists ask nothing, so they take no answers either.
  const Json unasked = {{"inputResponses", {{"name", accept("Mika")}}}, {"requestState", "made up"}};
  TSUKAI_CO_TRY(auto list, co_await client.ask("tools/list", server_features_modern(unasked, can)));
  CHECK(list["result"]["resultType"] == "complete");
  retry["requestState"] = "made up";
  TSUKAI_CO_TRY(auto denied, co_await client.ask("tools/call", server_features_modern(retry, can)));
  CHECK(denied["error"]["code"] == -32602);
  TSUKAI_CO_TRY(auto unable, co_await client.ask("tools/call", server_features_modern(call)));
  CHECK(unable["error"]["code"] == -32021);
  CHECK(unable["error"]["data"]["requiredCapabilities"].contains("elicitation"));
  co_return Result<void>();
}

Task<void> log_levels(Client& client) {
  TSUKAI_CO_TRY(auto silent,
                co_await client.ask("tools/call", server_features_modern({{"name", "chatter"}})));
  CHECK(silent.contains("result"));
  Json wanted = server_features_modern({{"name", "chatter"}});
  wanted["_meta"]["io.modelcontextprotocol/logLevel"] = "warning";
  TSUKAI_CO_TRY(auto line, co_await client.ask("tools/call", wanted));
  CHECK(line["params"]["data"] == "high");
  TSUKAI_CO_TRY_VOID(co_await client.hear());
  TSUKAI_CO_TRY_VOID(co_await client.open(Json::object()));
  TSUKAI_CO_TRY(auto level, co_await client.ask("logging/setLevel", {{"level", "debug"}}));
  CHECK(level["result"].empty());
  TSUKAI_CO_TRY(auto low, co_await client.ask("tools/call", {{"name", "chatter"}}));
  CHECK(low["params"]["data"] == "low");
  co_return Result<void>();
}

Task<void> announcements(Client& client) {
  client.say({{"id", "sub"},
              {"method", "subscriptions/listen"},
              {"params", server_features_modern({{"notifications",
                                                  {{"toolsListChanged", true},
                                                   {"resourceSubscriptions", {"note://a/text"}}}}})}});
  TSUKAI_CO_TRY(auto agreed, co_await client.hear());
  CHECK(agreed["method"] == "notifications/subscriptions/acknowledged");
  CHECK(agreed["params"]["notifications"]["toolsListChanged"] == true);
  client.server->announce_prompts_changed();  // Not asked for.
  client.server->announce_tools_changed();
  TSUKAI_CO_TRY(auto changed, co_await client.hear());
  CHECK(changed["method"] == "notifications/tools/list_changed");
  CHECK(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "sub");
  client.server->announce_resource_updated("note://b/text");
  client.server->announce_resource_updated("note://a/text");
  TSUKAI_CO_TRY(auto updated, co_await client.hear());
  CHECK(updated["params"]["uri"] == "note://a/text");
  client.say({{"method", "notifications/cancelled"}, {"params", {{"requestId", "sub"}}}});
  TSUKAI_CO_TRY_VOID(co_await client.open(Json::object()));
  client.server->announce_prompts_changed();
  TSUKAI_CO_TRY(auto legacy, co_await client.hear());
  CHECK(legacy["method"] == "notifications/prompts/list_changed");
  co_return Result<void>();
}

}  // namespace

TEST_SUITE("mcp/server_features") {
  TEST_CASE("resources are read by uri and through templates; a missing one is named") {
    talk(legacy_resources);
  }
  TEST_CASE("prompts take their arguments, and completion stops at a hundred values") {
    talk(legacy_prompts);
  }
  TEST_CASE("until 2025-11-25 a handler's questions go to the client while it waits") {
    talk(legacy_questions);
  }
  TEST_CASE("what the client did not offer is not asked") { talk(legacy_questions_not_offered); }
  TEST_CASE("2026-07-28: questions come as a result, and the retry with the answers goes on") {
    talk(modern_questions);
  }
  TEST_CASE("log messages go out from the level the client chose, and none unasked in 2026-07-28") {
    talk(log_levels);
  }
  TEST_CASE("announcements reach those who asked for them, tagged with their subscription") {
    talk(announcements);
  }

  TEST_CASE("uri templates match whole uris and nothing across a slash") {
    using Variables = std::map<std::string, std::string>;
    CHECK(match_uri_template("a://{x}/b/{y}", "a://1/b/2") == Variables{{"x", "1"}, {"y", "2"}});
    CHECK(match_uri_template("a://{x}.json", "a://v1.2.json") == Variables{{"x", "v1.2"}});
    for (const char* other : {"a:///b/2", "a://1/b/", "a://1/b/2/3", "b://1/b/2", "a://1"}) {
      CHECK_FALSE(match_uri_template("a://{x}/b/{y}", other).has_value());
    }
  }
}
