#include "mcp/auth/code_request.h"

#include <fmt/format.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/text.h"
#include "mcp/auth/web_address.h"

namespace tsukai::mcp {

CodeRequest new_code_request(std::string redirect_uri, std::string resource, std::string scope) {
  // 52 letters of 5 bits: 260 bits, and within the 43 to 128 characters that RFC 7636 wants.
  return {std::move(redirect_uri), std::move(resource), std::move(scope), random_id(52), random_id(26)};
}

std::string pkce_challenge(const std::string& verifier) { return base64_url(sha256_bytes(verifier)); }

Result<std::string> authorization_url(const AuthorizationServer& server, const ClientIdentity& client,
                                      const CodeRequest& request) {
  if (server.authorization_endpoint.empty())
    return fail(Code::kUnsupported, server.issuer + " has no authorization endpoint");
  if (!server.pkce_s256) {
    return fail(Code::kUnsupported, server.issuer +
                                        " does not say that it checks PKCE with S256 "
                                        "(code_challenge_methods_supported), so no code may be asked of it");
  }
  Fields fields = {{"response_type", "code"},
                   {"client_id", client.id},
                   {"redirect_uri", request.redirect_uri},
                   {"code_challenge", pkce_challenge(request.verifier)},
                   {"code_challenge_method", "S256"},
                   {"state", request.state},
                   {"resource", request.resource}};
  if (!request.scope.empty()) {
    fields.emplace_back("scope", request.scope);
    // OpenID Connect gives refresh tokens only to whom the person has agreed anew.
    if ((" " + request.scope + " ").find(" offline_access ") != std::string::npos)
      fields.emplace_back("prompt", "consent");
  }
  return with_query(server.authorization_endpoint, fields);
}

Result<std::string> code_of_redirect(const std::string& query, const AuthorizationServer& server,
                                     const CodeRequest& request) {
  auto fields = parse_form(query);
  if (!equal_secrets(fields["state"], request.state))
    return fail(Code::kProtocol, "the redirect is no answer to this request: its state is another");
  const auto iss = fields.find("iss");
  if (iss == fields.end() && server.iss_in_redirect) {
    return fail(Code::kProtocol,
                fmt::format("{} promised to name itself in its redirect (iss) and did not", server.issuer));
  }
  if (iss != fields.end() && iss->second != server.issuer) {
    return fail(Code::kProtocol, fmt::format("the redirect comes from {}, but {} was asked",
                                             shortened(iss->second, 200), server.issuer));
  }
  if (const auto& error = fields["error"]; !error.empty()) {
    const auto& said = fields["error_description"];
    return fail(Code::kDenied, fmt::format("{} refused: {}{}{}", server.issuer, shortened(error, 80),
                                           said.empty() ? "" : ": ", shortened(said, 300)));
  }
  if (fields["code"].empty()) return fail(Code::kProtocol, "the redirect carries no code");
  return fields["code"];
}

}  // namespace tsukai::mcp
