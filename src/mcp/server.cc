#include "mcp/server.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/http_server.h"
#include "base/log.h"
#include "base/random.h"
#include "mcp/http_endpoint.h"
#include "mcp/server_connection.h"
#include "mcp/server_registry.h"
#include "mcp/version.h"
#include "mcp/wire.h"

namespace tsukai::mcp {
namespace {

Json resource_definition(const Resource& resource, const char* uri_key) {
  Json out = {{uri_key, resource.uri}, {"name", resource.name}};
  if (!resource.title.empty()) out["title"] = resource.title;
  if (!resource.description.empty()) out["description"] = resource.description;
  if (!resource.mime_type.empty()) out["mimeType"] = resource.mime_type;
  return out;
}

Json prompt_definition(const Prompt& prompt) {
  Json out = {{"name", prompt.name}};
  if (!prompt.title.empty()) out["title"] = prompt.title;
  if (!prompt.description.empty()) out["description"] = prompt.description;
  for (const auto& argument : prompt.arguments) {
    out["arguments"].push_back(
        {{"name", argument.name}, {"description", argument.description}, {"required", argument.required}});
  }
  return out;
}

class LibraryServer : public Server {
 public:
  // The key of requestStates lives as long as the server: states do not outlive it.
  explicit LibraryServer(ServerOptions options) : registry_(random_id(52)) {
    registry_.options = std::move(options);
    registry_.stamp = std::make_shared<const Stamp>(
        Json{{kMetaServerInfo, to_json(registry_.options.implementation)}}, "", true);
    registry_.tasks->on_change = [this](const ServerTask& task) {
      for (auto* connection : registry_.connections) connection->announce_task(task);
    };
  }

  void add_task_tool(Tool tool, ToolHandler handler, TaskRules rules) override {
    add_tool(std::move(tool), std::move(handler));
    registry_.tools.back().task = rules;
  }

  void add_tool(Tool tool, ToolHandler handler) override {
    TSUKAI_CHECK(!tool.name.empty() && registry_.tool(tool.name) == nullptr,
                 "tool " + tool.name + " is already there");
    if (tool.input_schema.is_null()) tool.input_schema = Json{{"type", "object"}};
    auto input = JsonSchema::compile(*tool.input_schema);
    TSUKAI_CHECK(input.has_value(), tool.name + ": inputSchema: " + input.error().text());
    auto headers = param_headers(*tool.input_schema);
    TSUKAI_CHECK(headers.has_value(), tool.name + ": inputSchema: " + headers.error().text());
    RegisteredTool entry{tool.name, to_json(tool),      tool.input_schema,   *std::move(input),
                         {},        std::move(handler), *std::move(headers), {}};
    if (tool.output_schema) {
      auto output = JsonSchema::compile(**tool.output_schema);
      TSUKAI_CHECK(output.has_value(), tool.name + ": outputSchema: " + output.error().text());
      entry.output = *std::move(output);
    }
    registry_.tools.push_back(std::move(entry));
  }

  void add_resource(Resource resource, ResourceHandler handler) override {
    registry_.resources.push_back({resource.uri, resource_definition(resource, "uri"), std::move(handler)});
  }
  void add_resource_template(Resource resource, ResourceHandler handler) override {
    registry_.templates.push_back(
        {resource.uri, resource_definition(resource, "uriTemplate"), std::move(handler)});
  }
  void add_prompt(Prompt prompt, PromptHandler handler) override {
    TSUKAI_CHECK(registry_.prompt(prompt.name) == nullptr, "prompt " + prompt.name + " is already there");
    registry_.prompts.push_back({prompt, prompt_definition(prompt), std::move(handler)});
  }
  void set_completion(CompletionHandler handler) override { registry_.completion = std::move(handler); }

  void announce_tools_changed() override { announce(Change::kTools); }
  void announce_resources_changed() override { announce(Change::kResources); }
  void announce_prompts_changed() override { announce(Change::kPrompts); }
  void announce_resource_updated(std::string uri) override {
    for (auto* connection : registry_.connections) connection->announce_updated(uri);
  }

  Task<void> serve_stdio() override {
    co_return co_await serve(own_stdio_transport(co_await asio::this_coro::executor));
  }

  Task<void> serve(std::unique_ptr<Transport> given) override {
    // Shared with the outlets: a call that ends late still has somewhere to write.
    std::shared_ptr<Transport> transport = std::move(given);
    registry_.tasks->attach(co_await asio::this_coro::executor);
    ServerConnection connection(registry_, co_await asio::this_coro::executor);
    const Outlet outlet = [transport](Message message) {
      if (auto sent = transport->send(print_message(message)); !sent)
        log_debug("answer lost: {}", sent.error().text());
    };
    connection.set_announcements(outlet);
    Result<void> outcome;
    while (true) {
      auto text = co_await transport->receive();
      if (!text) {
        outcome = fail(std::move(text).error().in("reading from the client"));
        break;
      }
      if (!*text) break;
      // What came together is answered together, as far as handlers are quick.
      auto one = *std::move(text), next = transport->received();
      if (next) transport->hold(true);
      for (; one; one = std::exchange(next, transport->received())) {
        if (one->find_first_not_of(" \t") != std::string::npos) connection.deliver(*one, outlet);
      }
      transport->hold(false);
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (outcome)
      co_await connection.finish();
    else
      co_await connection.abort();
    co_await registry_.tasks->detach();
    co_await transport->flushed();
    co_return outcome;
  }

  Task<void> serve_http(HttpServeOptions options) override {
    auto executor = co_await asio::this_coro::executor;
    HttpEndpoint endpoint(registry_, options, executor);
    HttpServerOptions http{options.address, options.port, kMessageBytesMax, 256};
    TSUKAI_CO_TRY(auto server, HttpServer::listen(executor, http, [&endpoint](HttpExchange& exchange) {
                    return endpoint.handle(exchange);
                  }));
    registry_.tasks->attach(executor);
    if (options.on_listening) options.on_listening(server->port());
    TSUKAI_CHECK(!co_await sleep_for(std::chrono::hours(24 * 36500)), "a century has passed");
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await endpoint.close();
    co_await server->close();
    co_await registry_.tasks->detach();
    co_return Result<void>();
  }

 private:
  void announce(Change change) {
    for (auto* connection : registry_.connections) connection->announce(change);
  }

  Registry registry_;
};

}  // namespace

std::unique_ptr<Server> Server::make(ServerOptions options) {
  return std::make_unique<LibraryServer>(std::move(options));
}

}  // namespace tsukai::mcp
