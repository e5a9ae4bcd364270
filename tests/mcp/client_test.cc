// The client against our own server: the same assertions over every transport and both eras.
#include <doctest/doctest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "base/process.h"
#include "mcp/client.h"
#include "mcp/support/feature_server.h"
#include "mcp/support/sse_server.h"
#include "support/await.h"

using namespace tsukai;
using namespace tsukai::mcp;
using namespace std::chrono_literals;

namespace {

constexpr const char* kServeOverStdio = "a server for other tests over stdio";

// What the client was asked and told.
struct Heard {
  int forms = 0, samples = 0, refreshes = 0, running = 0, running_most = 0;
  std::vector<std::string> logs, warnings, updated;
};

Task<JsonValue> form(Heard& heard, JsonValue params) {
  ++heard.forms;
  CHECK((*params)["requestedSchema"] == Json::parse(kFeatureForm));
  co_return JsonValue(Json{{"action", "accept"}, {"content", {{"name", "Mika"}}}});
}
Task<JsonValue> sample(Heard& heard) {
  ++heard.samples;
  co_return JsonValue(
      Json{{"role", "assistant"}, {"content", {{"type", "text"}, {"text", "hello"}}}, {"model", "m"}});
}
Task<void> refresh(Heard& heard) {
  ++heard.refreshes;
  heard.running_most = std::max(heard.running_most, ++heard.running);
  auto slept = co_await sleep_for(5ms);
  --heard.running;
  co_return slept;
}

ClientOptions all_options(Heard& heard) {
  ClientOptions options;
  options.on_elicitation = [&](JsonValue params) { return form(heard, params); };
  options.on_sampling = [&](JsonValue) { return sample(heard); };
  options.roots = [] { return std::vector<Root>{{"file:///work", "work"}}; };
  options.on_changed = [&](Changed) { return refresh(heard); };
  options.on_resource_updated = [&](const std::string& uri) { heard.updated.push_back(uri); };
  options.on_log = [&](const LogMessage& log) {
    heard.logs.push_back(log.level + " " + log.data->get<std::string>());
  };
  options.on_warning = [&](const std::string& what) { heard.warnings.push_back(what); };
  return options;
}

template <typename Condition>
Task<bool> eventually(Condition condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  co_return condition();
}

Task<void> use_tools(Client& client, Heard& heard) {
  CHECK(client.server().name == "features");
  CHECK(client.instructions() == "Use them all.");
  TSUKAI_CO_TRY_VOID(co_await client.ping());
  TSUKAI_CO_TRY(auto tools, co_await client.list_tools());
  CHECK(tools.size() == 8);
  TSUKAI_CO_TRY(auto sum, co_await client.call_tool("add", {{"a", 2}, {"b", 40}}));
  REQUIRE(sum.structured_content);
  CHECK((**sum.structured_content)["sum"] == 42);
  TSUKAI_CO_TRY(auto wrong, co_await client.call_tool("add", {{"a", "x"}, {"b", 1}}));
  CHECK(wrong.is_error);
  TSUKAI_CO_TRY(auto failed, co_await client.call_tool("fail", Json::object()));
  CHECK(failed.is_error);
  CHECK(failed.text().find("no such street") != std::string::npos);
  auto missing = co_await client.call_tool("sing", Json::object());
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code() == Code::kNotFound);

  TSUKAI_CO_TRY(auto shown, co_await client.call_tool("show", Json::object()));
  CHECK(*shown.content == Json::parse(kFeatureContent));

  std::string progress;
  TSUKAI_CO_TRY(auto steps, co_await client.call_tool("steps", Json::object(), [&](const Progress& seen) {
    progress = seen.message;
  }));
  CHECK(steps.text() == "done");
  CHECK(progress == "half");
  CHECK(heard.logs == std::vector<std::string>{"warning careful"});

