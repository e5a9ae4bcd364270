// Servers of 2026-07-28 over stdio that answer in all the ways the specification allows: what the conformance
// suite asserts of clients over HTTP.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "mcp/client.h"
#include "support/await.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::mcp;
using namespace std::chrono_literals;

namespace {

// Complains in its answer about what a client does wrong.
constexpr const char* kServer = R"python(
import json, os, sys
VERSION = "io.modelcontextprotocol/protocolVersion"
STATE = "opaque == \u00e9 {\"a\":1}"
QUESTION = dict(q=dict(method="elicitation/create", params=dict(message="?", requestedSchema=dict(type="object", properties={}))))
mode = sys.argv[1]
refused, ids = False, {}
def stdio_modern_send(**message):
    sys.stdout.write(json.dumps(dict(jsonrpc="2.0", **message)) + "\n")
    sys.stdout.flush()
for line in sys.stdin:
    m = json.loads(line)
    i, p, method = m.get("id"), m.get("params", {}), m.get("method")
    if i is None:
        continue
    meta = p.get("_meta", {})
    complete = dict(resultType="complete", _meta={"io.modelcontextprotocol/serverInfo": dict(name="odd", version="1")})
    if meta.get(VERSION) != "2026-07-28" or not isinstance(meta.get("io.modelcontextprotocol/clientCapabilities"), dict):
        stdio_modern_send(id=i, error=dict(code=-32602, message="no _meta"))
    elif mode == "rolling" and not refused:
        refused = True
        stdio_modern_send(id=i, error=dict(code=-32022, message="not now", data=dict(supported=["2026-07-28"], requested="2026-07-28")))
    elif mode == "future" and method == "server/discover":
        stdio_modern_send(id=i, error=dict(code=-32022, message="no", data=dict(supported=["2027-01-01"], requested="2026-07-28")))
    elif method == "server/discover":
        stdio_modern_send(id=i, result=dict(complete, supportedVersions=["2026-07-28"], capabilities=dict(tools={}), ttlMs=0, cacheScope="public"))
    elif method == "tools/call":
        name, wrong, state, answers = p["name"], "", p.get("requestState"), p.get("inputResponses")
        text = lambda: [dict(type="text", text=name + (" " + wrong if wrong else " fine"))]
        if name in ("echo_state", "no_state") and answers is None:
            ids[name] = i
            first = dict(complete, resultType="input_required", inputRequests=QUESTION)
            stdio_modern_send(id=i, result=dict(first, requestState=STATE) if name == "echo_state" else first)
            continue
        if name == "echo_state" and state != STATE: wrong += "another state "
        own = "state of " + str(os.getpid()) if mode == "forgets" else STATE
        if name == "kept_state":
            if state not in (None, own):
                stdio_modern_send(id=i, error=dict(code=-32602, message="whose state is that?"))
                continue
            if answers is None:
                stdio_modern_send(id=i, result=dict(complete, resultType="input_required", inputRequests=QUESTION, requestState=own))
                continue
            if state != own or answers != dict(q=dict(action="accept", content={})): wrong += "another state or answer "
        elif name != "echo_state" and "requestState" in p: wrong += "a state nobody gave "
        if name in ids and ids[name] == i: wrong += "the same id "
        if name == "unrelated" and answers is not None: wrong += "answers nobody asked for "
        if name in ids and answers != dict(q=dict(action="accept", content={})): wrong += "other answers " + json.dumps(answers)
        if name == "no_type":
            stdio_modern_send(id=i, result=dict(content=text()))
        else:
            stdio_modern_send(id=i, result=dict(complete, content=text()))
    else:
        stdio_modern_send(id=i, error=dict(code=-32601, message="no"))
)python";

Task<JsonValue> agree(JsonValue) {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(5ms));  // Long enough for the calls beside it.
  co_return JsonValue(Json{{"action", "accept"}, {"content", Json::object()}});
}

Task<void> stdio_modern_call_into(Client& client, std::string tool, std::vector<std::string>& said) {
  auto result = co_await client.call_tool(tool, Json::object());
  said.push_back(result ? result->text() : result.error().text());
  co_return Result<void>();
}

Task<std::vector<std::string>> call_all(ServerConfig config, std::vector<std::string> tools) {
  ClientOptions options;
  options.on_elicitation = agree;
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), std::move(options)));
  std::vector<std::string> said;
  Gate gate(co_await asio::this_coro::executor);
  for (const auto& tool : tools) gate.spawn(stdio_modern_call_into(*client, tool, said));
  co_await gate.drained();
  CHECK(client->server().name == "odd");
  co_await client->shutdown();
  std::sort(said.begin(), said.end());
  co_return said;
}

// Asks over one connection, answers over another: nothing but what the first call gave is kept between.
Task<std::vector<std::string>> stdio_modern_park(ServerConfig config, std::string tool) {
  ClientOptions options;
  options.elicitation_parks = true;
  JsonValue asked;
  std::vector<std::string> said;
  for (int connection = 0; connection < 2; ++connection) {
    TSUKAI_CO_TRY(auto client, co_await Client::connect(config, options));
    Result<ToolResult> result = fail(Code::kInternal, "not called");
    if (asked.is_null()) {
      result = co_await client->call_tool(tool, Json::object());
    } else {
      JsonValue answers(Json{{"q", {{"action", "accept"}}}});
      result = co_await client->continue_call(tool, Json::object(), asked, answers, {});
    }
    co_await client->shutdown();
    if (!result) co_return fail(std::move(result).error());
    asked = result->asked;
    said.push_back(asked.is_null() ? result->text() : "asks");
  }
  co_return said;
}

Result<std::vector<std::string>> stdio_modern_meet(const std::string& mode, std::vector<std::string> tools) {
  ScratchDir dir;
  ServerConfig config;
  config.name = "odd";
  config.command = "python3";
  config.args = {dir.write("server.py", kServer), mode};
  config.era = Era::kModern;
  return await(call_all(std::move(config), std::move(tools)));
}

}  // namespace

TEST_SUITE("mcp/stdio_modern") {
  TEST_CASE(
      "questions are answered with a new id and the very state, beside calls that know nothing of them") {
    auto said = stdio_modern_meet("", {"echo_state", "unrelated", "no_state", "no_type"});
    if (!said) FAIL(said.error().text());
    CHECK(*said ==
          std::vector<std::string>{"echo_state fine", "no_state fine", "no_type fine", "unrelated fine"});
  }

  TEST_CASE("a call that asks a person goes on over another connection, days later if need be") {
    ScratchDir dir;
    ServerConfig config;
    config.name = "odd";
    config.command = "python3";
    config.args = {dir.write("server.py", kServer), ""};
    SUBCASE("also where the new process refuses the old one's state, and asks the same again") {
      config.args[1] = "forgets";
    }
    config.era = Era::kModern;
    auto said = await(stdio_modern_park(config, "kept_state"));
    if (!said) FAIL(said.error().text());
    CHECK(*said == std::vector<std::string>{"asks", "kept_state fine"});
  }

  TEST_CASE("a version refused once, and named among those spoken, is offered once more") {
    auto said = stdio_modern_meet("rolling", {"unrelated"});
    if (!said) FAIL(said.error().text());
    CHECK(*said == std::vector<std::string>{"unrelated fine"});
  }

  TEST_CASE("a server of revisions that are not known yet is told by what it speaks") {
    auto refused = stdio_modern_meet("future", {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Code::kProtocol);
    CHECK(refused.error().text().find("speaks the revisions 2027-01-01") != std::string::npos);
  }
}
