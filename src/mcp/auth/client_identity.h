// Who we are towards an authorization server: chosen beforehand, by a document on the web, or registered.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "mcp/auth/discovery.h"

namespace tsukai::mcp {

// How a client proves itself at the token endpoint.
enum class TokenAuth {
  kNone,           // A public client: PKCE alone protects the code.
  kSecretBasic,    // client_secret_basic: HTTP Basic.
  kSecretPost,     // client_secret_post: in the form.
  kPrivateKeyJwt,  // private_key_jwt: an assertion signed with a key of ours (RFC 7523).
};
std::string_view name(TokenAuth method);

struct ClientIdentity {
  std::string issuer;  // Of the authorization server it is good for, and for no other.
  std::string id;
  std::string secret;
  TokenAuth method = TokenAuth::kNone;
  std::string private_key_pem;    // private_key_jwt
  std::string signing_algorithm;  // private_key_jwt
  std::string redirect_uri;       // What was registered; empty: any loopback port.
};

// Where the identity comes from, in the specification's order.
enum class IdentitySource { kConfigured, kStored, kDocument, kRegistration, kNone };
struct IdentityChoice {
  bool configured = false;  // A client id in the configuration.
  bool stored = false;      // An earlier registration at this issuer.
  bool document = false;    // The URL of a client id metadata document in the configuration.
};
IdentitySource choose_identity(const IdentityChoice& choice, const AuthorizationServer& server);

// The method for a client with or without a secret, of those that the server accepts.
TokenAuth choose_token_auth(bool has_secret, const std::vector<std::string>& accepted);
// kInvalidArgument: not a method that tsukai knows.
Result<TokenAuth> parse_token_auth(const std::string& text);

// Dynamic registration (RFC 7591): the body to send, and the answer (status 200 or 201) read.
Json registration_request(const std::string& redirect_uri, const std::string& scope,
                          const AuthorizationServer& server);
// kProtocol: without client_id.
Result<ClientIdentity> parse_registration(const Json& answer, const AuthorizationServer& server,
                                          const std::string& redirect_uri);

}  // namespace tsukai::mcp
