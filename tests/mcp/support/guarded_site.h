// An MCP server that wants tokens, and the authorization server that gives them: both real, on loopback.
#pragma once

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/http_server.h"
#include "base/json.h"
#include "mcp/auth/code_request.h"
#include "mcp/auth/oauth.h"
#include "mcp/auth/scope.h"
#include "support/scratch_dir.h"

namespace tsukai::mcp {

using FormFields = std::map<std::string, std::string>;

class GuardedSite {
 public:
  // How it behaves; tests change members at will.
  struct Manners {
    std::string prm_path = "/.well-known/oauth-protected-resource/mcp";  // Empty: no description.
    bool prm_in_header = true;
    std::string resource;             // What the description calls it; empty: its URL.
    std::vector<std::string> scopes;  // scopes_supported of the resource
    std::string challenge_scope;      // Of the 401.
    std::string needed_scope;         // Without it: 403.
    bool never_enough = false;        // 403 whatever the token.
    std::string metadata_path = "/.well-known/oauth-authorization-server";  // Empty: none.
    std::string issuer_path;                                                // "/tenant1"
    Json metadata = Json::object();  // Merged over the authorization server's description.
    bool registers = true;
    Json registration = Json::object();  // Merged over the answer.
    std::string iss = "right";           // right, none, wrong, slash
    std::string code_error;              // The redirect says this instead of a code.
    int expires_in = 3600;
    bool refreshes = false;
    int token_status = 200;  // Of refreshes.
    std::string token_error = "invalid_grant";
  };

  explicit GuardedSite(asio::any_io_executor executor) {
    const auto start = [&](std::unique_ptr<HttpServer>& server, auto member) {
      auto listening = HttpServer::listen(
          executor, {}, [this, member](HttpExchange& exchange) { return (this->*member)(exchange); });
      server = *std::move(listening);
    };
    start(resource_, &GuardedSite::serve_resource);
    start(guard_, &GuardedSite::serve_guard);
  }

  std::string origin() const { return fmt::format("http://127.0.0.1:{}", resource_->port()); }
  std::string url() const { return origin() + "/mcp"; }
  std::string guard_origin() const { return fmt::format("http://127.0.0.1:{}", guard_->port()); }
  std::string issuer() const { return guard_origin() + manners.issuer_path; }
  asio::awaitable<void> close() {
    co_await resource_->close();
    co_await guard_->close();
  }

  Manners manners;
  std::vector<std::string> asked;              // "GET /path", of both.
  std::vector<FormFields> authorizations;      // Queries of the authorization endpoint,
  std::vector<FormFields> token_forms;         // forms of the token endpoint,
  std::vector<std::string> token_credentials;  // its Authorization headers,
  std::vector<Json> registrations;
  std::set<std::string> refused_tokens;
  std::string opened_last;

 private:
  static HttpHeaders json_type() { return {{"Content-Type", "application/json"}}; }

  Task<void> serve_resource(HttpExchange& exchange) {
    const auto& request = exchange.request();
    asked.push_back(request.method + " " + request.target);
    if (!manners.prm_path.empty() && request.target == manners.prm_path) {
      Json document = {{"resource", manners.resource.empty() ? url() : manners.resource},
                       {"authorization_servers", Json::array({issuer()})}};
      if (!manners.scopes.empty()) document["scopes_supported"] = manners.scopes;
      co_return co_await exchange.respond(200, json_type(), document.dump());
    }
    if (request.target != "/mcp") {
      if (manners.prm_path.empty()) co_return co_await serve_guard(exchange);
      co_return co_await exchange.respond(404, {}, "");
    }
    const std::string token = header_text(request.headers, "authorization");
    const auto granted = tokens_.find(token);
    std::string challenge = "Bearer";
    const auto add = [&](const std::string& name, const std::string& value) {
      challenge += (challenge == "Bearer" ? " " : ", ") + name + "=\"" + value + "\"";
    };
    const auto where = [&] {
      if (!manners.prm_path.empty() && manners.prm_in_header)
        add("resource_metadata", origin() + manners.prm_path);
    };
    if (granted == tokens_.end() || refused_tokens.contains(token)) {
      where();
      if (!manners.challenge_scope.empty()) add("scope", manners.challenge_scope);
      co_return co_await exchange.respond(401, {{"WWW-Authenticate", challenge}}, "");
    }
    if (manners.never_enough || !scope_within(manners.needed_scope, granted->second)) {
      where();
      add("error", "insufficient_scope");
      add("scope", manners.needed_scope);
      co_return co_await exchange.respond(403, {{"WWW-Authenticate", challenge}}, "");
    }
    co_return co_await exchange.respond(200, json_type(), "{}");
  }

