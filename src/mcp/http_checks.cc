#include "mcp/http_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/text.h"
#include "mcp/version.h"

namespace tsukai::mcp {
namespace {

// "[::1]:80" -> "[::1]", "localhost:80" -> "localhost".
std::string without_port(std::string_view host) {
  const auto bracket = host.rfind(']');
  const auto colon = host.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket))
    host = host.substr(0, colon);
  return std::string(host);
}

bool known_host(std::string_view host, const HttpServeOptions& options) {
  const auto name = without_port(host);
  for (const char* local : {"localhost", "127.0.0.1", "[::1]"}) {
    if (equal_ignoring_case(name, local)) return true;
  }
  return std::any_of(options.hosts.begin(), options.hosts.end(), [&](const std::string& known) {
    return known == "*" || equal_ignoring_case(known, name) || equal_ignoring_case(known, host);
  });
}

RpcError mismatch(std::string why) { return {kHeaderMismatch, std::move(why), {}, true}; }

}  // namespace

std::optional<HttpRefusal> check_access(const HttpServerRequest& request, const HttpServeOptions& options) {
  if (request.target.substr(0, request.target.find('?')) != options.path) {
    return HttpRefusal{404, "nothing here; the endpoint is " + options.path, {}};
  }
  const auto host = header_text(request.headers, "Host");
  if (!known_host(host, options))
    return HttpRefusal{403, fmt::format("this server does not go by the name {}", host), {}};
  if (const auto* origin = find_header(request.headers, "Origin")) {
    const auto at = origin->find("://");
    if (at == std::string::npos || !known_host(std::string_view(*origin).substr(at + 3), options)) {
      return HttpRefusal{403, fmt::format("requests from {} are not allowed", *origin), {}};
    }
  }
  if (options.bearer_keys.empty()) return std::nullopt;
  const auto given = header_text(request.headers, "Authorization");
  for (const auto& key : options.bearer_keys) {
    if (given.size() > 7 && equal_ignoring_case(given.substr(0, 7), "Bearer ") &&
        equal_secrets(trimmed(given.substr(7)), key)) {
      return std::nullopt;
    }
  }
  return HttpRefusal{401, "a bearer key is needed", {{"WWW-Authenticate", "Bearer"}}};
}

std::optional<RpcError> check_headers(const HttpServerRequest& request, const Message& message,
                                      const Registry& registry) {
  const Json& params = *message.body;
  const Json* meta = find(params, "_meta");
  const auto version = header_text(request.headers, "MCP-Protocol-Version");
  if (meta != nullptr && !string_at(*meta, kMetaVersion).empty() &&
      trimmed(version) != string_at(*meta, kMetaVersion)) {
    return mismatch(fmt::format("header MCP-Protocol-Version is \"{}\", _meta says \"{}\"", version,
                                string_at(*meta, kMetaVersion)));
  }
  const auto expect = [&](const char* header, const std::string& value) -> std::optional<RpcError> {
    const auto* given = find_header(request.headers, header);
    if (given == nullptr) return mismatch(fmt::format("header {} is missing", header));
    if (from_header_value(*given) != value)
      return mismatch(fmt::format("header {} does not match the body", header));
    return std::nullopt;
  };
  if (auto wrong = expect("Mcp-Method", message.method)) return wrong;
  const bool named = message.method == "tools/call" || message.method == "prompts/get";
  if (named || message.method == "resources/read") {
    if (auto wrong = expect("Mcp-Name", string_at(params, named ? "name" : "uri"))) return wrong;
  }
  if (message.method == "tasks/get" || message.method == "tasks/update" || message.method == "tasks/cancel") {
    if (auto wrong = expect("Mcp-Name", string_at(params, "taskId"))) return wrong;
  }
  if (message.method != "tools/call") return std::nullopt;
  const auto* tool = registry.tool(string_at(params, "name"));
  if (tool == nullptr) return std::nullopt;
  const Json* arguments = find(params, "arguments");
  const Json empty = Json::object();
  for (const auto& header : tool->headers) {
    const auto* given = find_header(request.headers, header.header);
    const auto mine = argument_text(arguments != nullptr ? *arguments : empty, header);
    if (given == nullptr && !mine) continue;
    if (given == nullptr) return mismatch(fmt::format("header {} is missing", header.header));
    const auto text = from_header_value(*given);
    if (!text) return mismatch(fmt::format("header {} holds invalid base64", header.header));
    if (!mine || !same_argument(*arguments, header, *text)) {
      return mismatch(fmt::format("header {} does not match the argument", header.header));
    }
  }
  return std::nullopt;
}

}  // namespace tsukai::mcp