  heard.warnings.clear();
  TSUKAI_CO_TRY_VOID(co_await client.call_tool("lie", Json::object()));
  REQUIRE(heard.warnings.size() == 1);
  CHECK(heard.warnings[0].find("lie: the result has no structuredContent") != std::string::npos);
  co_return Result<void>();
}

Task<void> use_the_rest(Client& client) {
  TSUKAI_CO_TRY(auto resources, co_await client.list_resources());
  REQUIRE(resources.size() == 2);
  CHECK((*resources[0])["uri"] == "note://today");
  TSUKAI_CO_TRY(auto templates, co_await client.list_resource_templates());
  CHECK((*templates.at(0))["uriTemplate"] == "notes://{day}");
  TSUKAI_CO_TRY(auto note, co_await client.read_resource("notes://monday"));
  CHECK((*note)[0]["text"] == "note of monday");
  TSUKAI_CO_TRY(auto dot, co_await client.read_resource("note://dot"));
  CHECK((*dot)[0] == Json{{"uri", "note://dot"}, {"mimeType", "image/png"}, {"blob", "AQI="}});
  auto nowhere = co_await client.read_resource("nowhere://");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code() == Code::kNotFound);
  TSUKAI_CO_TRY(auto prompts, co_await client.list_prompts());
  CHECK((*prompts.at(1))["name"] == "greet");
  TSUKAI_CO_TRY(auto consulted, co_await client.get_prompt("consult", {}));
  const Json& messages = (*consulted)["messages"];
  CHECK(messages[0]["content"]["text"] == "Mika");
  for (std::size_t i = 1; i < 5; ++i) CHECK(messages[i]["content"] == Json::parse(kFeatureContent)[i]);
  TSUKAI_CO_TRY(auto prompt, co_await client.get_prompt("greet", {{"who", "Anna"}}));
  CHECK((*prompt)["messages"][0]["content"]["text"] == "Greet Anna");
  auto unknown = co_await client.get_prompt("insult", {});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code() == Code::kNotFound);
  TSUKAI_CO_TRY(auto names,
                co_await client.complete(Json{{"type", "ref/prompt"}, {"name", "greet"}}, "who", "an"));
  CHECK(names == std::vector<std::string>{"anna", "anton"});
  co_return Result<void>();
}

// Questions, changes and cancellation.
Task<void> talk_back(Client& client, Heard& heard) {
  TSUKAI_CO_TRY(auto asked, co_await client.call_tool("ask", Json::object()));
  CHECK(asked.text() ==
        R"({"age":30,"height":1.5,"many":["a"],"name":"Mika","one":"b","sure":true,"town":"Kyoto"})"
        " hello file:///work");
  CHECK(heard.samples == 1);
  CHECK(heard.forms == 2);  // One of them for the prompt.

  TSUKAI_CO_TRY_VOID(co_await client.subscribe("note://today"));
  // A subscription of 2026-07-28 is open once the server has heard of it, which nothing tells: ask until it
  // answers.
  for (int i = 0; i < 200 && heard.updated.empty(); ++i) {
    TSUKAI_CO_TRY_VOID(co_await client.call_tool("change", Json::object()));
    TSUKAI_CO_TRY_VOID(co_await sleep_for(5ms));
  }
  CHECK(heard.updated.at(0) == "note://today");
  TSUKAI_CO_TRY(const bool quiet,
                co_await eventually([&] { return heard.refreshes > 0 && heard.running == 0; }));
  CHECK(quiet);
  CHECK(heard.running_most == 1);
  CHECK(heard.refreshes < 100);  // Of a thousand announcements and more.

  if (!client.config().command.empty()) {
    // Over stdio everything keeps its order, so that the silence after the end of a subscription can be
    // heard.
    TSUKAI_CO_TRY_VOID(co_await client.unsubscribe("note://today"));
    TSUKAI_CO_TRY_VOID(co_await client.ping());
    const auto before = heard.updated.size();
    TSUKAI_CO_TRY_VOID(co_await client.call_tool("change", Json::object()));
    TSUKAI_CO_TRY_VOID(co_await client.ping());
    CHECK(heard.updated.size() == before);
  }

  auto late = co_await with_deadline(client.call_tool("stuck", Json::object()), 50ms, "the call");
  CHECK(late.error().code() == Code::kTimeout);
  TSUKAI_CO_TRY(auto after, co_await client.call_tool("add", {{"a", 1}, {"b", 1}}));
  CHECK_FALSE(after.is_error);
  co_return Result<void>();
}

