#include "mcp/auth/client_identity.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tsukai::mcp {
namespace {

bool has(const std::vector<std::string>& list, std::string_view one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

}  // namespace

std::string_view name(TokenAuth method) {
  switch (method) {
    case TokenAuth::kNone:
      return "none";
    case TokenAuth::kSecretBasic:
      return "client_secret_basic";
    case TokenAuth::kSecretPost:
      return "client_secret_post";
    case TokenAuth::kPrivateKeyJwt:
      return "private_key_jwt";
  }
  return "none";
}

Result<TokenAuth> parse_token_auth(const std::string& text) {
  for (const TokenAuth one :
       {TokenAuth::kNone, TokenAuth::kSecretBasic, TokenAuth::kSecretPost, TokenAuth::kPrivateKeyJwt}) {
    if (name(one) == text) return one;
  }
  return fail(Code::kInvalidArgument, "\"" + text + "\" is no way to authenticate at a token endpoint",
              "take none, client_secret_basic, client_secret_post or private_key_jwt");
}

IdentitySource choose_identity(const IdentityChoice& choice, const AuthorizationServer& server) {
  if (choice.configured) return IdentitySource::kConfigured;
  if (choice.document && server.client_id_documents) return IdentitySource::kDocument;
  if (choice.stored) return IdentitySource::kStored;
  if (!server.registration_endpoint.empty()) return IdentitySource::kRegistration;
  return IdentitySource::kNone;
}

TokenAuth choose_token_auth(bool has_secret, const std::vector<std::string>& accepted) {
  if (!has_secret) return TokenAuth::kNone;
  // RFC 8414 section 2: client_secret_basic when the server does not say.
  if (accepted.empty() || has(accepted, "client_secret_basic")) return TokenAuth::kSecretBasic;
  if (has(accepted, "client_secret_post")) return TokenAuth::kSecretPost;
  return has(accepted, "none") ? TokenAuth::kNone : TokenAuth::kSecretBasic;
}

Json registration_request(const std::string& redirect_uri, const std::string& scope,
                          const AuthorizationServer& server) {
  Json out = {{"client_name", "tsukai"},
              {"redirect_uris", Json::array({redirect_uri})},
              {"grant_types", Json::array({"authorization_code", "refresh_token"})},
              {"response_types", Json::array({"code"})},
              {"application_type", "native"}};
  // A program on a person's machine keeps no secret well: ask for none where the server allows it.
  const auto& methods = server.token_auth_methods;
  const TokenAuth method =
      methods.empty() || has(methods, "none") ? TokenAuth::kNone : choose_token_auth(true, methods);
  out["token_endpoint_auth_method"] = std::string(name(method));
  if (!scope.empty()) out["scope"] = scope;
  return out;
}

Result<ClientIdentity> parse_registration(const Json& answer, const AuthorizationServer& server,
                                          const std::string& redirect_uri) {
  ClientIdentity out;
  out.issuer = server.issuer;
  out.id = string_at(answer, "client_id");
  if (out.id.empty()) return fail(Code::kProtocol, "the registration was answered without client_id");
  out.secret = string_at(answer, "client_secret");
  out.redirect_uri = redirect_uri;
  out.method = choose_token_auth(!out.secret.empty(), server.token_auth_methods);
  if (const auto said = string_at(answer, "token_endpoint_auth_method"); !said.empty()) {
    const auto method = parse_token_auth(said);
    if (!method || *method == TokenAuth::kPrivateKeyJwt) {
      return fail(Code::kProtocol, "the registration was answered with token_endpoint_auth_method " + said +
                                       ", which was not asked for");
    }
    out.method = *method;
  }
  return out;
}

}  // namespace tsukai::mcp
