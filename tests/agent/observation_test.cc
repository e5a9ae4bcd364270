#include "agent/observation.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/fake_server.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

TEST_SUITE("agent/observation") {
  TEST_CASE("text blocks are what the model sees") {
    CHECK(observe(text_result("hello"), {}).text == "hello");
    CHECK(observe(text_result(""), {}).text == "(no output)");
  }

  TEST_CASE("structured content stands in when there is no text, as canonical JSON") {
    mcp::ToolResult result;
    result.content = Json::array();
    result.structured_content = Json{{"b", 1}, {"a", 2}};
    CHECK(observe(result, {}).text == R"({"a":2,"b":1})");
    auto both = text_result("plain");
    both.structured_content = Json{{"a", 1}};
    CHECK(observe(both, {}).text == "plain");
  }

  TEST_CASE("an error says that it is one, even when it has nothing to say") {
    CHECK(observe(text_result("no", true), {}).text == "error: no");
    CHECK(observe(text_result("", true), {}).outcome == Outcome::kToolError);
    CHECK(observe(text_result("", true), {}).text == "error: the tool failed without saying why");
  }

  TEST_CASE("a cut falls between characters and says what is missing") {
    const auto text = bounded("ああああ", 7);
    CHECK(text == "ああ\n[cut: the first 6 of 12 bytes are shown]");
    CHECK(bounded("short", 7) == "short");
  }

  TEST_CASE("bytes that are no text are repaired rather than passed on") {
    CHECK(observe(text_result("a\xff"
                              "b"),
                  {})
              .text ==
          "a\xef\xbf\xbd"
          "b");
  }

  TEST_CASE("outcomes come back from the journal by name") {
    for (auto outcome :
         {Outcome::kDone, Outcome::kToolError, Outcome::kFailed, Outcome::kDenied, Outcome::kInvalid,
          Outcome::kUnknownTool, Outcome::kOverBudget, Outcome::kCancelled}) {
      CHECK(outcome_named(name(outcome)) == outcome);
    }
  }
}

TEST_SUITE("agent/redaction") {
  TEST_CASE("a secret is replaced by its name wherever it stands, keys of objects included") {
    Redaction redaction;
    redaction.add("TOKEN", "abcdefgh");
    CHECK(redaction.text("x abcdefgh y abcdefgh") == "x [redacted TOKEN] y [redacted TOKEN]");
    CHECK(redaction.json({{"abcdefgh", {"abcdefgh", 1}}}).dump() ==
          R"({"[redacted TOKEN]":["[redacted TOKEN]",1]})");
  }

  TEST_CASE("short values are ordinary words and stay") {
    Redaction redaction;
    redaction.add("LANG", "en-GB");
    CHECK(redaction.text("en-GB") == "en-GB");
  }

  TEST_CASE("what is sealed names secrets in place of their values, and comes back byte for byte") {
    Redaction then;
    then.add("TOKEN", "abcdefgh");
    then.add("LONG", "0abcdefgh9");
    then.add("TOKEN", "ijklmnop");
    const Json state = {
        {"abcdefgh", {"x abcdefghijklmnop $ 0abcdefgh9", 1, nullptr}},
        {"like", "${secret:TOKEN} ${secret:} ${secret:${secret:abcdefgh $${secret: ${TOKEN}"}};
    const auto sealed = then.sealed(state);
    for (const auto* secret : {"abcdefgh", "ijklmnop"}) CHECK_FALSE(contains(sealed.dump(), secret));
    CHECK(contains(sealed.dump(), "x ${secret:TOKEN}${secret:TOKEN#2} $ ${secret:LONG}"));
    CHECK(*then.unsealed(sealed) == state);
    const Json plain = {{"costs", "$5 for ${NAME}"}};
    CHECK(then.sealed(plain) == plain);
    // Today's values are put in; what is gone is named.
    Redaction now;
    now.add("TOKEN", "qrstuvwx");
    CHECK(*now.unsealed(then.sealed("abcdefgh")) == Json("qrstuvwx"));
    const auto gone = now.unsealed(sealed);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().message() == "TOKEN#2 is not set any more");
  }

  TEST_CASE("a secret within a longer secret does not leave pieces of the longer one") {
    Redaction redaction;
    redaction.add("A", "12345678");
    redaction.add("B", "0012345678abc");
    CHECK(redaction.text("0012345678abc") == "[redacted B]");
  }

  TEST_CASE(
      "what came into arguments from a secret environment variable is hidden, ordinary values are not") {
    setenv("TSUKAI_TEST_API_TOKEN", "tok-1234567890", 1);
    setenv("TSUKAI_TEST_PLACE", "the-old-gate", 1);
    mcp::ServerConfig server;
    server.args = {"--token=tok-1234567890", "--place=the-old-gate"};
    const Redaction redaction({server});
    CHECK(redaction.text(server.args[0]) == "--token=[redacted TSUKAI_TEST_API_TOKEN]");
    CHECK(redaction.text(server.args[1]) == "--place=the-old-gate");
    unsetenv("TSUKAI_TEST_API_TOKEN");
    unsetenv("TSUKAI_TEST_PLACE");
  }
}
