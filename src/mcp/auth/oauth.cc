#include "mcp/auth/oauth.h"

#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>

#include "mcp/auth/scope.h"

namespace tsukai::mcp {
namespace {

bool supports(const std::vector<std::string>& scopes, std::string_view one) {
  for (const auto& scope : scopes) {
    if (scope == one) return true;
  }
  return false;
}

// Closes the listener on every way out, cancelled or not.
asio::awaitable<void> closed(RedirectListener& listener) {
  co_await asio::this_coro::reset_cancellation_state();
  co_await listener.close();
}

}  // namespace

// Whoever holds it is the only coroutine that changes tokens.
class OAuth::Turn {
 public:
  explicit Turn(OAuth* owner) : owner_(owner) { owner_->busy_ = true; }
  Turn(Turn&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (owner_ == nullptr) return;
    owner_->busy_ = false;
    ++owner_->turns_;
    owner_->turn_over_.cancel();
  }

 private:
  OAuth* owner_;
};

OAuth::OAuth(asio::any_io_executor executor, OAuthOptions options)
    : options_(std::move(options)),
      http_(HttpClient::make(executor)),
      store_(options_.store_path),
      executor_(executor),
      turn_over_(executor, asio::steady_timer::time_point::max()) {}
OAuth::~OAuth() = default;

Result<std::shared_ptr<OAuth>> OAuth::make(asio::any_io_executor executor, OAuthOptions options) {
  TSUKAI_TRY_VOID(parse_web_address(options.server_url));
  if (options.server_name.empty()) options.server_name = options.server_url;
  return std::shared_ptr<OAuth>(new OAuth(std::move(executor), std::move(options)));
}

const Clock& OAuth::clock() const { return options_.clock == nullptr ? system_clock() : *options_.clock; }

Task<OAuth::Turn> OAuth::take_turn() {
  while (busy_) {
    boost::system::error_code ignored;
    co_await turn_over_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
      co_return fail(Code::kCancelled, "cancelled while another request was being authorized");
  }
  co_return Turn(this);
}

Result<void> OAuth::load() {
  if (loaded_) return {};
  TSUKAI_TRY(login_, store_.login(options_.server_url));
  loaded_ = true;
  return {};
}

Result<std::optional<Login>> OAuth::login() {
  TSUKAI_TRY_VOID(load());
  return login_;
}

bool OAuth::brought_since(const HttpHeaders& sent) const {
  return login_ && header_text(sent, "authorization") != "Bearer " + login_->tokens.access_token;
}

std::string OAuth::held_scope(const std::string& issuer) const {
  if (!login_ || login_->server.issuer != issuer) return {};
  return scope_union(login_->scope_asked, login_->tokens.scope);
}

Task<HttpHeaders> OAuth::headers(std::string url) {
  TSUKAI_CO_TRY(const WebAddress to, parse_web_address(url));
  TSUKAI_CO_TRY(const WebAddress server, parse_web_address(options_.server_url));
  if (to.origin != server.origin) co_return HttpHeaders{};
  TSUKAI_CO_TRY_VOID(load());
  const auto expired = [this](std::chrono::milliseconds early) {
    const auto at_ms = login_->tokens.expires_at_ms;
    return at_ms > 0 && clock().wall_ms() + early.count() >= at_ms;
  };
  if (login_ && expired(kRenewBefore) && !login_->tokens.refresh_token.empty()) {
    TSUKAI_CO_TRY(const Turn turn, co_await take_turn());
    if (login_ && expired(kRenewBefore)) {
      auto renewed = co_await renew();
      // A trouble that passes is none while the old token still holds.
      if (!renewed && expired({})) co_return fail(std::move(renewed).error().in("renew the login"));
    }
  }
  if (!login_) co_return HttpHeaders{};
  co_return HttpHeaders{{"Authorization", "Bearer " + login_->tokens.access_token}};
}

Task<bool> OAuth::renew() {
  // Another process may have renewed it: refresh tokens are often good for one use.
  TSUKAI_CO_TRY(const FileLock flight, co_await store_.flight(options_.server_url));
  TSUKAI_CO_TRY(auto stored, store_.login(options_.server_url));
  const std::string before = login_ ? login_->tokens.access_token : std::string();
  login_ = std::move(stored);
  if (!login_) co_return false;
  if (login_->tokens.access_token != before) co_return true;
  if (login_->tokens.refresh_token.empty()) co_return false;
  ClientIdentity client = login_->client;
  if (!options_.client_id.empty() && client.id == options_.client_id) {
    client.secret = options_.client_secret;
    client.private_key_pem = options_.private_key_pem;
    client.signing_algorithm = options_.signing_algorithm;
  }
  std::string oauth_error;
  auto tokens = co_await fetch_tokens(*http_, login_->server, std::move(client),
                                      refresh_grant(login_->tokens.refresh_token, login_->resource),
                                      login_->tokens.scope, &clock(), &oauth_error);
  if (!tokens) {
    // Only a plain no makes them worthless; anything else may pass.
    if (tokens.error().code() != Code::kDenied) co_return fail(std::move(tokens).error());
    login_.reset();
    TSUKAI_CO_TRY_VOID(co_await store_.set_login(options_.server_url, std::nullopt));
    co_return false;
  }
  if (tokens->refresh_token.empty()) tokens->refresh_token = login_->tokens.refresh_token;
  login_->tokens = *std::move(tokens);
  TSUKAI_CO_TRY_VOID(co_await store_.set_login(options_.server_url, login_));
  co_return true;
}

Task<bool> OAuth::answer(AuthChallenge challenge) {
  if (challenge.status == 403) {
    const auto asked = bearer_challenge(challenge.headers);
    if (!asked || asked->error != "insufficient_scope") co_return false;
  }
  const std::uint64_t before = turns_;
  const bool waits = busy_;
  TSUKAI_CO_TRY(const Turn turn, co_await take_turn());
  TSUKAI_CO_TRY_VOID(load());
  if (brought_since(challenge.sent)) co_return true;
  // Whoever went first has failed: asking the person once more would not help.
  if (waits && turns_ != before && failed_last_) co_return fail(*failed_last_);
  auto outcome = co_await answer_in_turn(std::move(challenge));
  failed_last_.reset();
  if (!outcome) failed_last_ = outcome.error();
  co_return outcome;
}

Task<bool> OAuth::answer_in_turn(AuthChallenge challenge) {
  const auto asked = bearer_challenge(challenge.headers).value_or(BearerChallenge{});
  const auto refused = [&](std::string why) {
    return fail(Code::kDenied,
                fmt::format("server {} {}{}{}", options_.server_name, why,
                            asked.error_description.empty() ? "" : ": ", asked.error_description));
  };
  if (challenge.attempt > kStepsMax) co_return refused("refuses every token that it is given");
  const std::string sent = header_text(challenge.sent, "authorization");
  if (challenge.status == 401 && challenge.attempt > 1 && !granted_now_.empty() &&
      sent == "Bearer " + granted_now_) {
    co_return refused("refuses the token that its authorization server has just given");
  }
  if (challenge.status == 403) {
    if (asked.scope.empty()) co_return refused("wants more rights and does not say which");
    if (login_ && scope_within(asked.scope, login_->scope_asked))
      co_return refused(
          fmt::format("wants the scope \"{}\", which was asked for and not granted", asked.scope));
  }
  // Each time anew: the authorization server may have changed since.
  auto guard = co_await find_guard(*http_, options_.server_url, asked.resource_metadata);
  if (!guard) co_return fail(std::move(guard).error().in("authorization of " + options_.server_name));
  const bool same = login_ && login_->server.issuer == guard->server.issuer;
  if (challenge.status == 401 && same && !login_->tokens.refresh_token.empty()) {
    TSUKAI_CO_TRY(const bool renewed, co_await renew());
    if (renewed) co_return true;
  }
  wanted_ = asked;
  auto done = co_await obtain(*std::move(guard), asked.scope, options_.open_when_refused);
  if (!done) co_return fail(std::move(done).error().in("authorization of " + options_.server_name));
  co_return true;
}

Task<void> OAuth::log_in() {
  TSUKAI_CO_TRY(const Turn turn, co_await take_turn());
  TSUKAI_CO_TRY_VOID(load());
  const BearerChallenge asked = wanted_.value_or(BearerChallenge{});
  TSUKAI_CO_TRY(auto guard, co_await find_guard(*http_, options_.server_url, asked.resource_metadata));
  co_return co_await obtain(std::move(guard), asked.scope, true);
}

Task<void> OAuth::log_out() {
  TSUKAI_CO_TRY(const Turn turn, co_await take_turn());
  login_.reset();
  loaded_ = true;
  co_return co_await store_.set_login(options_.server_url, std::nullopt);
}

Task<ClientIdentity> OAuth::configured_client(const AuthorizationServer& server) const {
  if (!options_.issuer.empty() && options_.issuer != server.issuer) {
    co_return fail(Code::kDenied,
                   fmt::format("the configured client belongs to {}, but {} guards the server now",
                               options_.issuer, server.issuer));
  }
  ClientIdentity out;
  out.issuer = server.issuer;
  out.id = options_.client_id;
  out.secret = options_.client_secret;
  out.private_key_pem = options_.private_key_pem;
  out.signing_algorithm = options_.signing_algorithm;
  out.method = out.private_key_pem.empty() ? choose_token_auth(!out.secret.empty(), server.token_auth_methods)
                                           : TokenAuth::kPrivateKeyJwt;
  if (!options_.token_auth_method.empty()) {
    TSUKAI_CO_TRY(out.method, parse_token_auth(options_.token_auth_method));
  }
  co_return out;
}

Task<void> OAuth::keep(Guard guard, ClientIdentity client, std::string scope, TokenSet tokens) {
  granted_now_ = tokens.access_token;
  wanted_.reset();
  if (client.id == options_.client_id) client.secret.clear();  // The configuration has it.
  login_ = Login{std::move(guard.resource), std::move(guard.server), std::move(client), std::move(tokens),
                 std::move(scope)};
  loaded_ = true;
  co_return co_await store_.set_login(options_.server_url, login_);
}

Task<void> OAuth::obtain(Guard guard, std::string challenged_scope, bool may_open) {
  ScopeChoice choice;
  choice.challenged = std::move(challenged_scope);
  choice.configured = options_.scope;
  choice.supported = guard.scopes_supported;
  choice.held = held_scope(guard.server.issuer);
  choice.offline_access =
      !options_.client_credentials && supports(guard.server.scopes_supported, "offline_access");
  std::string scope = choose_scope(choice);
  if (!options_.client_credentials)
    co_return co_await obtain_by_code(std::move(guard), std::move(scope), may_open);

  if (options_.client_id.empty())
    co_return fail(Code::kInvalidArgument, "client credentials need a client_id in the configuration");
  TSUKAI_CO_TRY(auto client, co_await configured_client(guard.server));
  std::string oauth_error;
  TSUKAI_CO_TRY(auto tokens, co_await fetch_tokens(*http_, guard.server, client,
                                                   client_credentials_grant(scope, guard.resource), scope,
                                                   &clock(), &oauth_error));
  co_return co_await keep(std::move(guard), std::move(client), std::move(scope), std::move(tokens));
}

Task<void> OAuth::obtain_by_code(Guard guard, std::string scope, bool may_open) {
  if (!options_.open || !may_open) {
    co_return fail(
        Code::kDenied,
        fmt::format("server {} wants a login, and nobody is here to agree to it", options_.server_name),
        fmt::format("run: tsukai mcp login {}", options_.server_name));
  }
  TSUKAI_CO_TRY(auto stored, store_.registration(guard.server.issuer));
  const IdentityChoice choice{!options_.client_id.empty(), stored.has_value(),
                              !options_.client_metadata_url.empty()};
  IdentitySource source = choose_identity(choice, guard.server);
  std::uint16_t port = options_.redirect_port;
  if (port == 0 && source == IdentitySource::kStored) port = port_of(stored->redirect_uri);
  auto heard = RedirectListener::listen(executor_, port);
  if (!heard && options_.redirect_port == 0) heard = RedirectListener::listen(executor_, 0);
  if (!heard) co_return fail(std::move(heard).error());
  RedirectListener& listener = **heard;
  // Its port is taken: many servers insist on the very address that was registered.
  const bool moved = source == IdentitySource::kStored && stored->redirect_uri != listener.uri();
  if (moved && !guard.server.registration_endpoint.empty()) source = IdentitySource::kRegistration;

  Result<ClientIdentity> client =
      fail(Code::kDenied, guard.server.issuer + " registers no clients by itself",
           "have one registered there and put its client_id into the configuration");
  if (source == IdentitySource::kConfigured) {
    client = co_await configured_client(guard.server);
  } else if (source == IdentitySource::kStored) {
    client = *stored;
  } else if (source == IdentitySource::kDocument) {
    ClientIdentity by_document;
    by_document.issuer = guard.server.issuer;
    by_document.id = options_.client_metadata_url;
    client = std::move(by_document);
  } else if (source == IdentitySource::kRegistration) {
    client = co_await register_client(*http_, guard.server, listener.uri(), scope);
    if (client) {
      auto kept = co_await store_.set_registration(guard.server.issuer, *client);
      if (!kept) client = fail(std::move(kept).error());
    }
  }
  std::string oauth_error;
  Result<TokenSet> tokens = client ? Result<TokenSet>(TokenSet{}) : Result<TokenSet>(fail(client.error()));
  if (client) {
    CodeFlow flow{guard, *client, scope, options_.open, options_.login_timeout, &clock()};
    tokens = co_await run_code_flow(*http_, listener, std::move(flow), &oauth_error);
  }
  co_await closed(listener);
  if (oauth_error == "invalid_client" && choice.stored && source == IdentitySource::kStored) {
    // Registered once, forgotten there: the next login registers anew.
    TSUKAI_CO_TRY_VOID(co_await store_.set_registration(guard.server.issuer, std::nullopt));
    co_return fail(std::move(tokens).error().with_remedy("try again: tsukai then registers anew"));
  }
  if (!tokens) co_return fail(std::move(tokens).error());
  co_return co_await keep(std::move(guard), *std::move(client), std::move(scope), *std::move(tokens));
}

}  // namespace tsukai::mcp
