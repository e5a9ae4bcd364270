// The client over Streamable HTTP against servers that do odd things.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "base/http_server.h"
#include "mcp/client.h"
#include "support/await.h"

using namespace tsukai;
using namespace tsukai::mcp;
using namespace std::chrono_literals;

namespace {

// A server whose answers are a function of the test; counts what it is asked.
struct OddServer {
  std::function<Task<void>(OddServer&, HttpExchange&, Json message)> on_call;  // tools/call
  bool modern = false, knows_sessions = false;
  int ttl_ms = 0;
  std::string session = "s1";
  std::map<std::string, int> asked;  // By RPC method, or "GET" and "DELETE".
  std::vector<HttpHeaders> calls;    // Headers of each tools/call.
  std::unique_ptr<HttpServer> http;

  ServerConfig config() const {
    ServerConfig out;
    out.name = "odd";
    out.url = "http://127.0.0.1:" + std::to_string(http->port()) + "/mcp";
    out.call_timeout = 5s;
    return out;
  }
};

Task<void> send_json(HttpExchange& exchange, Json message, HttpHeaders headers = {}, int status = 200) {
  headers.emplace_back("Content-Type", "application/json");
  co_return co_await exchange.respond(status, std::move(headers), print_json(message));
}
Task<void> send_result(HttpExchange& exchange, Json id, Json result, HttpHeaders headers = {}) {
  co_return co_await send_json(exchange, {{"jsonrpc", "2.0"}, {"id", id}, {"result", result}},
                               std::move(headers));
}
Task<void> send_error(HttpExchange& exchange, Json id, int code, int status) {
  co_return co_await send_json(
      exchange, {{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", code}, {"message", "no"}}}}, {}, status);
}
Json text_of(std::string text) { return {{"content", Json::array({{{"type", "text"}, {"text", text}}})}}; }

Task<void> http_link_serve(OddServer& odd, HttpExchange& exchange) {
  const auto request = exchange.request();
  if (request.method != "POST") {
    ++odd.asked[request.method];
    if (request.method == "GET" && find_header(request.headers, "Last-Event-ID") != nullptr) {
      CHECK(header_text(request.headers, "Last-Event-ID") == "e1");
      TSUKAI_CO_TRY_VOID(co_await exchange.start_stream(200, {{"Content-Type", "text/event-stream"}}));
      const Json late = {{"jsonrpc", "2.0"}, {"id", 2}, {"result", text_of("late")}};
      co_return co_await exchange.write("id: e2\ndata: " + print_json(late) + "\n\n");
    }
    if (request.method == "DELETE") CHECK(header_text(request.headers, "Mcp-Session-Id") == odd.session);
    co_return co_await exchange.respond(405, {}, "");
  }
  const Json message = Json::parse(request.body);
  const auto method = string_at(message, "method");
  ++odd.asked[method];
  const Json id = message.value("id", Json());
  if (method == "server/discover") {
    if (!odd.modern) co_return co_await exchange.respond(400, {}, "what is that?");
    co_return co_await send_result(exchange, id,
                                   {{"resultType", "complete"},
                                    {"supportedVersions", {"2026-07-28"}},
                                    {"capabilities", {{"tools", Json::object()}}}});
  }
  if (method == "initialize") {
    HttpHeaders headers;
    if (odd.knows_sessions) headers.emplace_back("Mcp-Session-Id", odd.session);
    co_return co_await send_result(exchange, id,
                                   {{"protocolVersion", "2025-11-25"},
                                    {"capabilities", {{"tools", Json::object()}}},
                                    {"serverInfo", {{"name", "odd"}, {"version", "1"}}}},
                                   headers);
  }
  if (id.is_null()) co_return co_await exchange.respond(202, {}, "");
  if (odd.knows_sessions && header_text(request.headers, "Mcp-Session-Id") != odd.session)
    co_return co_await exchange.respond(404, {}, "no such session");
  if (method == "tools/list") {
    const Json schema = {{"type", "object"},
                         {"properties", {{"region", {{"type", "string"}, {"x-mcp-header", "Region"}}}}}};
    const Json broken = {{"type", "object"},
                         {"properties", {{"region", {{"type", "number"}, {"x-mcp-header", "Region"}}}}}};
    co_return co_await send_result(
        exchange, id,
        {{"tools", {{{"name", "look"}, {"inputSchema", schema}}, {{"name", "bad"}, {"inputSchema", broken}}}},
         {"ttlMs", odd.ttl_ms}});
  }
  odd.calls.push_back(request.headers);
  if (odd.on_call) co_return co_await odd.on_call(odd, exchange, message);
  co_return co_await send_result(exchange, id, text_of("here"));
}

template <typename Body>
Task<void> with_odd(OddServer& odd, Body body) {
  TSUKAI_CO_TRY(odd.http,
                HttpServer::listen(co_await asio::this_coro::executor, {},
                                   [&](HttpExchange& exchange) { return http_link_serve(odd, exchange); }));
  auto outcome = co_await body(odd);
  co_await odd.http->close();
  odd.http.reset();  // Not after its event loop.
  co_return outcome;
}

template <typename Body>
void http_link_meet(OddServer& odd, Body body) {
  auto outcome = await(with_odd(odd, std::move(body)));
  if (!outcome) FAIL(outcome.error().text());
}

// Connects, calls `look` and says what came of it.
Task<std::string> look(ServerConfig config, ClientOptions options = {}) {
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), std::move(options)));
  auto result = co_await client->call_tool("look", {{"region", "here"}});
  co_await client->shutdown();
  if (!result) co_return fail(std::move(result).error());
  co_return result->text();
}

Task<void> fallback(OddServer& odd) {
  TSUKAI_CO_TRY(auto text, co_await look(odd.config()));
  CHECK(text == "here");
  CHECK(odd.asked["server/discover"] == 1);
  CHECK(odd.asked["initialize"] == 1);
  CHECK(odd.asked["notifications/initialized"] == 1);
  CHECK(odd.asked["DELETE"] == 1);
  CHECK(header_text(odd.calls[0], "MCP-Protocol-Version") == "2025-11-25");
  CHECK(header_text(odd.calls[0], "Mcp-Session-Id") == "s1");
  CHECK(find_header(odd.calls[0], "Mcp-Method") == nullptr);
  co_return Result<void>();
}

Task<void> call_into(Client& client, int& good) {
  auto result = co_await client.call_tool("look", Json::object());
  good += result && !result->is_error;
  co_return Result<void>();
}

Task<void> forgets(OddServer& odd) {
  TSUKAI_CO_TRY(auto client, co_await Client::connect(odd.config(), {}));
  odd.session = "s2";
  Gate gate(co_await asio::this_coro::executor);
  int good = 0;
  for (int i = 0; i < 5; ++i) gate.spawn(call_into(*client, good));
  co_await gate.drained();
  CHECK(good == 5);
  CHECK(odd.asked["initialize"] == 2);
  co_await client->shutdown();
  co_return Result<void>();
}

Task<void> cut_stream(OddServer&, HttpExchange& exchange, Json) {
  TSUKAI_CO_TRY_VOID(co_await exchange.start_stream(200, {{"Content-Type", "text/event-stream"}}));
  co_return co_await exchange.write("id: e1\nretry: 10\ndata: \n\n");
}

Task<void> resumes(OddServer& odd) {
  auto config = odd.config();
  config.era = Era::kLegacy;
  TSUKAI_CO_TRY(auto text, co_await look(config));
  CHECK(text == "late");
  CHECK(odd.asked["GET"] >= 1);
  odd.modern = true;
  config.era = Era::kModern;
  auto lost = co_await look(config);
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code() == Code::kTransport);
  co_return Result<void>();
}

