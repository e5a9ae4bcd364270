// Streamable HTTP as a client sees it: statuses, headers, sessions, streams.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "mcp/server.h"
#include "support/await.h"

using namespace tsukai;
using namespace tsukai::mcp;

namespace {

Task<ToolOutput> slow(Json, CallContext& context) {
  context.progress(1, 2, "half");
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(1)));
  co_return ToolOutput{{}, "done"};
}

std::unique_ptr<Server> one_tool() {
  auto server = Server::make({{"one", "", "1"}, ""});
  Tool tool;
  tool.name = "slow";
  tool.input_schema = Json::parse(
      R"({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}})");
  server->add_tool(tool, slow);
  return server;
}

struct Response {
  int status = 0;
  std::string head, body;
};

Task<Response> send(std::uint16_t port, std::string method, std::string headers, std::string body) {
  using Tcp = asio::ip::tcp;
  Tcp::socket socket(co_await asio::this_coro::executor);
  boost::system::error_code error;
  co_await socket.async_connect({asio::ip::address_v4::loopback(), port},
                                asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return fail(Code::kTransport, error.message());
  if (headers.find("Host:") == std::string::npos) headers += "Host: localhost\r\n";
  const std::string text = method + " HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n" +
                           headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  co_await asio::async_write(socket, asio::buffer(text), asio::redirect_error(asio::use_awaitable, error));
  std::string all;
  co_await asio::async_read(socket, asio::dynamic_buffer(all),
                            asio::redirect_error(asio::use_awaitable, error));
  Response response;
  const auto end = all.find("\r\n\r\n");
  if (end == std::string::npos) co_return fail(Code::kProtocol, "no HTTP answer: " + all);
  response.status = std::stoi(all.substr(9, 3));
  response.head = all.substr(0, end);
  response.body = all.substr(end + 4);
  co_return response;
}

template <typename Body>
Task<void> with_server(Body body, HttpServeOptions options) {
  auto executor = co_await asio::this_coro::executor;
  auto server = one_tool();
  Gate gate(executor);
  std::uint16_t port = 0;
  options.on_listening = [&](std::uint16_t given) { port = given; };
  gate.spawn(server->serve_http(options));
  while (port == 0) TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(1)));
  auto outcome = co_await body(port);
  co_await gate.close();
  co_return outcome;
}

template <typename Body>
void serve(Body body, HttpServeOptions options = {}) {
  auto outcome = await(with_server(std::move(body), std::move(options)));
  if (!outcome) FAIL(outcome.error().text());
}

std::string initialize() {
  return R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}})";
}
const std::string kList = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";

std::string modern(std::string method, Json params = Json::object()) {
  params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                     {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  return Json{{"jsonrpc", "2.0"}, {"id", 9}, {"method", method}, {"params", params}}.dump();
}
std::string modern_headers(std::string method, std::string more = {}) {
  return "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: " + method + "\r\n" + more;
}

std::string session_of(const Response& response) {
  const auto at = response.head.find("Mcp-Session-Id: ");
  return at == std::string::npos ? ""
                                 : response.head.substr(at, response.head.find("\r\n", at) - at) + "\r\n";
}

Task<void> session_rules(std::uint16_t port) {
  TSUKAI_CO_TRY(auto opened, co_await send(port, "POST /mcp", "", initialize()));
  CHECK(opened.status == 200);
  const auto session = session_of(opened);
  REQUIRE_FALSE(session.empty());
  TSUKAI_CO_TRY(auto list, co_await send(port, "POST /mcp", session, kList));
  CHECK(list.status == 200);
  CHECK(Json::parse(list.body)["result"]["tools"][0]["name"] == "slow");
  TSUKAI_CO_TRY(auto noted, co_await send(port, "POST /mcp", session,
                                          R"({"jsonrpc":"2.0","method":"notifications/initialized"})"));
  CHECK(noted.status == 202);
  TSUKAI_CO_TRY(auto without, co_await send(port, "POST /mcp", "", kList));
  CHECK(without.status == 400);
  TSUKAI_CO_TRY(auto strange,
                co_await send(port, "POST /mcp", session + "MCP-Protocol-Version: 1999-01-01\r\n", kList));
  CHECK(strange.status == 400);
  TSUKAI_CO_TRY(auto ended, co_await send(port, "DELETE /mcp", session, ""));
  CHECK(ended.status == 204);
  TSUKAI_CO_TRY(auto late, co_await send(port, "POST /mcp", session, kList));
  CHECK(late.status == 404);
  co_return Result<void>();
}

Task<void> streams(std::uint16_t port) {
  TSUKAI_CO_TRY(auto opened, co_await send(port, "POST /mcp", "", initialize()));
  const std::string call =
      R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"slow","_meta":{"progressToken":1}}})";
  TSUKAI_CO_TRY(auto answer, co_await send(port, "POST /mcp", session_of(opened), call));
  CHECK(answer.head.find("text/event-stream") != std::string::npos);
  const auto progress = answer.body.find("notifications/progress"), result = answer.body.find("\"result\"");
  CHECK(progress != std::string::npos);
  CHECK(result != std::string::npos);
  CHECK(progress < result);
  const auto id = answer.body.find("id: ");
  REQUIRE(id != std::string::npos);
  const auto first = answer.body.substr(id + 4, answer.body.find('\n', id) - id - 4);
  TSUKAI_CO_TRY(auto again,
                co_await send(port, "GET /mcp", session_of(opened) + "Last-Event-ID: " + first + "\r\n", ""));
  CHECK(again.status == 200);
  CHECK(again.body.find("notifications/progress") != std::string::npos);
  CHECK(again.body.find("\"result\"") != std::string::npos);
  co_return Result<void>();
}

