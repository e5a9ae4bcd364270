// Servers that behave badly over HTTP: each ends in a clear error or a right result, in time, and holds no
// more memory than the limits allow. tests/mcp/stdio_client_test.cc does the same over stdio.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "base/http_server.h"
#include "mcp/client.h"
#include "mcp/transport.h"
#include "support/await.h"

using namespace tsukai;
using namespace tsukai::mcp;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds kSoon = 400ms, kLong = 30s;  // Deadlines that are met, and that are not.
constexpr std::size_t kHugeChunks = 100, kChunkBytes = 1u << 20;
constexpr std::size_t kPeakMbMax = 80;  // A message of 16 MiB, held in a few forms while it is read.

enum class RudeWire { kLegacy, kModern, kSse };  // Streamable HTTP of either era, HTTP+SSE of 2024-11-05.

struct RudeServer {
  std::string mood;
  RudeWire wire = RudeWire::kLegacy;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<Transport> in, out;  // What is to go over the one event stream of HTTP+SSE.
};

constexpr const char* kCut = "cut";    // On that stream: end it,
constexpr const char* kHuge = "huge";  // or send a line without end.

Task<void> write_huge(HttpExchange& exchange) {
  const std::string chunk(kChunkBytes, 'x');
  for (std::size_t i = 0; i < kHugeChunks; ++i) TSUKAI_CO_TRY_VOID(co_await exchange.write(chunk));
  co_return Result<void>();
}

std::string event(const std::string& text) { return "event: message\ndata: " + text + "\n\n"; }

// What answers a message, in order; kCut and kHuge stand for themselves.
std::vector<std::string> answers(const RudeServer& rude, const Json& message) {
  const auto method = string_at(message, "method");
  Json result = {{"resultType", "complete"}, {"tools", Json::array()}};
  if (method == "server/discover") {
    result["supportedVersions"] = {"2026-07-28"};
    result["capabilities"] = {{"tools", {{"listChanged", true}}}};
  } else if (method == "initialize") {
    result = {{"protocolVersion", rude.wire == RudeWire::kSse ? "2024-11-05" : "2025-11-25"},
              {"capabilities", {{"tools", {{"listChanged", true}}}}},
              {"serverInfo", {{"name", "rude"}, {"version", "1"}}}};
  } else if (method == "tools/call") {
    result["content"] = Json::array({{{"type", "text"}, {"text", "here"}}});
  }
  const auto text = print_json({{"jsonrpc", "2.0"}, {"id", message["id"]}, {"result", std::move(result)}});
  if (rude.mood == "mute") return {};
  if (rude.mood == "twice") return {text, text};
  if (method != "tools/call") return {text};
  if (rude.mood == "silent") return {};
  if (rude.mood == "cut") return {kCut};
  if (rude.mood == "huge" || rude.mood == "huge page") return {kHuge};
  std::vector<std::string> all;
  if (rude.mood == "storm")
    all.assign(1000, R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
  all.push_back(text);
  return all;
}

Task<void> stream(RudeServer& rude, HttpExchange& exchange) {
  auto [in, out] = memory_transports(co_await asio::this_coro::executor);
  rude.in = std::move(in);
  rude.out = std::move(out);
  TSUKAI_CO_TRY_VOID(co_await exchange.start_stream(200, {{"Content-Type", "text/event-stream"}}));
  TSUKAI_CO_TRY_VOID(co_await exchange.write("event: endpoint\ndata: /messages\n\n"));
  while (true) {
    TSUKAI_CO_TRY(auto text, co_await rude.out->receive());
    if (!text || *text == kCut) co_return Result<void>();
    if (*text == kHuge) co_return co_await write_huge(exchange);
    TSUKAI_CO_TRY_VOID(co_await exchange.write(event(*text)));
  }
}

Task<void> rude_server_serve(RudeServer& rude, HttpExchange& exchange) {
  const auto request = exchange.request();
  if (rude.wire == RudeWire::kSse && request.method == "GET") co_return co_await stream(rude, exchange);
  if (request.method != "POST" || (rude.wire == RudeWire::kSse && request.target != "/messages"))
    co_return co_await exchange.respond(405, {}, "");
  const Json message = Json::parse(request.body);
  if (!message.contains("id")) co_return co_await exchange.respond(202, {}, "");
  if (rude.wire == RudeWire::kLegacy && message["method"] == "server/discover" && rude.mood != "mute")
    co_return co_await exchange.respond(400, {}, "what is that?");
  const auto all = answers(rude, message);
  if (rude.wire == RudeWire::kSse) {
    for (const auto& text : all) (void)rude.in->send(text);
    co_return co_await exchange.respond(202, {}, "");
  }
  if (all.empty()) co_return (co_await sleep_for(1h));
  const bool page = rude.mood == "huge page" && all[0] == kHuge;
  TSUKAI_CO_TRY_VOID(co_await exchange.start_stream(
      200, {{"Content-Type", page ? "application/json" : "text/event-stream"}}));
  for (const auto& text : all) {
    if (text == kCut) break;
    if (text == kHuge) co_return co_await write_huge(exchange);
    TSUKAI_CO_TRY_VOID(co_await exchange.write(event(text)));
  }
  co_return Result<void>();
}

struct RudeServerHeard {
  int refreshes = 0, running = 0, running_most = 0;
};
Task<void> rude_server_refresh(RudeServerHeard& heard) {
  ++heard.refreshes;
  heard.running_most = std::max(heard.running_most, ++heard.running);
  auto slept = co_await sleep_for(5ms);
  --heard.running;
  co_return slept;
}

// Connects and calls twice; what the second call gave.
Task<std::string> call_twice(RudeServer& rude, RudeServerHeard& heard) {
  ServerConfig config;
  config.name = "rude";
  config.url = "http://127.0.0.1:" + std::to_string(rude.http->port()) + "/mcp";
  config.start_timeout = rude.mood == "mute" ? kSoon : kLong;
  config.call_timeout = rude.mood == "silent" ? kSoon : kLong;
  ClientOptions options;
  options.on_changed = [&](Changed) { return rude_server_refresh(heard); };
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), std::move(options)));
  auto result = co_await client->call_tool("look", Json::object());
  if (result) result = co_await client->call_tool("look", Json::object());
  for (int i = 0; i < 1000 && heard.running > 0; ++i) TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  co_await client->shutdown();
  if (!result) co_return fail(std::move(result).error());
  co_return result->text();
}

