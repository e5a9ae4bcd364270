// Requests to a token endpoint and its answers (OAuth 2.1 sections 3.2 and 4). Pure, but for the clock and
// the randomness of assertions.
#pragma once

#include <cstdint>
#include <string>

#include "base/http_client.h"
#include "mcp/auth/client_identity.h"
#include "mcp/auth/web_address.h"

namespace tsukai::mcp {

// What was obtained, and for whom.
struct TokenSet {
  std::string access_token;
  std::string refresh_token;       // Empty: none.
  std::string scope;               // Granted, else asked for.
  std::int64_t expires_at_ms = 0;  // 0: not said.
};

// The grant's own fields.
Fields code_grant(const std::string& code, const std::string& verifier, const std::string& redirect_uri,
                  const std::string& resource);
Fields refresh_grant(const std::string& refresh_token, const std::string& resource);
Fields client_credentials_grant(const std::string& scope, const std::string& resource);

// The request, with the client's proof of itself added. `now_ms` dates an assertion. Errors: those of
// jws_signature().
Result<HttpRequest> token_request(const AuthorizationServer& server, const ClientIdentity& client,
                                  Fields grant, std::int64_t now_ms);

// kDenied: the server refused, in its own words; `oauth_error` is then its code ("invalid_grant").
// kTransport: it failed itself (429, 5xx): what we hold stays good. kProtocol: an answer without a token, or
// with one that is no bearer token.
Result<TokenSet> parse_token_response(int status, const std::string& body, const std::string& scope_asked,
                                      std::int64_t now_ms, std::string* oauth_error = nullptr);

}  // namespace tsukai::mcp
