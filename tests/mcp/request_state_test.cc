#include "mcp/request_state.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace tsukai;
using namespace tsukai::mcp;

TEST_SUITE("mcp/request_state") {
  TEST_CASE("a state comes back as it was, until it is too old") {
    const RequestStates states("secret");
    const Json value = {{"step1", {{"action", "accept"}}}};
    const auto sealed = states.seal(value, "digest", 1000).value();
    CHECK(states.open(sealed, "digest", 1000).value() == value);
    CHECK(states.open(sealed, "digest", 1000 + RequestStates::kValidMs).has_value());
    CHECK(states.open(sealed, "digest", 1001 + RequestStates::kValidMs).error().code() == Code::kDenied);
  }

  TEST_CASE("a state changed anywhere, made elsewhere or for another request is denied") {
    const RequestStates states("secret");
    const auto sealed = states.seal(Json{{"k", 1}}, "digest", 0).value();
    for (std::size_t i = 0; i < sealed.size(); ++i) {
      auto changed = sealed;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      CHECK_FALSE(states.open(changed, "digest", 0).has_value());
    }
    CHECK_FALSE(states.open(sealed + "-TAMPERED", "digest", 0).has_value());
    CHECK_FALSE(states.open("", "digest", 0).has_value());
    CHECK_FALSE(states.open(sealed, "other", 0).has_value());
    CHECK_FALSE(RequestStates("guess").open(sealed, "digest", 0).has_value());
  }

  TEST_CASE("a state that would grow without end is refused") {
    CHECK(RequestStates("s").seal(Json(std::string(RequestStates::kBytesMax, 'x')), "d", 0).error().code() ==
          Code::kExhausted);
  }

  TEST_CASE("the digest tells requests apart, not how their emptiness is written") {
    CHECK(request_digest("tools/call", {{"name", "a"}}) ==
          request_digest("tools/call", {{"name", "a"}, {"arguments", Json::object()}}));
    CHECK(request_digest("tools/call", {{"name", "a"}}) != request_digest("tools/call", {{"name", "b"}}));
    CHECK(request_digest("tools/call", {{"name", "a"}}) != request_digest("prompts/get", {{"name", "a"}}));
  }
}