Task<void> nonsense(OddServer&, HttpExchange& exchange, Json message) {
  if (string_at(message["params"]["arguments"], "region") == "here")
    co_return co_await exchange.respond(200, {}, "<html>");
  co_return co_await send_result(exchange, 99, text_of("not yours"));
}

Task<void> refuses_nonsense(OddServer& odd) {
  auto html = co_await look(odd.config());
  REQUIRE_FALSE(html);
  CHECK(html.error().code() == Code::kProtocol);
  TSUKAI_CO_TRY(auto client, co_await Client::connect(odd.config(), {}));
  auto other = co_await client->call_tool("look", Json::object());
  REQUIRE_FALSE(other);
  CHECK(other.error().code() == Code::kProtocol);
  co_await client->shutdown();
  co_return Result<void>();
}

Task<void> wants_headers(OddServer& odd, HttpExchange& exchange, Json message) {
  if (header_text(odd.calls.back(), "Mcp-Param-Region") != "here") {
    co_return co_await send_error(exchange, message["id"], -32020, 400);
  }
  co_return co_await send_result(exchange, message["id"], text_of("seen"));
}

Task<void> headers(OddServer& odd) {
  TSUKAI_CO_TRY(auto text, co_await look(odd.config()));
  CHECK(text == "seen");
  CHECK(odd.asked["tools/list"] == 1);
  CHECK(odd.calls.size() == 2);
  CHECK(header_text(odd.calls[1], "Mcp-Method") == "tools/call");
  CHECK(header_text(odd.calls[1], "Mcp-Name") == "look");
  CHECK(odd.asked["initialize"] == 0);
  co_return Result<void>();
}