Task<void> meet(ServerConfig config, std::string version) {
  Heard heard;
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), all_options(heard)));
  CHECK(client->protocol_version() == version);
  auto outcome = co_await use_tools(*client, heard);
  if (outcome) outcome = co_await use_the_rest(*client);
  if (outcome) outcome = co_await talk_back(*client, heard);
  co_await client->shutdown();
  co_return outcome;
}

Task<void> meet_http(Era era, std::string pinned, std::string version) {
  auto executor = co_await asio::this_coro::executor;
  auto server = feature_server();
  Gate gate(executor);
  ServerConfig config;
  config.name = "features";
  config.era = era;
  config.protocol_version = pinned;
  HttpServeOptions options;
  options.on_listening = [&](std::uint16_t port) {
    config.url = "http://127.0.0.1:" + std::to_string(port) + "/mcp";
  };
  gate.spawn(server->serve_http(options));
  while (config.url.empty()) TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  auto outcome = co_await meet(config, version);
  co_await gate.close();
  co_return outcome;
}

Task<void> meet_sse(std::string pinned, std::string version) {
  auto executor = co_await asio::this_coro::executor;
  auto server = feature_server();
  SseTestServer sse(executor, *server);
  TSUKAI_CO_TRY_VOID(sse.listen());
  ServerConfig config;
  config.name = "features";
  config.url = sse.url();
  config.protocol_version = pinned;
  auto outcome = co_await meet(config, version);
  if (outcome) {
    sse.endpoint = "http://localhost:1/steal";
    auto stolen = co_await Client::connect(config, {});
    REQUIRE_FALSE(stolen);
    CHECK(stolen.error().text().find("names an endpoint elsewhere") != std::string::npos);
  }
  co_await sse.close();
  co_return outcome;
}

ServerConfig over_stdio(Era era, std::string pinned) {
  ServerConfig config;
  config.name = "features";
  config.command = "/proc/" + std::to_string(::getpid()) + "/exe";
  config.args = {std::string("--test-case=") + kServeOverStdio, "--no-skip", "--out=/dev/null"};
  config.env["TSUKAI_TEST_SERVES"] = "1";
  config.era = era;
  config.protocol_version = std::move(pinned);
  return config;
}

void good(Result<void> outcome) {
  if (!outcome) FAIL(outcome.error().text());
}

}  // namespace