Task<void> stateless(std::uint16_t port) {
  TSUKAI_CO_TRY(auto list,
                co_await send(port, "POST /mcp", modern_headers("tools/list"), modern("tools/list")));
  CHECK(list.status == 200);
  CHECK(Json::parse(list.body)["result"]["resultType"] == "complete");
  TSUKAI_CO_TRY(auto unknown, co_await send(port, "POST /mcp", modern_headers("ping"), modern("ping")));
  CHECK(unknown.status == 404);
  CHECK(Json::parse(unknown.body)["error"]["code"] == -32601);
  TSUKAI_CO_TRY(auto bare, co_await send(port, "POST /mcp", modern_headers("tools/list"), kList));
  CHECK(bare.status == 400);
  CHECK(Json::parse(bare.body)["error"]["code"] == -32602);
  const auto call = modern("tools/call", {{"name", "slow"}, {"arguments", {{"region", "eu"}}}});
  const auto status = [&](std::string headers) {
    return send(port, "POST /mcp", modern_headers("tools/call", std::move(headers)), call);
  };
  TSUKAI_CO_TRY(auto fine, co_await status("Mcp-Name: slow\r\nMcp-Param-Region: eu\r\n"));
  CHECK(fine.status == 200);
  for (const char* wrong : {"", "Mcp-Name: fast\r\nMcp-Param-Region: eu\r\n", "Mcp-Name: slow\r\n",
                            "Mcp-Name: slow\r\nMcp-Param-Region: us\r\n"}) {
    TSUKAI_CO_TRY(auto refused, co_await status(wrong));
    CHECK(refused.status == 400);
    CHECK(Json::parse(refused.body)["error"]["code"] == -32020);
    CHECK(Json::parse(refused.body)["id"] == 9);
  }
  TSUKAI_CO_TRY(auto got, co_await send(port, "GET /mcp", "MCP-Protocol-Version: 2026-07-28\r\n", ""));
  CHECK(got.status == 405);
  co_return Result<void>();
}

Task<void> strangers(std::uint16_t port) {
  for (auto [headers, status] : {std::pair<const char*, int>{"Host: evil.example\r\n", 403},
                                 {"Origin: http://evil.example\r\n", 403},
                                 {"Origin: null\r\n", 403},
                                 {"Host: 127.0.0.1:1\r\nOrigin: http://localhost:3000\r\n", 200},
                                 {"Host: [::1]:80\r\n", 200}}) {
    CAPTURE(headers);
    TSUKAI_CO_TRY(auto answer, co_await send(port, "POST /mcp", headers, initialize()));
    CHECK(answer.status == status);
  }
  TSUKAI_CO_TRY(auto elsewhere, co_await send(port, "POST /other", "", initialize()));
  CHECK(elsewhere.status == 404);
  TSUKAI_CO_TRY(auto junk, co_await send(port, "POST /mcp", "", "{nonsense"));
  CHECK(junk.status == 400);
  CHECK(Json::parse(junk.body)["error"]["code"] == -32700);
  TSUKAI_CO_TRY(auto large, co_await send(port, "POST /mcp", "", std::string((16u << 20) + 1, ' ')));
  CHECK(large.status == 413);
  co_return Result<void>();
}

