// The client that the official MCP conformance suite drives: everything_client URL, with the scenario in the
// environment (MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION, MCP_CONFORMANCE_CONTEXT). It does
// what an agent would: connects, lists, reads and calls what it finds. Exit status 0: all of that worked.
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "base/http_client.h"
#include "mcp/auth/oauth.h"
#include "mcp/client.h"
#include "mcp/version.h"

namespace tsukai::mcp {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Stands for the browser and its user: follows the redirects of the authorization server.
Task<void> visit(std::string url) {
  auto http = HttpClient::make(co_await asio::this_coro::executor);
  HttpRequest request;
  request.url = std::move(url);
  request.redirects_max = 5;
  TSUKAI_CO_TRY_VOID(co_await http->fetch(std::move(request)));
  co_return Result<void>();
}

Task<JsonValue> sample(JsonValue) {
  co_return JsonValue(Json{{"role", "assistant"},
                           {"content", {{"type", "text"}, {"text", "a sampled answer"}}},
                           {"model", "none"},
                           {"stopReason", "endTurn"}});
}

// Accepts every form with what its schema gives by default, and makes up the rest.
Task<JsonValue> fill_in(JsonValue params) {
  Json content = Json::object();
  const Json* schema = find(*params, "requestedSchema");
  const Json* properties = schema == nullptr ? nullptr : find(*schema, "properties");
  if (properties != nullptr) {
    for (const auto& [name, property] : properties->items()) {
      if (property.contains("default")) continue;
      const auto type = string_at(property, "type");
      if (type == "boolean")
        content[name] = true;
      else if (type == "integer" || type == "number")
        content[name] = 1;
      else if (property.contains("enum"))
        content[name] = property["enum"][0];
      else
        content[name] = "some text";
    }
  }
  co_return JsonValue(Json{{"action", "accept"}, {"content", std::move(content)}});
}

std::vector<Root> roots() { return {{"file:///tmp", "scratch"}}; }

Json arguments_for(const Tool& tool) {
  Json out = Json::object();
  const Json* properties = find(*tool.input_schema, "properties");
  if (properties == nullptr) return out;
  for (const auto& [name, property] : properties->items()) {
    const auto type = string_at(property, "type", "string");
    if (type == "integer" || type == "number")
      out[name] = 5;
    else if (type == "boolean")
      out[name] = true;
    else if (type == "object")
      out[name] = Json::object();
    else if (type == "array")
      out[name] = Json::array();
    else
      out[name] = "text";
  }
  return out;
}

Task<void> call_in_background(Client& client, std::string tool, int& failed) {
  auto result = co_await client.call_tool(std::move(tool), Json::object());
  failed += result ? 0 : 1;
  co_return Result<void>();
}

Task<void> use_tools(Client& client, JsonValue context) {
  TSUKAI_CO_TRY(auto tools, co_await client.list_tools());
  if (const Json* calls = find(*context, "toolCalls")) {
    for (const auto& call : *calls) {
      const Json arguments = call.contains("arguments") ? call["arguments"] : Json::object();
      TSUKAI_CO_TRY_VOID(co_await client.call_tool(string_at(call, "name"), arguments));
    }
    co_return Result<void>();
  }
  // A call that asks its questions while others run beside it.
  Gate gate(co_await asio::this_coro::executor);
  int failed = 0;
  for (const auto& tool : tools) {
    if (tool.name == "test_mrtr_unrelated") gate.spawn(call_in_background(client, tool.name, failed));
  }
  for (const auto& tool : tools) {
    auto arguments = arguments_for(tool);
    if (tool.name == "json_schema_echo") {
      for (const auto& other : tools) {
        if (other.name != tool.name) arguments["schema"] = *other.input_schema;
      }
    }
    TSUKAI_CO_TRY_VOID(co_await client.call_tool(tool.name, std::move(arguments)));
  }
  co_await gate.drained();
  if (failed > 0) co_return fail(Code::kProtocol, "a call in the background failed");
  co_return Result<void>();
}

Task<void> use_the_rest(Client& client) {
  if (client.capabilities().contains("resources")) {
    TSUKAI_CO_TRY(auto resources, co_await client.list_resources());
    for (const auto& resource : resources) {
      TSUKAI_CO_TRY_VOID(co_await client.read_resource(string_at(*resource, "uri")));
    }
  }
  if (client.capabilities().contains("prompts")) {
    TSUKAI_CO_TRY(auto prompts, co_await client.list_prompts());
    for (const auto& prompt : prompts)
      TSUKAI_CO_TRY_VOID(co_await client.get_prompt(string_at(*prompt, "name"), {}));
  }
  co_return Result<void>();
}

Result<std::shared_ptr<OAuth>> authorizer(asio::any_io_executor executor, const std::string& url,
                                          const std::string& scenario, const Json& context) {
  OAuthOptions options;
  options.server_url = url;
  options.server_name = "conformance";
  options.client_metadata_url = "https://conformance-test.local/client-metadata.json";
  options.client_id = string_at(context, "client_id");
  options.client_secret = string_at(context, "client_secret");
  options.private_key_pem = string_at(context, "private_key_pem");
  options.signing_algorithm = string_at(context, "signing_algorithm");
  options.client_credentials = scenario.starts_with("auth/client-credentials");
  options.login_timeout = std::chrono::seconds(10);
  options.open = visit;
  return OAuth::make(std::move(executor), std::move(options));
}

Task<void> run(std::string url) {
  const auto scenario = environment("MCP_CONFORMANCE_SCENARIO");
  Json context = Json::object();
  if (const auto text = environment("MCP_CONFORMANCE_CONTEXT"); !text.empty()) {
    TSUKAI_CO_TRY(context, parse_json(text));
  }
  ServerConfig config;
  config.name = "conformance";
  config.url = url;
  config.start_timeout = std::chrono::seconds(25);
  const auto version = environment("MCP_CONFORMANCE_PROTOCOL_VERSION");
  // EVERYTHING_CLIENT_ERA=auto: the era is found out instead of taken from the suite.
  if (environment("EVERYTHING_CLIENT_ERA") != "auto")
    config.era = is_legacy(version) ? Era::kLegacy : Era::kModern;
  ClientOptions options;
  options.on_sampling = sample;
  options.on_elicitation = fill_in;
  options.roots = roots;
  options.on_warning = [](const std::string& what) { std::fprintf(stderr, "warning: %s\n", what.c_str()); };
  options.on_message = [](Direction direction, std::string_view text) {
    std::fprintf(stderr, "%c %.*s\n", "><e?"[static_cast<int>(direction)], static_cast<int>(text.size()),
                 text.data());
  };
  if (scenario.starts_with("auth/")) {
    TSUKAI_CO_TRY(options.authorizer, authorizer(co_await asio::this_coro::executor, url, scenario, context));
  }
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), std::move(options)));
  auto outcome = co_await use_tools(*client, JsonValue(context));
  if (outcome && scenario == "http-standard-headers") outcome = co_await use_the_rest(*client);
  co_await client->shutdown();
  co_return outcome;
}

}  // namespace
}  // namespace tsukai::mcp

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: everything_client URL\n");
    return 2;
  }
  tsukai::asio::io_context context;
  auto outcome = tsukai::run_to_end(context, tsukai::mcp::run(argv[1]));
  if (outcome) return 0;
  std::fprintf(stderr, "%s\n", outcome.error().text().c_str());
  return 1;
}
