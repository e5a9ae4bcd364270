// The whole of authorization, against a server that wants tokens and one that gives them.
#include <doctest/doctest.h>

#include "mcp/auth/oauth.h"
#include "mcp/support/guarded_site.h"
#include "support/fake_clock.h"

namespace tsukai::mcp {
namespace {

// One person with one browser at one site; each step runs to its end.
struct Scene {
  Scene() : executor(context.get_executor()), site(executor), http(HttpClient::make(executor)) {
    options.server_url = site.url();
    options.server_name = "notes";
    options.clock = &clock;
    options.open = [this](std::string url) {
      opened.push_back(url);
      return browse(*http, std::move(url));
    };
  }
  ~Scene() {
    asio::co_spawn(context, site.close(), [](std::exception_ptr) {});
    context.restart();
    context.run_for(std::chrono::seconds(5));
  }

  std::shared_ptr<OAuth> oauth() {
    options.server_url = site.url();
    return *OAuth::make(executor, options);
  }

  // What a transport does with one request; the status it ends with.
  Task<int> request(std::shared_ptr<OAuth> oauth) {
    for (int attempt = 1;; ++attempt) {
      HttpRequest request;
      request.method = "POST";
      request.url = site.url();
      TSUKAI_CO_TRY(const HttpHeaders sent, co_await oauth->headers(request.url));
      request.headers = sent;
      TSUKAI_CO_TRY(const HttpResponse response, co_await http->fetch(std::move(request)));
      if (response.status != 401 && response.status != 403) co_return response.status;
      TSUKAI_CO_TRY(const bool again, co_await oauth->answer(AuthChallenge{site.url(), response.status,
                                                                           response.headers, attempt, sent}));
      if (!again) co_return response.status;
    }
  }
  template <typename T>
  Result<T> run(Task<T> task) {
    return run_to_end(context, std::move(task));
  }
  Result<int> call(std::shared_ptr<OAuth> oauth) { return run(request(std::move(oauth))); }
  bool asked(const std::string& what) const {
    return std::find(site.asked.begin(), site.asked.end(), what) != site.asked.end();
  }

