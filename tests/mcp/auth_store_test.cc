// What is kept of a login, who may read it, and how it is renewed when many want to at once.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "mcp/auth/oauth.h"
#include "mcp/support/guarded_site.h"
#include "support/await.h"
#include "support/fake_clock.h"
#include "support/scratch_dir.h"

namespace tsukai::mcp {
namespace {

Login sample_login() {
  Login login;
  login.resource = "https://x.example/mcp";
  login.server = default_endpoints("https://auth.example");
  login.client.id = "client";
  login.client.method = TokenAuth::kSecretPost;
  login.client.secret = "secret";
  login.tokens = {"access", "refresh", "a b", 12'345};
  login.scope_asked = "a b c";
  return login;
}

// Several users of one credentials file, as processes would be: each with an OAuth object of its own.
struct Crowd {
  Crowd() : executor(context.get_executor()), site(executor), http(HttpClient::make(executor)) {
    site.manners.refreshes = true;
  }
  ~Crowd() {
    users.clear();
    asio::co_spawn(context, site.close(), [](std::exception_ptr) {});
    context.restart();
    context.run_for(std::chrono::seconds(5));
  }
  std::shared_ptr<OAuth> join() {
    OAuthOptions options;
    options.server_url = site.url();
    options.store_path = dir / "credentials.json";
    options.clock = &clock;
    options.open = [this](std::string url) {
      ++opened;
      return browse(*http, std::move(url));
    };
    users.push_back(*OAuth::make(executor, options));
    return users.back();
  }
  template <typename T>
  Result<T> run(Task<T> task) {
    return run_to_end(context, std::move(task));
  }
  std::string token_of(std::shared_ptr<OAuth> user) {
    const auto headers = run(user->headers(site.url()));
    return headers ? header_text(*headers, "authorization") : headers.error().text();
  }

  asio::io_context context;
  asio::any_io_executor executor;
  GuardedSite site;
  std::unique_ptr<HttpClient> http;
  FakeClock clock;
  ScratchDir dir;
  int opened = 0;
  std::vector<std::shared_ptr<OAuth>> users;
};

}  // namespace

TEST_SUITE("mcp/auth/store") {
  TEST_CASE("a login survives the process, in a file that only its owner can read") {
    const ScratchDir dir;
    const std::string path = dir / "deep/er/credentials.json";
    {
      TokenStore store(path);
      REQUIRE(await(store.set_login("https://x.example/mcp", sample_login())));
      ClientIdentity client = sample_login().client;
      client.redirect_uri = "http://127.0.0.1:4000/callback";
      REQUIRE(await(store.set_registration("https://auth.example", client)));
    }
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    TokenStore store(path);
    const auto login = store.login("https://x.example/mcp");
    REQUIRE(login);
    REQUIRE(login->has_value());
    CHECK((*login)->tokens.refresh_token == "refresh");
    CHECK((*login)->tokens.expires_at_ms == 12'345);
    CHECK((*login)->client.secret == "secret");
    CHECK((*login)->client.method == TokenAuth::kSecretPost);
    CHECK((*login)->server.token_endpoint == "https://auth.example/token");
    CHECK(port_of((*store.registration("https://auth.example"))->redirect_uri) == 4000);
    CHECK_FALSE(store.login("https://y.example/mcp")->has_value());
    REQUIRE(await(store.set_login("https://x.example/mcp", std::nullopt)));
    CHECK_FALSE(store.login("https://x.example/mcp")->has_value());
    CHECK(store.registration("https://auth.example")->has_value());
  }

  TEST_CASE("a file that is none of ours is left alone") {
    const ScratchDir dir;
    const std::string path = dir.write("credentials.json", "{\"mine\": 1}");
    TokenStore store(path);
    CHECK(store.login("https://x").error().code() == Code::kCorrupt);
    CHECK(await(store.set_login("https://x", sample_login())).error().code() == Code::kCorrupt);
    CHECK(read_file(path) == "{\"mine\": 1}");
  }

  TEST_CASE("a login made by one is used by the other without asking again") {
    Crowd crowd;
    auto first = crowd.join();
    REQUIRE(crowd.run(first->log_in()));
    CHECK(crowd.token_of(first) == "Bearer token-1");
    CHECK(crowd.token_of(crowd.join()) == "Bearer token-1");
    CHECK(crowd.opened == 1);
    REQUIRE(crowd.run(first->log_out()));
    CHECK(crowd.token_of(crowd.join()) == "");
  }

  TEST_CASE("many who find the token expired renew it once") {
    Crowd crowd;
    REQUIRE(crowd.run(crowd.join()->log_in()));
    for (int i = 0; i < 7; ++i) CHECK(crowd.token_of(crowd.join()) == "Bearer token-1");
    crowd.clock.advance(3'600'000);
    std::vector<std::string> tokens;
    for (const auto& user : crowd.users) {
      for (int i = 0; i < 3; ++i) {
        asio::co_spawn(
            crowd.context, user->headers(crowd.site.url()),
            [&](std::exception_ptr, const Result<HttpHeaders>& headers) {
              tokens.push_back(headers ? header_text(*headers, "authorization") : headers.error().text());
            });
      }
    }
    crowd.context.restart();
    while (tokens.size() < 24 && crowd.context.run_one_for(std::chrono::seconds(10)) > 0) {
    }
    CHECK(tokens == std::vector<std::string>(24, "Bearer token-2"));
    CHECK(crowd.site.token_forms.size() == 2);
    CHECK(crowd.site.token_forms.at(1).at("grant_type") == "refresh_token");
    CHECK(crowd.site.token_forms.at(1).at("resource") == crowd.site.url());
  }

  TEST_CASE("a trouble that passes costs nobody the login; a plain no does") {
    Crowd crowd;
    auto user = crowd.join();
    REQUIRE(crowd.run(user->log_in()));
    crowd.site.manners.token_status = 503;
    crowd.clock.advance(3'590'000);  // Nearly expired: the old token is still good.
    CHECK(crowd.token_of(user) == "Bearer token-1");
    crowd.clock.advance(20'000);
    CHECK(crowd.token_of(user).find("status 503") != std::string::npos);
    crowd.site.manners.token_status = 200;
    CHECK(crowd.token_of(user) == "Bearer token-4");  // After two requests in vain.
    crowd.site.manners.token_status = 400;
    crowd.clock.advance(3'600'000);
    CHECK(crowd.token_of(user) == "");
    CHECK_FALSE(user->login()->has_value());
    CHECK_FALSE(TokenStore(crowd.dir / "credentials.json").login(crowd.site.url())->has_value());
  }

  TEST_CASE("requests that are refused together send the person to the browser once") {
    Crowd crowd;
    auto user = crowd.join();
    std::vector<bool> again;
    for (int i = 0; i < 5; ++i) {
      AuthChallenge challenge;
      challenge.url = crowd.site.url();
      challenge.status = 401;
      asio::co_spawn(
          crowd.context, user->answer(std::move(challenge)),
          [&](std::exception_ptr, const Result<bool>& answer) { again.push_back(answer && *answer); });
    }
    crowd.context.restart();
    while (again.size() < 5 && crowd.context.run_one_for(std::chrono::seconds(10)) > 0) {
    }
    CHECK(again == std::vector<bool>(5, true));
    CHECK(crowd.opened == 1);
  }

  TEST_CASE("another origin is never shown the token") {
    Crowd crowd;
    auto user = crowd.join();
    REQUIRE(crowd.run(user->log_in()));
    CHECK(crowd.run(user->headers("http://127.0.0.1:1/mcp"))->empty());
    CHECK(crowd.run(user->headers("https://elsewhere.example/mcp"))->empty());
    CHECK_FALSE(crowd.run(user->headers(crowd.site.url() + "/messages"))->empty());
  }
}

}  // namespace tsukai::mcp
