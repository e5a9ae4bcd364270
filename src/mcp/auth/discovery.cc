#include "mcp/auth/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "mcp/auth/web_address.h"

namespace tsukai::mcp {
namespace {

constexpr const char* kResourceWellKnown = "/.well-known/oauth-protected-resource";
constexpr const char* kServerWellKnown = "/.well-known/oauth-authorization-server";
constexpr const char* kOpenIdWellKnown = "/.well-known/openid-configuration";

std::string without_end_slash(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  return path;
}

std::vector<std::string> texts_at(const Json& document, const char* key) {
  std::vector<std::string> out;
  const Json* list = find(document, key);
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& one : *list) {
    if (one.is_string() && out.size() < kScopesMax) out.push_back(one.get<std::string>());
  }
  return out;
}

// A URL of a document, checked: an endpoint gets codes and secrets.
Result<std::string> endpoint_at(const Json& document, const char* key, const WebAddress& server) {
  std::string url = string_at(document, key);
  if (url.empty()) return url;
  const auto address = parse_web_address(url);
  if (!address) return fail(Code::kProtocol, fmt::format("{}: {}", key, address.error().message()));
  if (!may_carry_credentials(*address, server)) {
    return fail(Code::kProtocol,
                fmt::format("{}: {} may not get credentials: it is {}", key, shortened(url, 200),
                            address->loopback ? "on this machine, the server is not" : "no https URL"));
  }
  return url;
}

}  // namespace

Result<std::vector<std::string>> protected_resource_urls(const std::string& server_url,
                                                         const std::string& from_challenge) {
  TSUKAI_TRY(const WebAddress server, parse_web_address(server_url));
  if (!from_challenge.empty()) {
    const auto named = parse_web_address(from_challenge);
    if (!named) return fail(Code::kProtocol, "resource_metadata: " + named.error().message());
    if (!may_carry_credentials(*named, server)) {
      return fail(Code::kProtocol,
                  fmt::format("resource_metadata: {} is neither https nor on the server's own machine",
                              shortened(from_challenge, 200)));
    }
    return std::vector<std::string>{from_challenge};
  }
  std::vector<std::string> urls;
  const std::string path = without_end_slash(server.path);
  if (!path.empty()) urls.push_back(server.origin + kResourceWellKnown + path);
  urls.push_back(server.origin + kResourceWellKnown);
  return urls;
}

Result<ProtectedResource> parse_protected_resource(const Json& document, const std::string& server_url) {
  if (!document.is_object()) return fail(Code::kProtocol, "the resource's description is no JSON object");
  ProtectedResource out;
  out.resource = string_at(document, "resource");
  TSUKAI_TRY(const WebAddress server, parse_web_address(server_url));
  const auto named = parse_web_address(out.resource);
  if (!named) return fail(Code::kProtocol, "resource: " + named.error().message());
  const std::string parent = without_end_slash(named->path), path = without_end_slash(server.path);
  const bool ours = named->origin == server.origin &&
                    (path == parent || (path.starts_with(parent) && path[parent.size()] == '/'));
  if (!ours) {
    return fail(Code::kProtocol,
                fmt::format("the description is of {}, not of {}", shortened(out.resource, 200), server_url));
  }
  out.authorization_servers = texts_at(document, "authorization_servers");
  if (out.authorization_servers.empty())
    return fail(Code::kProtocol, "the resource's description names no authorization server");
  out.scopes_supported = texts_at(document, "scopes_supported");
  return out;
}

Result<std::vector<std::string>> authorization_server_urls(const std::string& issuer) {
  TSUKAI_TRY(const WebAddress address, parse_web_address(issuer));
  const std::string path = without_end_slash(address.path);
  if (path.empty())
    return std::vector<std::string>{address.origin + kServerWellKnown, address.origin + kOpenIdWellKnown};
  return std::vector<std::string>{address.origin + kServerWellKnown + path,
                                  address.origin + kOpenIdWellKnown + path,
                                  address.origin + path + kOpenIdWellKnown};
}

Result<AuthorizationServer> parse_authorization_server(const Json& document, const std::string& issuer,
                                                       const std::string& server_url) {
  if (!document.is_object()) return fail(Code::kProtocol, "its description is no JSON object");
  TSUKAI_TRY(const WebAddress server, parse_web_address(server_url));
  AuthorizationServer out;
  out.issuer = string_at(document, "issuer");
  if (out.issuer != issuer) {
    return fail(Code::kProtocol, fmt::format("it calls itself {}, but was named {}",
                                             out.issuer.empty() ? "nothing" : shortened(out.issuer, 200),
                                             shortened(issuer, 200)));
  }
  TSUKAI_TRY(out.authorization_endpoint, endpoint_at(document, "authorization_endpoint", server));
  TSUKAI_TRY(out.token_endpoint, endpoint_at(document, "token_endpoint", server));
  TSUKAI_TRY(out.registration_endpoint, endpoint_at(document, "registration_endpoint", server));
  if (out.token_endpoint.empty()) return fail(Code::kProtocol, "it names no token_endpoint");
  out.scopes_supported = texts_at(document, "scopes_supported");
  out.token_auth_methods = texts_at(document, "token_endpoint_auth_methods_supported");
  out.signing_algorithms = texts_at(document, "token_endpoint_auth_signing_alg_values_supported");
  const auto challenges = texts_at(document, "code_challenge_methods_supported");
  out.pkce_s256 = std::find(challenges.begin(), challenges.end(), "S256") != challenges.end();
  out.client_id_documents = bool_at(document, "client_id_metadata_document_supported");
  out.iss_in_redirect = bool_at(document, "authorization_response_iss_parameter_supported");
  return out;
}

Result<std::string> origin_of(const std::string& server_url) {
  TSUKAI_TRY(const WebAddress server, parse_web_address(server_url));
  return server.origin;
}

AuthorizationServer default_endpoints(const std::string& origin) {
  AuthorizationServer out;
  out.issuer = origin;
  out.authorization_endpoint = origin + "/authorize";
  out.token_endpoint = origin + "/token";
  out.registration_endpoint = origin + "/register";
  out.pkce_s256 = true;  // That revision requires PKCE of everybody.
  return out;
}

Result<std::string> canonical_resource(const std::string& server_url) {
  TSUKAI_TRY(const WebAddress server, parse_web_address(server_url));
  return server.origin + (server.path == "/" ? "" : server.path);
}

}  // namespace tsukai::mcp