  asio::io_context context;
  asio::any_io_executor executor;
  GuardedSite site;
  std::unique_ptr<HttpClient> http;
  FakeClock clock;
  OAuthOptions options;
  std::vector<std::string> opened;
};

std::string problem(const Result<int>& outcome) { return outcome ? "none" : outcome.error().text(); }

}  // namespace

TEST_SUITE("mcp/auth/flow") {
  TEST_CASE("a first request registers, lets the person agree, and goes through") {
    Scene scene;
    const auto outcome = scene.call(scene.oauth());
    REQUIRE_MESSAGE(outcome.has_value(), problem(outcome));
    CHECK(*outcome == 200);
    REQUIRE(scene.site.registrations.size() == 1);
    CHECK(scene.site.registrations[0]["application_type"] == "native");
    CHECK(scene.site.registrations[0]["grant_types"] == Json({"authorization_code", "refresh_token"}));
    REQUIRE(scene.site.authorizations.size() == 1);
    auto query = scene.site.authorizations[0];
    CHECK(query["client_id"] == "client-1");
    CHECK(query["code_challenge_method"] == "S256");
    CHECK(query["resource"] == scene.site.url());
    CHECK(query["redirect_uri"].starts_with("http://127.0.0.1:"));
    CHECK(scene.opened.at(0).find("scope=") == std::string::npos);
    REQUIRE(scene.site.token_forms.size() == 1);
    CHECK(scene.site.token_forms[0]["resource"] == scene.site.url());
    CHECK(scene.opened.size() == 1);
  }

  TEST_CASE("descriptions are found wherever a server may keep them") {
    struct Place {
      const char *prm, *metadata, *issuer;
      bool in_header;
      const char* resource;
    };
    const Place places[] = {
        {"/.well-known/oauth-protected-resource/mcp", "/.well-known/openid-configuration", "", false, "/mcp"},
        {"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server/tenant1",
         "/tenant1", false, ""},
        {"/custom/place.json", "/tenant1/.well-known/openid-configuration", "/tenant1", true, "/mcp"}};
    for (const Place& place : places) {
      CAPTURE(place.prm);
      Scene scene;
      auto& manners = scene.site.manners;
      manners.prm_path = place.prm;
      manners.metadata_path = place.metadata;
      manners.issuer_path = place.issuer;
      manners.prm_in_header = place.in_header;
      manners.resource = scene.site.origin() + place.resource;
      const auto outcome = scene.call(scene.oauth());
      CHECK_MESSAGE(outcome == 200, problem(outcome));
      REQUIRE(scene.site.authorizations.size() == 1);
      CHECK(scene.site.authorizations[0]["resource"] == manners.resource);
      if (*place.issuer != 0) CHECK_FALSE(scene.asked("GET /.well-known/oauth-authorization-server"));
    }
  }

  TEST_CASE("a server of revision 2025-03-26 guards itself, with or without a description") {
    for (const bool described : {true, false}) {
      CAPTURE(described);
      Scene scene;
      scene.site.manners.prm_path = "";
      scene.site.manners.metadata_path = described ? "/.well-known/oauth-authorization-server" : "";
      scene.site.manners.metadata = {{"issuer", scene.site.origin()}};
      const auto outcome = scene.call(scene.oauth());
      CHECK_MESSAGE(outcome == 200, problem(outcome));
      CHECK(scene.site.registrations.size() == 1);
    }
  }

  TEST_CASE("what must not be trusted ends before the person is asked") {
    const auto refused = [](auto change) {
      Scene scene;
      change(scene.site);
      const auto outcome = scene.call(scene.oauth());
      CHECK(scene.opened.empty());
      CHECK(scene.site.registrations.empty());
      return problem(outcome);
    };
    CHECK(refused([](GuardedSite& site) {
            site.manners.resource = "https://evil.example/mcp";
          }).find("the description is of https://evil.example/mcp, not of ") != std::string::npos);
    CHECK(refused([](GuardedSite& site) {
            site.manners.metadata = {{"issuer", "https://evil.example"}};
          }).find("it calls itself https://evil.example, but was named ") != std::string::npos);
    CHECK(refused([](GuardedSite& site) {
            site.manners.metadata = {{"token_endpoint", "http://evil.example/token"}};
          }).find("token_endpoint: http://evil.example/token may not get credentials") != std::string::npos);
  }

  TEST_CASE("an authorization server that does not check PKCE gets no person sent") {
    Scene scene;
    scene.site.manners.metadata = {{"code_challenge_methods_supported", nullptr}};
    const auto outcome = scene.call(scene.oauth());
    CHECK(problem(outcome).find("does not say that it checks PKCE") != std::string::npos);
    CHECK(scene.opened.empty());
  }

  TEST_CASE("the code of a redirect is used only when its issuer is the one that was asked") {
    struct Case {
      const char* iss;
      bool advertised, good;
    };
    for (const Case& one : {Case{"right", true, true}, Case{"right", false, true}, Case{"none", false, true},
                            Case{"none", true, false}, Case{"wrong", true, false},
                            Case{"wrong", false, false}, Case{"slash", true, false}}) {
      CAPTURE(one.iss);
      CAPTURE(one.advertised);
      Scene scene;
      scene.site.manners.iss = one.iss;
      if (!one.advertised)
        scene.site.manners.metadata = {{"authorization_response_iss_parameter_supported", nullptr}};
      CHECK(scene.call(scene.oauth()).has_value() == one.good);
      CHECK(scene.site.authorizations.size() == 1);
      CHECK(scene.site.token_forms.size() == (one.good ? 1 : 0));
    }
  }

  TEST_CASE("a person who refuses is told so, and nothing is kept") {
    Scene scene;
    scene.site.manners.code_error = "access_denied";
    auto oauth = scene.oauth();
    const auto outcome = scene.call(oauth);
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.error().code() == Code::kDenied);
    CHECK(outcome.error().message().find("access_denied") != std::string::npos);
    CHECK_FALSE(oauth->login()->has_value());
  }