Task<void> keeps_lists(OddServer& odd) {
  std::vector<std::string> warnings;
  ClientOptions options;
  options.on_warning = [&](const std::string& what) { warnings.push_back(what); };
  TSUKAI_CO_TRY(auto client, co_await Client::connect(odd.config(), options));
  for (int i = 0; i < 3; ++i) {
    TSUKAI_CO_TRY(auto tools, co_await client->list_tools());
    CHECK(tools.size() == 1);
  }
  CHECK(odd.asked["tools/list"] == (odd.ttl_ms > 0 ? 1 : 3));
  REQUIRE_FALSE(warnings.empty());
  CHECK(warnings[0].find("tool bad is left out") != std::string::npos);
  co_await client->shutdown();
  co_return Result<void>();
}

// 2025-11-25: a page to visit first.
Task<void> wants_visit(OddServer& odd, HttpExchange& exchange, Json message) {
  if (odd.calls.size() > 1) co_return co_await send_result(exchange, message["id"], text_of("thank you"));
  const Json page = {
      {"mode", "url"}, {"url", "https://example.org/agree"}, {"elicitationId", "e"}, {"message", "Agree"}};
  co_return co_await send_json(
      exchange,
      {{"jsonrpc", "2.0"},
       {"id", message["id"]},
       {"error", {{"code", -32042}, {"message", "visit first"}, {"data", {{"elicitations", {page}}}}}}});
}

Task<JsonValue> visit_page(JsonValue params, std::string& seen, std::string action) {
  seen = string_at(*params, "url");
  co_return JsonValue(Json{{"action", action}});
}

Task<void> visits(OddServer& odd) {
  for (const char* action : {"accept", "decline"}) {
    odd.calls.clear();
    std::string seen;
    ClientOptions options;
    options.on_elicitation = [&](JsonValue params) { return visit_page(params, seen, action); };
    options.elicitation_url = true;
    auto text = co_await look(odd.config(), options);
    CHECK(seen == "https://example.org/agree");
    CHECK(odd.calls.size() == (text ? 2 : 1));
    CHECK(text.has_value() == (std::string(action) == "accept"));
  }
  co_return Result<void>();
}

// 2026-07-28: asks for ever, with a state that must come back as it was.
Task<void> asks_for_ever(OddServer& odd, HttpExchange& exchange, Json message) {
  const auto round = odd.calls.size();
  if (round > 1) CHECK(message["params"]["requestState"] == "state " + std::to_string(round - 1));
  co_return co_await send_result(
      exchange, message["id"],
      {{"resultType", "input_required"}, {"requestState", "state " + std::to_string(round)}});
}

Task<void> bounded_rounds(OddServer& odd) {
  auto endless = co_await look(odd.config());
  REQUIRE_FALSE(endless);
  CHECK(endless.error().code() == Code::kProtocol);
  CHECK(endless.error().text().find("still asks after 16 rounds") != std::string::npos);
  CHECK(odd.calls.size() == 16);
  co_return Result<void>();
}

Task<void> strange_type(OddServer&, HttpExchange& exchange, Json message) {
  co_return co_await send_result(exchange, message["id"],
                                 {{"resultType", "novel"}, {"content", Json::array()}});
}

Task<void> refuses_types(OddServer& odd) {
  auto strange = co_await look(odd.config());
  REQUIRE_FALSE(strange);
  CHECK(strange.error().text().find("unknown type \"novel\"") != std::string::npos);
  co_return Result<void>();
}

Task<void> wants_token(OddServer& odd, HttpExchange& exchange, Json message) {
  const auto token = header_text(odd.calls.back(), "Authorization");
  if (token == "Bearer good") co_return co_await send_result(exchange, message["id"], text_of("welcome"));
  co_return co_await exchange.respond(token == "Bearer weak" ? 403 : 401, {{"WWW-Authenticate", "Bearer"}},
                                      "");
}

