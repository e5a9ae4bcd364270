// Who guards an MCP server: where the descriptions lie, in which order, and what they say. Pure.
// Sources: MCP 2026-07-28 basic/authorization, RFC 9728 (protected resources), RFC 8414 and OpenID Connect
// Discovery 1.0 (authorization servers).
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace tsukai::mcp {

inline constexpr std::size_t kMetadataBytesMax = 256u << 10;
inline constexpr std::size_t kScopesMax = 256;  // In one document.

// A protected resource, as it describes itself.
struct ProtectedResource {
  std::string resource;  // Sent as published, never normalised.
  std::vector<std::string> authorization_servers;
  std::vector<std::string> scopes_supported;
};

// An authorization server.
struct AuthorizationServer {
  std::string issuer;  // Compared as it is, never normalised.
  std::string authorization_endpoint;
  std::string token_endpoint;
  std::string registration_endpoint;  // Empty: none.
  std::vector<std::string> scopes_supported;
  std::vector<std::string> token_auth_methods;  // Empty: not said.
  std::vector<std::string> signing_algorithms;  // Of private_key_jwt; empty: not said.
  bool pkce_s256 = false;
  bool client_id_documents = false;  // client_id_metadata_document_supported
  bool iss_in_redirect = false;      // authorization_response_iss_parameter_supported
};

// Where to look for the resource's description, in order: where the challenge says, and only there; else
// below the server's path, then at its root. kInvalidArgument: the server's URL.
Result<std::vector<std::string>> protected_resource_urls(const std::string& server_url,
                                                         const std::string& from_challenge);

// kProtocol: malformed, names no authorization server, or describes another resource than `server_url`
// (RFC 9728 section 3.3): its origin must be the same and its path a beginning of the server's.
Result<ProtectedResource> parse_protected_resource(const Json& document, const std::string& server_url);

// Where to look for an authorization server's description, in order.
Result<std::vector<std::string>> authorization_server_urls(const std::string& issuer);

// kProtocol: malformed, or its issuer is not `issuer` byte for byte. `server_url` decides which endpoints may
// be plain http.
Result<AuthorizationServer> parse_authorization_server(const Json& document, const std::string& issuer,
                                                       const std::string& server_url);

// Revision 2025-03-26 knew no descriptions of resources: the server's own origin is the issuer, and without a
// description of that either the endpoints are /authorize, /token and /register.
Result<std::string> origin_of(const std::string& server_url);
AuthorizationServer default_endpoints(const std::string& origin);

// What names the server in `resource` (RFC 8707) where it does not describe itself: its URL in lower case as
// far as case does not matter, without query and fragment, and without a path that is only "/".
Result<std::string> canonical_resource(const std::string& server_url);

}  // namespace tsukai::mcp