  TEST_CASE("without anybody to ask, the error names the command that logs in") {
    Scene scene;
    scene.options.open = {};
    const auto outcome = scene.call(scene.oauth());
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.error().code() == Code::kDenied);
    CHECK(outcome.error().text().find("tsukai mcp login notes") != std::string::npos);
  }

  TEST_CASE("a refusal can wait for a login that asks for what it wanted") {
    Scene scene;
    scene.options.open_when_refused = false;
    scene.site.manners.challenge_scope = "mcp:basic";
    auto oauth = scene.oauth();
    const auto outcome = scene.call(oauth);
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.error().code() == Code::kDenied);
    CHECK(scene.opened.empty());
    CHECK(oauth->login_wanted());
    REQUIRE(scene.run(oauth->log_in()));
    CHECK_FALSE(oauth->login_wanted());
    CHECK(scene.site.authorizations.at(0)["scope"] == "mcp:basic");
    CHECK(scene.call(oauth) == 200);
  }

  TEST_CASE("scopes come from the challenge, else from what the server supports") {
    Scene scene;
    scene.site.manners.scopes = {"mcp:a", "mcp:b"};
    REQUIRE(scene.call(scene.oauth()) == 200);
    CHECK(scene.site.authorizations.back()["scope"] == "mcp:a mcp:b");
    Scene challenged;
    challenged.site.manners.scopes = {"mcp:a", "mcp:b"};
    challenged.site.manners.challenge_scope = "mcp:b";
    challenged.site.manners.metadata = {{"scopes_supported", {"mcp:a", "offline_access"}}};
    REQUIRE(challenged.call(challenged.oauth()) == 200);
    CHECK(challenged.site.authorizations.back()["scope"] == "mcp:b offline_access");
  }

  TEST_CASE("a step up asks for the old scopes and the new one together") {
    Scene scene;
    scene.site.manners.challenge_scope = "mcp:basic";
    auto oauth = scene.oauth();
    REQUIRE(scene.call(oauth) == 200);
    scene.site.manners.needed_scope = "mcp:write";
    REQUIRE(scene.call(oauth) == 200);
    REQUIRE(scene.site.authorizations.size() == 2);
    CHECK(scene.site.authorizations[1]["scope"] == "mcp:basic mcp:write");
    CHECK(scene.site.registrations.size() == 1);
  }

  TEST_CASE("a server that is never satisfied is not asked for ever") {
    Scene scene;
    scene.site.manners.challenge_scope = "mcp:admin";
    scene.site.manners.needed_scope = "mcp:admin";
    scene.site.manners.never_enough = true;
    const auto outcome = scene.call(scene.oauth());
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.error().code() == Code::kDenied);
    CHECK(scene.site.authorizations.size() == 1);
    Scene deaf;
    deaf.site.refused_tokens = {"Bearer token-1", "Bearer token-2"};
    CHECK(problem(deaf.call(deaf.oauth())).find("has just given") != std::string::npos);
    CHECK(deaf.site.authorizations.size() == 1);
  }

  TEST_CASE("each way to authenticate at the token endpoint is the one that the server takes") {
    for (const std::string method : {"none", "client_secret_basic", "client_secret_post"}) {
      CAPTURE(method);
      Scene scene;
      scene.site.manners.metadata = {{"token_endpoint_auth_methods_supported", Json::array({method})}};
      scene.site.manners.registration = {{"token_endpoint_auth_method", method}};
      if (method != "none") scene.site.manners.registration["client_secret"] = "s+cret";
      REQUIRE(scene.call(scene.oauth()) == 200);
      auto form = scene.site.token_forms.at(0);
      CHECK(form.contains("client_secret") == (method == "client_secret_post"));
      CHECK(form.contains("client_id") == (method != "client_secret_basic"));
      CHECK(scene.site.token_credentials[0] ==
            (method == "client_secret_basic" ? "Basic Y2xpZW50LTE6cyUyQmNyZXQ=" : ""));
    }
  }

  TEST_CASE("a client registered beforehand, or a document on the web, comes before registration") {
    Scene scene;
    scene.options.client_id = "ours";
    scene.options.client_secret = "secret";
    scene.site.manners.metadata = {
        {"token_endpoint_auth_methods_supported", Json::array({"client_secret_basic"})}};
    REQUIRE(scene.call(scene.oauth()) == 200);
    CHECK(scene.site.registrations.empty());
    CHECK(scene.site.authorizations[0]["client_id"] == "ours");
    Scene web;
    web.options.client_metadata_url = "https://tsukai.example/client.json";
    web.site.manners.metadata = {{"client_id_metadata_document_supported", true}};
    REQUIRE(web.call(web.oauth()) == 200);
    CHECK(web.site.registrations.empty());
    CHECK(web.site.authorizations[0]["client_id"] == "https://tsukai.example/client.json");
    Scene none;
    none.site.manners.registers = false;
    CHECK(problem(none.call(none.oauth())).find("registers no clients") != std::string::npos);
  }

  TEST_CASE("another authorization server gets a registration of its own") {
    Scene scene, other;
    auto oauth = scene.oauth();
    scene.site.manners.registration = {{"client_id", "of-the-first"}};
    REQUIRE(scene.call(oauth) == 200);
    // The same place under another name: an issuer is its text.
    scene.site.manners.issuer_path = "/moved";
    scene.site.manners.metadata_path = "/.well-known/oauth-authorization-server/moved";
    scene.site.manners.registration = {{"client_id", "of-the-second"}};
    scene.site.refused_tokens = {"Bearer token-1"};
    REQUIRE(scene.call(oauth) == 200);
    CHECK(scene.site.registrations.size() == 2);
    CHECK(scene.site.authorizations.at(1)["client_id"] == "of-the-second");
  }

  TEST_CASE("a machine authenticates without a person") {
    Scene scene;
    scene.options.open = {};
    scene.options.client_credentials = true;
    scene.options.client_id = "robot";
    scene.options.client_secret = "secret";
    scene.site.manners.metadata = {
        {"token_endpoint_auth_methods_supported", Json::array({"client_secret_basic"})}};
    REQUIRE(scene.call(scene.oauth()) == 200);
    CHECK(scene.site.token_forms.at(0)["grant_type"] == "client_credentials");
    CHECK(scene.site.token_forms.at(0)["resource"] == scene.site.url());
    CHECK(scene.site.token_credentials.at(0) == "Basic cm9ib3Q6c2VjcmV0");
  }
}

}  // namespace tsukai::mcp