TEST_SUITE("mcp/client") {
  TEST_CASE("a server for other tests over stdio" * doctest::skip()) {
    if (std::getenv("TSUKAI_TEST_SERVES") == nullptr) return;
    auto server = feature_server();
    (void)await(server->serve_stdio());
  }

  TEST_CASE("over stdio, in the modern era, found by asking") {
    good(await(meet(over_stdio(Era::kAuto, ""), "2026-07-28")));
  }
  TEST_CASE("over stdio, in the modern era, pinned and not asked") {
    auto config = over_stdio(Era::kAuto, "2026-07-28");
    config.protocol_version = "2026-07-28";
    struct Pinned {
      static Task<void> run(ServerConfig config) {
        TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), {}));
        TSUKAI_CO_TRY(auto tools, co_await client->list_tools());
        CHECK(tools.size() == 8);
        CHECK(client->server().name == "features");
        co_await client->shutdown();
        co_return Result<void>();
      }
    };
    good(await(Pinned::run(config)));
  }
  TEST_CASE("asked to be strict, it refuses a result that breaks its promise") {
    struct Strict {
      static Task<void> run(ServerConfig config) {
        ClientOptions options;
        options.strict_output = true;
        TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), options));
        TSUKAI_CO_TRY_VOID(co_await client->list_tools());
        auto lie = co_await client->call_tool("lie", Json::object());
        REQUIRE_FALSE(lie);
        CHECK(lie.error().code() == Code::kProtocol);
        TSUKAI_CO_TRY(auto sum, co_await client->call_tool("add", {{"a", 1}, {"b", 2}}));
        CHECK_FALSE(sum.is_error);
        auto unasked = co_await client->call_tool("ask", Json::object());
        CHECK((!unasked || unasked->is_error));  // Nothing to answer with was declared.
        co_await client->shutdown();
        co_return Result<void>();
      }
    };
    for (auto era : {Era::kLegacy, Era::kModern}) good(await(Strict::run(over_stdio(era, ""))));
  }
  TEST_CASE("folders of the configuration are told when asked for; the legacy era hears that they changed") {
    struct Folders {
      static Task<void> run(ServerConfig config) {
        Heard heard;
        std::string sent;
        auto options = all_options(heard);
        options.roots = nullptr;
        options.on_message = [&](Direction direction, std::string_view text) {
          if (direction == Direction::kSent) sent += text;
        };
        const bool legacy = config.era == Era::kLegacy;
        config.roots = {"file:///home/mika", "file:///srv"};
        TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), options));
        TSUKAI_CO_TRY(auto asked, co_await client->call_tool("ask", Json::object()));
        CHECK(asked.text().ends_with(" file:///home/mika"));
        CHECK(sent.find(R"({"roots":[{"uri":"file:///home/mika"},{"uri":"file:///srv"}]})") != sent.npos);
        TSUKAI_CO_TRY_VOID(client->announce_roots());
        CHECK((sent.find("notifications/roots/list_changed") != sent.npos) == legacy);
        co_await client->shutdown();
        co_return Result<void>();
      }
    };
    for (auto era : {Era::kLegacy, Era::kModern}) good(await(Folders::run(over_stdio(era, ""))));
  }
  TEST_CASE("the end of its input ends a server over stdio, by itself and well") {
    struct End {
      static Task<std::string> run(ServerConfig config) {
        ProcessOptions options{config.command, config.args, minimal_environment()};
        options.env.insert(config.env.begin(), config.env.end());
        TSUKAI_CO_TRY(auto process, Process::start(co_await asio::this_coro::executor, std::move(options)));
        TSUKAI_CO_TRY_VOID(process->in().push(
            R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}})"));
        TSUKAI_CO_TRY(auto answer, co_await process->out().next());
        CHECK(answer->find("\"features\"") != std::string::npos);
        process->in().close();
        (void)co_await process->wait_exit(10s);
        co_return process->fate();
      }
    };
    CHECK(await(End::run(over_stdio(Era::kAuto, ""))).value() == "exited with status 0");
  }
  TEST_CASE("over stdio, in every legacy revision") {
    good(await(meet(over_stdio(Era::kLegacy, ""), "2025-11-25")));
    for (const char* version : {"2025-06-18", "2025-03-26", "2024-11-05"}) {
      good(await(meet(over_stdio(Era::kAuto, version), version)));
    }
  }
  TEST_CASE("over Streamable HTTP, in the modern era, found by asking") {
    good(await(meet_http(Era::kAuto, "", "2026-07-28")));
  }
  TEST_CASE("over Streamable HTTP, in the legacy revisions that have it") {
    good(await(meet_http(Era::kLegacy, "", "2025-11-25")));
    for (const char* version : {"2025-06-18", "2025-03-26"})
      good(await(meet_http(Era::kAuto, version, version)));
  }
  TEST_CASE("over HTTP+SSE, found last, and only with an endpoint of the same origin") {
    good(await(meet_sse("", "2025-11-25")));
    good(await(meet_sse("2024-11-05", "2024-11-05")));
  }
}