  Task<void> serve_guard(HttpExchange& exchange) {
    const auto& request = exchange.request();
    const std::string path = request.target.substr(0, request.target.find('?'));
    if (asked.empty() || asked.back() != request.method + " " + request.target)
      asked.push_back(request.method + " " + request.target);
    if (!manners.metadata_path.empty() && path == manners.metadata_path)
      co_return co_await exchange.respond(200, json_type(), metadata().dump());
    if (path == "/authorize") co_return co_await authorize(exchange);
    if (path == "/token") co_return co_await give_token(exchange);
    if (path == "/register" && manners.registers) {
      auto body = parse_json(request.body);
      registrations.push_back(body ? *body : Json());
      Json answer = {{"client_id", fmt::format("client-{}", registrations.size())}};
      answer.update(manners.registration);
      co_return co_await exchange.respond(201, json_type(), answer.dump());
    }
    co_return co_await exchange.respond(404, {}, "");
  }

  Json metadata() const {
    Json out = {{"issuer", issuer()},
                {"authorization_endpoint", guard_origin() + "/authorize"},
                {"token_endpoint", guard_origin() + "/token"},
                {"code_challenge_methods_supported", Json::array({"S256"})},
                {"authorization_response_iss_parameter_supported", true},
                {"token_endpoint_auth_methods_supported", Json::array({"none"})}};
    if (manners.registers) out["registration_endpoint"] = guard_origin() + "/register";
    out.merge_patch(manners.metadata);  // A null takes a member away.
    return out;
  }

  Task<void> authorize(HttpExchange& exchange) {
    const std::string& target = exchange.request().target;
    auto query = parse_form(target.substr(target.find('?') + 1));
    authorizations.push_back(query);
    Fields back = {{"state", query["state"]}};
    if (manners.code_error.empty())
      back.emplace_back("code", fmt::format("code-{}", authorizations.size()));
    else
      back.emplace_back("error", manners.code_error);
    const std::string base = manners.prm_path.empty() ? origin() : issuer();
    if (manners.iss == "right") back.emplace_back("iss", base);
    if (manners.iss == "slash") back.emplace_back("iss", base + "/");
    if (manners.iss == "wrong") back.emplace_back("iss", "https://evil.example");
    co_return co_await exchange.respond(302, {{"Location", with_query(query["redirect_uri"], back)}}, "");
  }

  Task<void> give_token(HttpExchange& exchange) {
    auto form = parse_form(exchange.request().body);
    token_forms.push_back(form);
    token_credentials.push_back(header_text(exchange.request().headers, "authorization"));
    const auto refuse = [&](const std::string& error) {
      return exchange.respond(400, json_type(), Json{{"error", error}}.dump());
    };
    std::string scope = form["scope"];
    if (form["grant_type"] == "authorization_code") {
      if (authorizations.empty() || form["code"] != fmt::format("code-{}", authorizations.size()) ||
          pkce_challenge(form["code_verifier"]) != authorizations.back()["code_challenge"] ||
          form["redirect_uri"] != authorizations.back()["redirect_uri"])
        co_return co_await refuse("invalid_grant");
      scope = authorizations.back()["scope"];
    } else if (form["grant_type"] == "refresh_token") {
      if (manners.token_status != 200)
        co_return co_await exchange.respond(manners.token_status, json_type(),
                                            Json{{"error", manners.token_error}}.dump());
      const auto known = refresh_scopes_.find(form["refresh_token"]);
      if (known == refresh_scopes_.end()) co_return co_await refuse("invalid_grant");
      scope = known->second;
      refresh_scopes_.erase(known);  // Good for one use.
    }
    const std::string token = fmt::format("token-{}", token_forms.size());
    tokens_["Bearer " + token] = scope;
    Json answer = {{"access_token", token}, {"token_type", "bearer"}, {"expires_in", manners.expires_in}};
    if (!scope.empty()) answer["scope"] = scope;
    if (manners.refreshes) {
      answer["refresh_token"] = fmt::format("refresh-{}", token_forms.size());
      refresh_scopes_[answer["refresh_token"]] = scope;
    }
    co_return co_await exchange.respond(200, json_type(), answer.dump());
  }

  std::unique_ptr<HttpServer> resource_, guard_;
  std::map<std::string, std::string> tokens_;  // Authorization header to scope.
  std::map<std::string, std::string> refresh_scopes_;
};

// What a browser with a person who agrees at once does.
inline Task<void> browse(HttpClient& browser, std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  request.redirects_max = 5;
  TSUKAI_CO_TRY_VOID(co_await browser.fetch(std::move(request)));
  co_return Result<void>();
}

}  // namespace tsukai::mcp
