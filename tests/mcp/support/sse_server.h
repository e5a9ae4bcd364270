// HTTP+SSE of 2024-11-05, server side, as small as a test needs it: one session at a time.
#pragma once

#include "base/gate.h"
#include "base/http_server.h"
#include "mcp/server.h"

namespace tsukai::mcp {

class SseTestServer {
 public:
  SseTestServer(asio::any_io_executor executor, Server& server)
      : server_(server), gate_(executor), executor_(executor) {}

  Result<void> listen() {
    TSUKAI_TRY(http_, HttpServer::listen(executor_, {},
                                         [this](HttpExchange& exchange) { return handle(exchange); }));
    return {};
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(http_->port()) + "/sse"; }
  asio::awaitable<void> close() {
    co_await http_->close();
    co_await gate_.close();
  }
  std::string endpoint = "/messages?session=1";

 private:
  Task<void> handle(HttpExchange& exchange) {
    const auto& request = exchange.request();
    if (request.method == "GET" && request.target == "/sse") co_return co_await stream(exchange);
    if (request.method == "POST" && request.target == "/messages?session=1" && client_) {
      (void)client_->send(request.body);
      co_return co_await exchange.respond(202, {}, "Accepted");
    }
    co_return co_await exchange.respond(request.method == "POST" ? 404 : 405, {}, "");
  }

  Task<void> stream(HttpExchange& exchange) {
    auto [mine, theirs] = memory_transports(executor_);
    client_ = std::move(mine);
    gate_.spawn(server_.serve(std::move(theirs)));
    TSUKAI_CO_TRY_VOID(co_await exchange.start_stream(200, {{"Content-Type", "text/event-stream"}}));
    TSUKAI_CO_TRY_VOID(co_await exchange.write("event: endpoint\ndata: " + endpoint + "\n\n"));
    while (true) {
      TSUKAI_CO_TRY(auto text, co_await client_->receive());
      if (!text) co_return Result<void>();
      TSUKAI_CO_TRY_VOID(co_await exchange.write("event: message\ndata: " + *text + "\n\n"));
    }
  }

  Server& server_;
  Gate gate_;
  asio::any_io_executor executor_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<Transport> client_;
};

}  // namespace tsukai::mcp
