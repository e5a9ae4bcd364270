#include "mcp/auth/metadata_fetch.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tsukai::mcp {
namespace {

// The first of `urls` that answers with a document; nullopt when none does.
struct Found {
  std::string url;
  JsonValue document;
};
Task<std::optional<Found>> first_document(HttpClient& http, std::vector<std::string> urls) {
  for (const std::string& url : urls) {
    HttpRequest request;
    request.url = url;
    request.headers = {{"Accept", "application/json"}};
    request.timeout_max = kMetadataTimeout;
    request.body_bytes_max = kMetadataBytesMax;
    TSUKAI_CO_TRY(const HttpResponse response, co_await http.fetch(std::move(request)));
    if (response.status >= 500) {
      co_return fail(Code::kTransport, fmt::format("{} answered with status {}", url, response.status));
    }
    if (response.status != 200) continue;
    auto document = parse_json(response.body);
    // A site that answers every address with a page of its own has no description there.
    if (!document || !document->is_object()) continue;
    co_return Found{url, *std::move(document)};
  }
  co_return std::optional<Found>();
}

Task<std::optional<AuthorizationServer>> describe(HttpClient& http, std::string issuer,
                                                  std::string server_url) {
  TSUKAI_CO_TRY(auto urls, authorization_server_urls(issuer));
  TSUKAI_CO_TRY(const auto found, co_await first_document(http, std::move(urls)));
  if (!found) co_return std::optional<AuthorizationServer>();
  auto parsed = parse_authorization_server(*found->document, issuer, server_url);
  if (!parsed) co_return fail(std::move(parsed).error().in(found->url));
  co_return std::optional<AuthorizationServer>(*std::move(parsed));
}

}  // namespace

Task<Guard> find_guard(HttpClient& http, std::string server_url, std::string resource_metadata) {
  Guard out;
  TSUKAI_CO_TRY(auto urls, protected_resource_urls(server_url, resource_metadata));
  TSUKAI_CO_TRY(const auto found, co_await first_document(http, std::move(urls)));
  if (found) {
    auto resource = parse_protected_resource(*found->document, server_url);
    if (!resource) co_return fail(std::move(resource).error().in(found->url));
    out.resource = resource->resource;
    out.scopes_supported = std::move(resource->scopes_supported);
    const std::string issuer = resource->authorization_servers.front();
    TSUKAI_CO_TRY(auto server, co_await describe(http, issuer, server_url));
    if (!server) {
      co_return fail(Code::kProtocol,
                     fmt::format("authorization server {} does not describe itself (RFC 8414)", issuer));
    }
    out.server = *std::move(server);
    co_return out;
  }
  if (!resource_metadata.empty()) {
    co_return fail(Code::kProtocol,
                   fmt::format("{}, which the server named, holds no description", resource_metadata));
  }
  TSUKAI_CO_TRY(out.resource, canonical_resource(server_url));
  TSUKAI_CO_TRY(const std::string origin, origin_of(server_url));
  TSUKAI_CO_TRY(auto server, co_await describe(http, origin, server_url));
  out.server = server ? *std::move(server) : default_endpoints(origin);
  co_return out;
}

}  // namespace tsukai::mcp