Task<void> keys(std::uint16_t port) {
  TSUKAI_CO_TRY(auto none, co_await send(port, "POST /mcp", "", initialize()));
  CHECK(none.status == 401);
  TSUKAI_CO_TRY(auto wrong,
                co_await send(port, "POST /mcp", "Authorization: Bearer guess\r\n", initialize()));
  CHECK(wrong.status == 401);
  TSUKAI_CO_TRY(auto right, co_await send(port, "POST /mcp", "Authorization: Bearer k3y\r\n", initialize()));
  CHECK(right.status == 200);
  co_return Result<void>();
}

// 256 connections are served at once; another is closed, until one of them goes.
Task<void> crowd(std::uint16_t port) {
  using Tcp = asio::ip::tcp;
  std::vector<Tcp::socket> idle;
  for (int i = 0; i < 256; ++i) {
    boost::system::error_code error;
    co_await idle.emplace_back(co_await asio::this_coro::executor)
        .async_connect({asio::ip::address_v4::loopback(), port},
                       asio::redirect_error(asio::use_awaitable, error));
    REQUIRE_FALSE(error);
  }
  CHECK_FALSE(co_await send(port, "POST /mcp", "", initialize()));
  idle.pop_back();
  Result<Response> after = fail(Code::kTransport, "not asked");
  for (int i = 0; i < 1000 && !after; ++i) {
    TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(1)));
    after = co_await send(port, "POST /mcp", "", initialize());
  }
  REQUIRE(after);
  CHECK(after->status == 200);
  co_return Result<void>();
}

Task<void> many_sessions(std::uint16_t port) {
  std::string last;
  for (int i = 0; i < 1024; ++i) {
    TSUKAI_CO_TRY(auto opened, co_await send(port, "POST /mcp", "", initialize()));
    REQUIRE(opened.status == 200);
    last = session_of(opened);
  }
  TSUKAI_CO_TRY(auto refused, co_await send(port, "POST /mcp", "", initialize()));
  CHECK(refused.status == 503);
  TSUKAI_CO_TRY_VOID(co_await send(port, "DELETE /mcp", last, ""));
  TSUKAI_CO_TRY(auto after, co_await send(port, "POST /mcp", "", initialize()));
  CHECK(after.status == 200);
  co_return Result<void>();
}

// Which address of this machine listens on `port`, as the kernel says it.
Task<void> listens_on_loopback(std::uint16_t port) {
  std::ifstream sockets("/proc/net/tcp");
  const auto wanted = fmt::format(":{:04X} 00000000:0000 0A", port);
  int found = 0;
  for (std::string line; std::getline(sockets, line);) {
    if (line.find(wanted) == std::string::npos) continue;
    ++found;
    CHECK(line.find("0100007F" + wanted) != std::string::npos);
  }
  CHECK(found == 1);
  co_return Result<void>();
}

}  // namespace

TEST_SUITE("mcp/http_endpoint") {
  TEST_CASE("a session begins with initialize and ends with DELETE") { serve(session_rules); }
  TEST_CASE("progress comes as a stream, and a stream can be fetched again from any event") {
    serve(streams);
  }
  TEST_CASE("2026-07-28: no session, and headers that say what the body says") { serve(stateless); }
  TEST_CASE("names and origins that are not ours, other paths, junk and excess are refused") {
    serve(strangers);
  }
  TEST_CASE("connections and sessions have a limit, and room comes back") {
    serve(crowd);
    serve(many_sessions);
  }
  TEST_CASE("unless told otherwise only this machine is listened to") { serve(listens_on_loopback); }
  TEST_CASE("where keys are asked for, one is needed") {
    HttpServeOptions options;
    options.bearer_keys = {"other", "k3y"};
    serve(keys, options);
  }
}
