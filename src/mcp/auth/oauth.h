// An OAuth 2.1 client as MCP wants it (2026-07-28 basic/authorization, and what older revisions did).
//
// A server refuses a request; we ask who guards it, identify ourselves there, let a person agree in a browser
// (or authenticate as a machine), keep the tokens, renew them and ask for more scopes when told to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "mcp/auth/challenge.h"
#include "mcp/auth/code_flow.h"
#include "mcp/auth/token_store.h"
#include "mcp/authorizer.h"

namespace tsukai::mcp {

struct OAuthOptions {
  std::string server_url;
  std::string server_name;  // For messages.
  std::string store_path;   // Of the credentials file; empty: kept in memory alone.

  // A client that somebody registered beforehand; empty: a document, else dynamic registration.
  std::string client_id;
  std::string client_secret;
  std::string issuer;             // Where that client is registered; empty: wherever the server sends us.
  std::string token_auth_method;  // Empty: what the authorization server takes.
  std::string private_key_pem;    // For private_key_jwt.
  std::string signing_algorithm;
  std::string client_metadata_url;  // A client id metadata document, https.
  bool client_credentials = false;  // A machine of its own, without a person.

  std::string scope;                // Instead of all that the server supports.
  std::uint16_t redirect_port = 0;  // 0: any free one.
  std::chrono::milliseconds login_timeout{300'000};
  OpenUrl open;  // Empty: nobody is there to ask; then a login is an error that says so.
  // Off: a refused request is an error at once, and log_in() asks: people take longer than requests may.
  bool open_when_refused = true;
  const Clock* clock = nullptr;  // Null: system_clock().
};

// Reads the object `oauth` of a server's configuration into `options`: client_id, client_secret, issuer,
// client_metadata_url, scope, redirect_port, token_endpoint_auth_method, grant ("authorization_code" or
// "client_credentials"), private_key_file, signing_algorithm. kInvalidArgument names the key and the nearest.
Result<void> read_oauth_options(const Json& config, OAuthOptions& options);

// Lives on one executor's thread.
class OAuth : public Authorizer {
 public:
  static constexpr int kStepsMax = 3;  // Refusals of one request that are worked on.
  static constexpr std::chrono::milliseconds kRenewBefore{30'000};

  // kInvalidArgument: server_url.
  static Result<std::shared_ptr<OAuth>> make(asio::any_io_executor executor, OAuthOptions options);
  ~OAuth() override;

  // Renews a token that is about to expire. Requests to other origins than the server's get nothing.
  Task<HttpHeaders> headers(std::string url) override;
  // Errors: kDenied (refused, or nobody is there to agree), kProtocol (the descriptions are not acceptable),
  // kTransport, kTimeout.
  Task<bool> answer(AuthChallenge challenge) override;

  // Without waiting for a refusal; with what the last one asked for, if there was one.
  Task<void> log_in();
  // Whether a request was refused for want of a login since the last one.
  bool login_wanted() const { return wanted_.has_value(); }
  // Forgets the tokens of this server; its registration stays.
  Task<void> log_out();
  // What is held now; nullopt: nothing.
  Result<std::optional<Login>> login();

 private:
  class Turn;
  OAuth(asio::any_io_executor executor, OAuthOptions options);

  Task<Turn> take_turn();
  Result<void> load();
  // Whether a usable token is held afterwards. REQUIRES: a turn is held.
  Task<bool> renew();
  Task<void> obtain(Guard guard, std::string challenged_scope, bool may_open);
  Task<void> obtain_by_code(Guard guard, std::string scope, bool may_open);
  Task<void> keep(Guard guard, ClientIdentity client, std::string scope, TokenSet tokens);
  Task<ClientIdentity> configured_client(const AuthorizationServer& server) const;
  Task<bool> answer_in_turn(AuthChallenge challenge);
  bool brought_since(const HttpHeaders& sent) const;
  std::string held_scope(const std::string& issuer) const;
  const Clock& clock() const;

  OAuthOptions options_;
  std::unique_ptr<HttpClient> http_;
  TokenStore store_;
  asio::any_io_executor executor_;
  asio::steady_timer turn_over_;
  bool busy_ = false;
  std::uint64_t turns_ = 0;
  std::optional<Error> failed_last_;  // What ended the last turn.
  bool loaded_ = false;
  std::optional<Login> login_;
  std::optional<BearerChallenge> wanted_;  // What a refusal asked for that only a person can give.
  std::string granted_now_;  // The access token that a person, or the machine itself, has just obtained.
};

}  // namespace tsukai::mcp