// Gives one token after the other, as the server refuses them.
class Ladder : public Authorizer {
 public:
  explicit Ladder(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  Task<HttpHeaders> headers(std::string) override {
    if (tokens_[at_].empty()) co_return HttpHeaders{};
    co_return HttpHeaders{{"Authorization", "Bearer " + tokens_[at_]}};
  }
  Task<bool> answer(AuthChallenge challenge) override {
    seen.push_back(challenge);
    if (at_ + 1 < tokens_.size()) ++at_;
    co_return true;
  }
  std::vector<AuthChallenge> seen;

 private:
  std::vector<std::string> tokens_;
  std::size_t at_ = 0;
};

Task<void> authorized(OddServer& odd) {
  ClientOptions options;
  auto ladder = std::make_shared<Ladder>(std::vector<std::string>{"", "weak", "good"});
  options.authorizer = ladder;
  TSUKAI_CO_TRY(auto text, co_await look(odd.config(), options));
  CHECK(text == "welcome");
  REQUIRE(ladder->seen.size() == 2);
  CHECK(ladder->seen[0].status == 401);
  CHECK(ladder->seen[0].attempt == 1);
  CHECK(ladder->seen[1].status == 403);
  CHECK(header_text(ladder->seen[1].sent, "Authorization") == "Bearer weak");

  options.authorizer = std::make_shared<Ladder>(std::vector<std::string>{"bad"});
  odd.calls.clear();
  auto refused = co_await look(odd.config(), options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Code::kDenied);
  CHECK(odd.calls.size() == Authorizer::kAttemptsMax + 1);

  auto config = odd.config();
  config.headers["Authorization"] = "Bearer good";
  TSUKAI_CO_TRY(text, co_await look(config, options));
  CHECK(text == "welcome");

  auto alone = co_await look(odd.config());
  REQUIRE_FALSE(alone);
  CHECK(alone.error().code() == Code::kDenied);
  co_return Result<void>();
}

Task<void> guarded(HttpExchange& exchange, int& posts) {
  ++posts;
  co_return co_await exchange.respond(401, {}, "");
}

Task<void> guarded_probe() {
  int posts = 0;
  auto executor = co_await asio::this_coro::executor;
  TSUKAI_CO_TRY(auto http,
                HttpServer::listen(executor, {}, [&](HttpExchange& e) { return guarded(e, posts); }));
  ServerConfig config;
  config.name = "guarded";
  config.url = "http://127.0.0.1:" + std::to_string(http->port()) + "/mcp";
  auto refused = co_await Client::connect(config, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Code::kDenied);
  CHECK(posts == 1);
  const auto port = http->port();
  co_await http->close();
  auto nobody = co_await Client::connect(config, {});
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code() == Code::kTransport);
  CHECK(nobody.error().text().find("127.0.0.1:" + std::to_string(port) + ": Connection refused") !=
        std::string::npos);
  co_return Result<void>();
}

}  // namespace

TEST_SUITE("mcp/http_link") {
  TEST_CASE(
      "a server that does not know 2026-07-28 is opened with initialize, and its session ended with DELETE") {
    OddServer odd;
    odd.knows_sessions = true;
    http_link_meet(odd, fallback);
  }
  TEST_CASE("a server that forgot the session gets one new initialize, however many calls were under way") {
    OddServer odd;
    odd.knows_sessions = true;
    http_link_meet(odd, forgets);
  }
  TEST_CASE("a legacy stream that ends early is taken up where it stopped; a modern one is lost") {
    OddServer odd;
    odd.on_call = cut_stream;
    http_link_meet(odd, resumes);
  }
  TEST_CASE("a page instead of a message, and an answer to somebody else, are the server's fault") {
    OddServer odd;
    odd.on_call = nonsense;
    http_link_meet(odd, refuses_nonsense);
  }
  TEST_CASE("where arguments must travel as headers, the definitions are read and the call made again") {
    OddServer odd;
    odd.modern = true;
    odd.on_call = wants_headers;
    http_link_meet(odd, headers);
  }
  TEST_CASE("lists are kept as long as ttlMs says; tools with headers against the rules are left out") {
    for (int ttl_ms : {0, 60'000}) {
      OddServer odd;
      odd.modern = true;
      odd.ttl_ms = ttl_ms;
      http_link_meet(odd, keeps_lists);
    }
  }
  TEST_CASE("a page to visit is shown, and the call made once more when the user has agreed") {
    OddServer odd;
    odd.on_call = wants_visit;
    http_link_meet(odd, visits);
  }
  TEST_CASE("the state of a request goes back as it came, and questions have an end") {
    OddServer odd;
    odd.modern = true;
    odd.on_call = asks_for_ever;
    http_link_meet(odd, bounded_rounds);
  }
  TEST_CASE("a result of a type nobody agreed on is not taken for an answer") {
    OddServer odd;
    odd.modern = true;
    odd.on_call = strange_type;
    http_link_meet(odd, refuses_types);
  }
  TEST_CASE(
      "a refusal goes to the authorizer until it is mended, in bounds; a key in the configuration wins") {
    OddServer odd;
    odd.on_call = wants_token;
    http_link_meet(odd, authorized);
  }
  TEST_CASE("a refused probe, and a server that is not there, are no reason to try another era") {
    auto outcome = await(guarded_probe());
    if (!outcome) FAIL(outcome.error().text());
  }
}