Task<std::string> rude_server_visit(RudeServer& rude, RudeServerHeard& heard) {
  TSUKAI_CO_TRY(rude.http,
                HttpServer::listen(co_await asio::this_coro::executor, {}, [&](HttpExchange& exchange) {
                  return rude_server_serve(rude, exchange);
                }));
  auto outcome = co_await call_twice(rude, heard);
  co_await rude.http->close();
  rude.http.reset();
  rude.in.reset();
  rude.out.reset();
  co_return outcome;
}

std::size_t status_mb(const char* name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stoul(line.substr(line.find(':') + 1)) / 1024;
  }
  return 0;
}

// Visits a server in each of its forms, and gives what came of it to `check`.
template <typename Check>
void each_wire(const std::string& mood, Check check) {
  for (auto wire : {RudeWire::kLegacy, RudeWire::kModern, RudeWire::kSse}) {
    CAPTURE(static_cast<int>(wire));
    RudeServer rude{mood, wire};
    RudeServerHeard heard;
    std::ofstream("/proc/self/clear_refs") << "5";  // The peak begins anew.
    const auto before_mb = status_mb("VmRSS");
    const auto outcome = await(rude_server_visit(rude, heard));
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)  // Which keep more.
    CHECK(status_mb("VmHWM") < before_mb + kPeakMbMax);
#endif
    check(outcome, heard);
  }
}

void fails(const std::string& mood, Code code, std::string_view part) {
  each_wire(mood, [&](const Result<std::string>& outcome, const RudeServerHeard&) {
    REQUIRE_FALSE(outcome);
    CAPTURE(outcome.error().text());
    CHECK(outcome.error().code() == code);
    CHECK(outcome.error().text().find(part) != std::string::npos);
  });
}

}  // namespace

TEST_SUITE("mcp/rude_server") {
  TEST_CASE("one that never says a word is given up at the deadline of connecting") {
    fails("mute", Code::kTimeout, "did not answer within 400 ms");
  }
  TEST_CASE("one that never answers a call is given up at the call's deadline") {
    fails("silent", Code::kTimeout, "tools/call got no answer within 400 ms");
  }
  TEST_CASE("one that hangs up in the middle of a call has lost it") {
    fails("cut", Code::kTransport, "server rude ended");
  }
  TEST_CASE("one that sends 100 MB in one line is stopped at the limit") {
    fails("huge", Code::kProtocol, "16777216 bytes");
    fails("huge page", Code::kProtocol, "16777216 bytes");
  }
  TEST_CASE("one that answers every id twice is heard once") {
    each_wire("twice", [](const Result<std::string>& outcome, const RudeServerHeard&) {
      REQUIRE(outcome);
      CHECK(*outcome == "here");
    });
  }
  TEST_CASE("one that announces a thousand changes during a call causes a few refreshes, one at a time") {
    each_wire("storm", [](const Result<std::string>& outcome, const RudeServerHeard& heard) {
      REQUIRE(outcome);
      CHECK(*outcome == "here");
      CHECK(heard.refreshes > 0);
      CHECK(heard.refreshes < 500);
      CHECK(heard.running_most == 1);
    });
  }
}
