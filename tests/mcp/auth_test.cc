// The pure parts of authorization: what is read, in which order is looked, what is asked for.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/text.h"
#include "mcp/auth/challenge.h"
#include "mcp/auth/code_request.h"
#include "mcp/auth/discovery.h"
#include "mcp/auth/oauth.h"
#include "mcp/auth/scope.h"
#include "mcp/auth/token_request.h"
#include "mcp/auth/web_address.h"

namespace tsukai::mcp {
namespace {

using Texts = std::vector<std::string>;

std::string remark(const auto& result) { return result ? "none" : result.error().text(); }

AuthorizationServer guard() {
  AuthorizationServer out = default_endpoints("https://auth.example");
  out.token_auth_methods = {"none"};
  return out;
}

}  // namespace

TEST_SUITE("mcp/auth") {
  TEST_CASE("a Bearer challenge is found among others, however it is written") {
    const auto read = [](const std::string& value) {
      return bearer_challenge({{"www-authenticate", value}});
    };
    auto found = read(
        R"(Basic realm="a, b", Bearer error="insufficient_scope", scope="a b",resource_metadata="https://x/y")");
    REQUIRE(found);
    CHECK(found->error == "insufficient_scope");
    CHECK(found->scope == "a b");
    CHECK(found->resource_metadata == "https://x/y");
    CHECK(read("bearer SCOPE = one")->scope == "one");
    CHECK(read("Bearer resource_metadata=https://x/y?z=1, scope=s")->resource_metadata == "https://x/y?z=1");
    CHECK(read("Negotiate abc==, Bearer scope=s")->scope == "s");
    CHECK(read(R"(Bearer error_description="say \"hello\"")")->error_description == "say \"hello\"");
    CHECK(read(R"(Bearer scope="first", scope="second")")->scope == "first");
    CHECK(read("Bearer"));
    CHECK_FALSE(read("Basic realm=\"Bearer\""));
    CHECK_FALSE(read("\"\"\",,,=="));
    CHECK(read("Bearer scope=\"unended")->scope == "unended");
    CHECK_FALSE(bearer_challenge({}));
  }

  TEST_CASE("an address is read in its parts, and strange ones are refused") {
    const auto address = parse_web_address("HTTPS://Example.COM:443/Mcp?x=1");
    REQUIRE(address);
    CHECK(address->origin == "https://example.com");
    CHECK(address->path == "/Mcp");
    CHECK(address->query == "x=1");
    for (const char* strange :
         {"", "ftp://x/", "//x/y", "https://", "https://me:pw@x/", "https://x/#y", "x y"}) {
      CAPTURE(strange);
      CHECK_FALSE(parse_web_address(strange));
    }
    const auto may = [](const char* to, const char* server) {
      return may_carry_credentials(*parse_web_address(to), *parse_web_address(server));
    };
    CHECK(may("https://a.example/x", "https://b.example"));
    CHECK(may("http://127.0.0.1:9/x", "http://localhost:8/mcp"));
    CHECK_FALSE(may("http://a.example/x", "https://b.example"));
    CHECK_FALSE(may("http://localhost/x", "https://b.example"));
    CHECK_FALSE(may("https://localhost/x", "https://b.example"));
  }

  TEST_CASE("descriptions are looked for in the order of the specification") {
    CHECK(*protected_resource_urls("https://x.example/a/mcp", "") ==
          Texts{"https://x.example/.well-known/oauth-protected-resource/a/mcp",
                "https://x.example/.well-known/oauth-protected-resource"});
    CHECK(*protected_resource_urls("https://x.example/", "") ==
          Texts{"https://x.example/.well-known/oauth-protected-resource"});
    CHECK(*protected_resource_urls("https://x.example/mcp", "https://y.example/d") ==
          Texts{"https://y.example/d"});
    CHECK_FALSE(protected_resource_urls("https://x.example/mcp", "http://127.0.0.1/admin"));
    CHECK(*authorization_server_urls("https://a.example/t1") ==
          Texts{"https://a.example/.well-known/oauth-authorization-server/t1",
                "https://a.example/.well-known/openid-configuration/t1",
                "https://a.example/t1/.well-known/openid-configuration"});
    CHECK(*authorization_server_urls("https://a.example") ==
          Texts{"https://a.example/.well-known/oauth-authorization-server",
                "https://a.example/.well-known/openid-configuration"});
  }

  TEST_CASE("a description belongs to the server or to a place above it") {
    const auto read = [](const char* resource, const char* server) {
      return parse_protected_resource(
          Json{{"resource", resource}, {"authorization_servers", {"https://a.example"}}}, server);
    };
    CHECK(read("https://x.example/mcp", "https://x.example/mcp"));
    CHECK(read("https://x.example", "https://x.example/mcp"));
    CHECK(read("https://X.example/", "https://x.example/mcp"));
    CHECK_FALSE(read("https://x.example/mc", "https://x.example/mcp"));
    CHECK_FALSE(read("https://x.example/mcp/deeper", "https://x.example/mcp"));
    CHECK_FALSE(read("http://x.example/mcp", "https://x.example/mcp"));
    CHECK_FALSE(read("https://x.example.evil/mcp", "https://x.example/mcp"));
    CHECK(remark(parse_protected_resource(Json{{"resource", "https://x.example/mcp"}},
                                          "https://x.example/mcp")) ==
          "the resource's description names no authorization server");
    CHECK_FALSE(parse_protected_resource(Json::array(), "https://x.example/mcp"));
  }

  TEST_CASE("scopes are united in order, each once") {
    CHECK(scope_union("a b", " b  c ") == "a b c");
    CHECK(scope_union("", "") == "");
    CHECK(scope_within("a", "b a"));
    CHECK_FALSE(scope_within("a c", "a b"));
    CHECK(choose_scope({"x", "y", {"z"}, "", false}) == "x");
    CHECK(choose_scope({"", "y", {"z"}, "", false}) == "y");
    CHECK(choose_scope({"", "", {"z", "w"}, "held", false}) == "held z w");
    CHECK(choose_scope({"", "", {}, "", true}) == "");
    CHECK(choose_scope({"x", "", {}, "", true}) == "x offline_access");
  }

  TEST_CASE("the challenge of a code verifier is that of RFC 7636") {
    CHECK(pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") ==
          "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    const auto one = new_code_request("r", "s", ""), two = new_code_request("r", "s", "");
    CHECK(one.verifier.size() == 52);
    CHECK(one.verifier != two.verifier);
    CHECK(one.state != two.state);
  }

  TEST_CASE("the browser's address holds everything, escaped, behind a query that is there already") {
    AuthorizationServer server = guard();
    server.authorization_endpoint = "https://auth.example/go?tenant=1";
    ClientIdentity client;
    client.id = "a&b";
    CodeRequest request = new_code_request("http://127.0.0.1:5/callback", "https://x.example/mcp", "a b");
    const auto url = authorization_url(server, client, request);
    REQUIRE(url);
    CHECK(url->starts_with("https://auth.example/go?tenant=1&response_type=code&client_id=a%26b&"));
    auto fields = parse_form(url->substr(url->find('?') + 1));
    CHECK(fields["redirect_uri"] == "http://127.0.0.1:5/callback");
    CHECK(fields["scope"] == "a b");
    CHECK(fields["resource"] == "https://x.example/mcp");
    CHECK(fields["code_challenge"] == pkce_challenge(request.verifier));
    server.pkce_s256 = false;
    CHECK_FALSE(authorization_url(server, client, request));
  }

  TEST_CASE("a redirect with another state is no answer, whatever else it says") {
    const AuthorizationServer server = guard();
    CodeRequest request = new_code_request("r", "s", "");
    const auto read = [&](const Fields& fields) {
      return code_of_redirect(form_text(fields), server, request);
    };
    CHECK(read({{"state", request.state}, {"code", "c d"}}) == "c d");
    CHECK_FALSE(read({{"state", "other"}, {"code", "c"}}));
    CHECK_FALSE(read({{"code", "c"}}));
    CHECK_FALSE(read({{"state", request.state}}));
    const auto refused =
        read({{"state", request.state}, {"error", "access_denied"}, {"error_description", "no"}});
    CHECK(remark(refused) == "https://auth.example refused: access_denied: no");
  }

  TEST_CASE("who we are is decided in the specification's order") {
    AuthorizationServer server = guard();
    CHECK(choose_identity({true, true, true}, server) == IdentitySource::kConfigured);
    CHECK(choose_identity({false, true, true}, server) == IdentitySource::kStored);
    server.client_id_documents = true;
    CHECK(choose_identity({false, true, true}, server) == IdentitySource::kDocument);
    CHECK(choose_identity({false, false, false}, server) == IdentitySource::kRegistration);
    server.registration_endpoint.clear();
    CHECK(choose_identity({false, false, false}, server) == IdentitySource::kNone);
    CHECK(choose_token_auth(true, {}) == TokenAuth::kSecretBasic);
    CHECK(choose_token_auth(true, {"private_key_jwt", "client_secret_post"}) == TokenAuth::kSecretPost);
    CHECK(choose_token_auth(false, {"client_secret_basic"}) == TokenAuth::kNone);
  }

  TEST_CASE("an assertion names the client, the issuer and a short life, and is signed") {
    AuthorizationServer server = guard();
    ClientIdentity client;
    client.id = "robot";
    client.method = TokenAuth::kPrivateKeyJwt;
    client.signing_algorithm = "EdDSA";
    client.private_key_pem =  // RFC 8037, appendix A.1.
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
        "-----END PRIVATE KEY-----\n";
    const auto request = token_request(server, client, client_credentials_grant("a", "https://x"), 1'000'000);
    REQUIRE_MESSAGE(request.has_value(), remark(request));
    auto form = parse_form(request->body);
    CHECK(form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    const auto parts = split(form["client_assertion"], '.');
    REQUIRE(parts.size() == 3);
    const auto claims = parse_json(*from_base64_url(parts[1]));
    REQUIRE(claims);
    CHECK((*claims)["iss"] == "robot");
    CHECK((*claims)["sub"] == "robot");
    CHECK((*claims)["aud"] == "https://auth.example");
    CHECK((*claims)["exp"] == 1'300);
    CHECK((*claims)["jti"].get<std::string>().size() > 20);
    CHECK(from_base64_url(parts[2])->size() == 64);
  }

  TEST_CASE("a token endpoint's answer is a token, a refusal or a passing trouble") {
    const auto read = [](int status, const char* body) {
      return parse_token_response(status, body, "asked", 1'000, nullptr);
    };
    const auto good = read(200, R"({"access_token":"t","token_type":"BEARER","expires_in":60})");
    REQUIRE(good);
    CHECK(good->scope == "asked");
    CHECK(good->expires_at_ms == 61'000);
    CHECK(read(200, R"({"access_token":"t","token_type":"mac"})").error().code() == Code::kProtocol);
    CHECK(read(200, R"({"access_token":"a\r\nb","token_type":"bearer"})").error().code() == Code::kProtocol);
    CHECK(read(200, "<html>").error().code() == Code::kProtocol);
    CHECK(read(503, "{}").error().code() == Code::kTransport);
    CHECK(read(429, "{}").error().code() == Code::kTransport);
    const auto refused = read(400, R"({"error":"invalid_grant","error_description":"too old"})");
    CHECK(remark(refused) == "the authorization server refused with status 400: invalid_grant: too old");
  }

  TEST_CASE("a mistake in the configuration names the key") {
    const auto read = [](const Json& config) {
      OAuthOptions options;
      return remark(read_oauth_options(config, options));
    };
    CHECK(read({{"client_id", "a"}, {"redirect_port", 8080}}) == "none");
    CHECK(read({{"clientid", "a"}}) == "\"oauth.clientid\" is not a known key; did you mean client_id?");
    CHECK(read({{"grant", "implicit"}}) ==
          "\"oauth.grant\" must be authorization_code or client_credentials");
    CHECK(read({{"client_secret", "s"}}).starts_with("\"oauth.client_id\" is missing"));
    CHECK(read({{"client_id", "a"}, {"grant", "client_credentials"}}).find("needs client_secret") !=
          std::string::npos);
    CHECK(read({{"client_id", "a"}, {"private_key_file", "/no/such/file"}}).find("can't be read") !=
          std::string::npos);
    CHECK(read({{"client_id", 7}}) == "\"oauth.client_id\" must be a string");
  }
}

}  // namespace tsukai::mcp
