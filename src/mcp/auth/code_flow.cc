#include "mcp/auth/code_flow.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "mcp/auth/code_request.h"

namespace tsukai::mcp {
namespace {

// Opens `url` and then waits, so that only a failure ends it.
Task<void> opened(OpenUrl open, std::string url) {
  TSUKAI_CO_TRY_VOID(co_await open(std::move(url)));
  co_return co_await sleep_for(std::chrono::hours(24));
}

Task<std::string> redirected(RedirectListener& listener, OpenUrl open, std::string url, std::string state) {
  std::optional<Result<std::string>> came;
  std::optional<Result<void>> failed;
  if (co_await ends_first(keep(listener.redirected(std::move(state)), &came),
                          keep(opened(std::move(open), std::move(url)), &failed)))
    co_return *std::move(came);
  if (!*failed) co_return fail(std::move(*failed).error());
  co_return fail(Code::kTimeout, "nobody came back from the browser");
}

}  // namespace

Task<TokenSet> fetch_tokens(HttpClient& http, AuthorizationServer server, ClientIdentity client, Fields grant,
                            std::string scope_asked, const Clock* clock, std::string* oauth_error) {
  TSUKAI_CO_TRY(auto request, token_request(server, client, std::move(grant), clock->wall_ms()));
  request.timeout_max = kMetadataTimeout;
  TSUKAI_CO_TRY(const HttpResponse response, co_await http.fetch(std::move(request)));
  auto tokens =
      parse_token_response(response.status, response.body, scope_asked, clock->wall_ms(), oauth_error);
  if (!tokens) co_return fail(std::move(tokens).error().in(server.issuer));
  co_return tokens;
}

Task<ClientIdentity> register_client(HttpClient& http, AuthorizationServer server, std::string redirect_uri,
                                     std::string scope) {
  HttpRequest request;
  request.method = "POST";
  request.url = server.registration_endpoint;
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  request.body = print_json(registration_request(redirect_uri, scope, server));
  request.timeout_max = kMetadataTimeout;
  request.body_bytes_max = kMetadataBytesMax;
  TSUKAI_CO_TRY(const HttpResponse response, co_await http.fetch(std::move(request)));
  auto answer = parse_json(response.body);
  if (response.status != 200 && response.status != 201) {
    const auto said = answer ? string_at(*answer, "error_description", string_at(*answer, "error")) : "";
    co_return fail(response.status >= 500 ? Code::kTransport : Code::kDenied,
                   fmt::format("{} refused to register tsukai with status {}{}{}", server.issuer,
                               response.status, said.empty() ? "" : ": ", shortened(said, 300)),
                   "have a client registered there and put its client_id into the configuration");
  }
  if (!answer) co_return fail(Code::kProtocol, server.issuer + ": the registration's answer is no JSON");
  co_return parse_registration(*answer, server, redirect_uri);
}

Task<TokenSet> run_code_flow(HttpClient& http, RedirectListener& listener, CodeFlow flow,
                             std::string* oauth_error) {
  const auto request = new_code_request(listener.uri(), flow.guard.resource, flow.scope);
  TSUKAI_CO_TRY(auto url, authorization_url(flow.guard.server, flow.client, request));
  auto came =
      co_await with_deadline(redirected(listener, std::move(flow.open), std::move(url), request.state),
                             flow.patience, "the login in the browser");
  if (!came) co_return fail(std::move(came).error());
  TSUKAI_CO_TRY(auto code, code_of_redirect(*came, flow.guard.server, request));
  co_return co_await fetch_tokens(http, flow.guard.server, flow.client,
                                  code_grant(code, request.verifier, request.redirect_uri, request.resource),
                                  flow.scope, flow.clock, oauth_error);
}

}  // namespace tsukai::mcp
