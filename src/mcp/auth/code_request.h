// The authorization code flow as a person's browser sees it: the address to open, and the one it comes back
// to. Pure.
#pragma once

#include <string>

#include "mcp/auth/client_identity.h"
#include "mcp/auth/discovery.h"

namespace tsukai::mcp {

// One attempt; never used twice.
struct CodeRequest {
  std::string redirect_uri;
  std::string resource;
  std::string scope;     // Empty: left out.
  std::string verifier;  // PKCE (RFC 7636), 52 characters.
  std::string state;
};

// With a verifier and a state that nobody can guess.
CodeRequest new_code_request(std::string redirect_uri, std::string resource, std::string scope);
// base64url(SHA-256(verifier))
std::string pkce_challenge(const std::string& verifier);

// What the browser is to open. kUnsupported: the server does not say that it checks PKCE with S256 (the
// specification forbids going on then), or has no authorization endpoint.
Result<std::string> authorization_url(const AuthorizationServer& server, const ClientIdentity& client,
                                      const CodeRequest& request);

// The code out of the query of the redirect. kDenied: the person or the server said no. kProtocol: not an
// answer to `request` (state), or from another issuer (RFC 9207): then the code must not be used.
Result<std::string> code_of_redirect(const std::string& query, const AuthorizationServer& server,
                                     const CodeRequest& request);

}  // namespace tsukai::mcp
