#include <doctest/doctest.h>

#include "agent/support/situation.h"

using namespace tsukai;
using namespace tsukai::agent;

TEST_SUITE("agent/cancel") {
  TEST_CASE("Ctrl-C while the servers start ends the run before it began, and reaps what had started") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.use("shop");
    s.servers["shop"].start_hangs = true;
    const auto outcome = s.run_cancelled_when([&] { return s.servers["maps"].connected == 1; });
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code() == Code::kCancelled);
    CHECK(s.servers.all_reaped());
    CHECK(s.rows().empty());
  }

  TEST_CASE("Ctrl-C while the model thinks journals CANCELLED and reaps the servers") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    FakeTurn hanging;
    hanging.hangs = true;
    s.script.turns = {hanging};
    const auto outcome = s.run_cancelled_when([&] { return s.script.requests.size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT CANCELLED");
    CHECK(s.summary().state == RunState::kCancelled);
    CHECK(s.servers.all_reaped());
    CHECK(s.told("run_done").size() == 1);
  }

  TEST_CASE("Ctrl-C during a tool call claims no result for it") {
    Situation s;
    auto& server = s.tool("shop", "pay", [](Json) { return never_answer(); });
    s.script.turns = {calls("shop__pay", Json::object())};
    const auto outcome = s.run_cancelled_when([&] { return server.calls.size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_INTENT TOOL_STARTED CANCELLED");
    CHECK(s.servers.all_reaped());
  }

  TEST_CASE("Ctrl-C with calls side by side keeps the results that had come") {
    Situation s;
    s.tool("maps", "geo", answering("here"));
    auto& shop = s.tool("shop", "pay", [](Json) { return never_answer(); });
    s.script.turns = {calls_all({{"maps__geo", Json::object()}, {"shop__pay", Json::object()}})};
    const auto outcome =
        s.run_cancelled_when([&] { return shop.calls.size() == 1 && s.told("tool_result").size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    std::size_t results = 0;
    for (const auto& row : s.rows()) {
      if (row.kind == Kind::kToolResult) ++results;
    }
    CHECK(results == 1);
    CHECK(s.servers.all_reaped());
  }

  TEST_CASE("Ctrl-C after a result keeps the result and asks for nothing more") {
    Situation s;
    s.tool("maps", "geo", answering("here"));
    s.script.turns = {calls("maps__geo", Json::object()), calls("maps__geo", {{"i", 2}}), says("too late")};
    const auto outcome = s.run_cancelled_when([&] { return s.told("tool_result").size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.servers["maps"].calls.size() == 1);
    CHECK(s.rows().back().kind == Kind::kCancelled);
  }

  TEST_CASE("a cancelled run is not remembered") {
    Situation s;
    s.file.memory_recall = 3;
    s.file.memory_scope = {"user"};
    FakeTurn hanging;
    hanging.hangs = true;
    s.script.turns = {hanging};
    REQUIRE(s.run_cancelled_when([&] { return s.script.requests.size() == 1; }));
    s.script.turns = {says("fine")};
    REQUIRE(s.run());
    CHECK(s.told("recalled").back()["episodes"].empty());
  }
}
