#include "mcp/auth/token_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/random.h"
#include "base/signature.h"
#include "base/text.h"

namespace tsukai::mcp {
namespace {

constexpr std::int64_t kAssertionLife_s = 300;
constexpr std::int64_t kExpiryMax_s = 10ll * 365 * 24 * 3600;
constexpr const char* kJwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

// A JWT that says who we are (RFC 7523 section 3). The audience is the issuer, as FAPI 2 and OAuth 2.1 want
// it.
Result<std::string> assertion(const AuthorizationServer& server, const ClientIdentity& client,
                              std::int64_t now_ms) {
  std::string algorithm = client.signing_algorithm;
  if (algorithm.empty())
    algorithm = server.signing_algorithms.empty() ? "ES256" : server.signing_algorithms.front();
  const Json head = {{"alg", algorithm}, {"typ", "JWT"}};
  const std::int64_t now_s = now_ms / 1000;
  const Json claims = {{"iss", client.id},     {"sub", client.id}, {"aud", server.issuer},
                       {"jti", random_id(26)}, {"iat", now_s},     {"exp", now_s + kAssertionLife_s}};
  const std::string input = base64_url(print_json(head)) + "." + base64_url(print_json(claims));
  TSUKAI_TRY(const std::string signature, jws_signature(algorithm, client.private_key_pem, input));
  return input + "." + base64_url(signature);
}

}  // namespace

Fields code_grant(const std::string& code, const std::string& verifier, const std::string& redirect_uri,
                  const std::string& resource) {
  return {{"grant_type", "authorization_code"},
          {"code", code},
          {"code_verifier", verifier},
          {"redirect_uri", redirect_uri},
          {"resource", resource}};
}

Fields refresh_grant(const std::string& refresh_token, const std::string& resource) {
  return {{"grant_type", "refresh_token"}, {"refresh_token", refresh_token}, {"resource", resource}};
}

Fields client_credentials_grant(const std::string& scope, const std::string& resource) {
  Fields fields = {{"grant_type", "client_credentials"}, {"resource", resource}};
  if (!scope.empty()) fields.emplace_back("scope", scope);
  return fields;
}

Result<HttpRequest> token_request(const AuthorizationServer& server, const ClientIdentity& client,
                                  Fields grant, std::int64_t now_ms) {
  HttpRequest out;
  out.method = "POST";
  out.url = server.token_endpoint;
  out.body_bytes_max = kMetadataBytesMax;
  out.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  switch (client.method) {
    case TokenAuth::kNone:
      grant.emplace_back("client_id", client.id);
      break;
    case TokenAuth::kSecretBasic:  // Both parts are form-encoded first: RFC 6749 section 2.3.1.
      out.headers.emplace_back(
          "Authorization", "Basic " + base64(form_escaped(client.id) + ":" + form_escaped(client.secret)));
      break;
    case TokenAuth::kSecretPost:
      grant.emplace_back("client_id", client.id);
      grant.emplace_back("client_secret", client.secret);
      break;
    case TokenAuth::kPrivateKeyJwt: {
      TSUKAI_TRY(auto signed_text, assertion(server, client, now_ms));
      grant.emplace_back("client_id", client.id);
      grant.emplace_back("client_assertion_type", kJwtBearer);
      grant.emplace_back("client_assertion", std::move(signed_text));
      break;
    }
  }
  out.body = form_text(grant);
  return out;
}

Result<TokenSet> parse_token_response(int status, const std::string& body, const std::string& scope_asked,
                                      std::int64_t now_ms, std::string* oauth_error) {
  const auto parsed = parse_json(body);
  if (status == 429 || status >= 500) {
    return fail(Code::kTransport, fmt::format("the token endpoint answered with status {}", status),
                "try again later");
  }
  if (status != 200) {
    const auto error = parsed ? string_at(*parsed, "error") : std::string();
    const auto said = parsed ? string_at(*parsed, "error_description") : std::string();
    if (oauth_error != nullptr) *oauth_error = error;
    return fail(Code::kDenied, fmt::format("the authorization server refused with status {}{}{}{}{}", status,
                                           error.empty() ? "" : ": ", shortened(error, 80),
                                           said.empty() ? "" : ": ", shortened(said, 300)));
  }
  if (!parsed || !parsed->is_object())
    return fail(Code::kProtocol, "the token endpoint's answer is no JSON object");
  TokenSet out;
  out.access_token = string_at(*parsed, "access_token");
  if (out.access_token.empty()) return fail(Code::kProtocol, "the token endpoint gave no access_token");
  for (const char c : out.access_token) {
    if (c <= ' ' || c > '~')
      return fail(Code::kProtocol, "the access_token holds characters that no header may carry");
  }
  const auto type = string_at(*parsed, "token_type");
  if (!equal_ignoring_case(type, "bearer")) {
    return fail(Code::kProtocol,
                fmt::format("the token endpoint gave a token of type \"{}\", not a bearer token",
                            shortened(type, 40)));
  }
  out.refresh_token = string_at(*parsed, "refresh_token");
  out.scope = string_at(*parsed, "scope", scope_asked);
  const auto life_s = static_cast<std::int64_t>(number_at(*parsed, "expires_in"));
  if (life_s > 0) out.expires_at_ms = now_ms + std::min(life_s, kExpiryMax_s) * 1000;
  return out;
}

}  // namespace tsukai::mcp
