#include "mcp/server.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "mcp/server_connection.h"
#include "mcp/server_registry.h"
#include "mcp/wire.h"

namespace tsukai::mcp {
namespace {

class LibraryServer : public Server {
 public:
  explicit LibraryServer(ServerOptions options) { registry_.options = std::move(options); }

  void add_tool(Tool tool, ToolHandler handler) override {
    TSUKAI_CHECK(!tool.name.empty() && registry_.tool(tool.name) == nullptr,
                 "tool " + tool.name + " is already there");
    if (tool.input_schema.is_null()) tool.input_schema = Json{{"type", "object"}};
    auto input = JsonSchema::compile(*tool.input_schema);
    TSUKAI_CHECK(input.has_value(), tool.name + ": inputSchema: " + input.error().text());
    RegisteredTool entry{tool.name, to_json(tool),     tool.input_schema, *std::move(input),
                         {},        std::move(handler)};
    if (tool.output_schema) {
      auto output = JsonSchema::compile(**tool.output_schema);
      TSUKAI_CHECK(output.has_value(), tool.name + ": outputSchema: " + output.error().text());
      entry.output = *std::move(output);
    }
    registry_.tools.push_back(std::move(entry));
  }

  Task<void> serve_stdio() override {
    co_return co_await serve(own_stdio_transport(co_await asio::this_coro::executor));
  }

  Task<void> serve(std::unique_ptr<Transport> given) override {
    // Shared with the outlets: a call that ends late still has somewhere to write.
    std::shared_ptr<Transport> transport = std::move(given);
    ServerConnection connection(registry_, co_await asio::this_coro::executor);
    const Outlet outlet = [transport](Message message) {
      if (auto sent = transport->send(print_message(message)); !sent)
        log_debug("answer lost: {}", sent.error().text());
    };
    Result<void> outcome;
    while (true) {
      auto text = co_await transport->receive();
      if (!text) {
        outcome = fail(std::move(text).error().in("reading from the client"));
        break;
      }
      if (!*text) break;
      if ((*text)->find_first_not_of(" \t") == std::string::npos) continue;
      connection.deliver(**text, outlet);
    }
    if (outcome)
      co_await connection.finish();
    else
      co_await connection.abort();
    co_await transport->flushed();
    co_return outcome;
  }

 private:
  Registry registry_;
};

}  // namespace

std::unique_ptr<Server> Server::make(ServerOptions options) {
  return std::make_unique<LibraryServer>(std::move(options));
}

}  // namespace tsukai::mcp
