#include <doctest/doctest.h>

#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// A model that would call tools for ever, but answers when it may not.
void restless(Situation& s, int turns) {
  s.tool("maps", "geo", [](Json arguments) { return answer_text(arguments.dump()); });
  for (int i = 0; i < turns; ++i) s.script.turns.push_back(calls("maps__geo", {{"i", i}}));
}

}  // namespace

TEST_SUITE("agent/budget") {
  TEST_CASE("the last step forbids tools, asks for an answer, and ends the run as stopped") {
    Situation s;
    restless(s, 2);
    s.script.turns.push_back(says("what I have so far"));
    s.file.budget.steps = 3;
    const auto outcome = s.run();
    CHECK(outcome->state == RunState::kStopped);
    CHECK(outcome->answer == "what I have so far");
    CHECK(s.script.requests[2].tool_choice == infer::ToolChoice::kNone);
    CHECK(contains(s.script.requests[2].messages.back().text, "steps: 3"));
    CHECK(contains(s.told("run_done")[0]["reason"].get<std::string>(), "3 steps"));
  }

  TEST_CASE("a model that ignores the landing is stopped hard") {
    Situation s;
    restless(s, 5);
    s.file.budget.steps = 3;
    const auto outcome = s.run();
    CHECK(outcome->state == RunState::kStopped);
    CHECK(s.script.requests.size() == 3);
    CHECK(contains(outcome->answer, "steps"));
  }

  TEST_CASE("calls beyond the budget of a turn are not made and say so") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.file.budget.tool_calls = 2;
    s.script.turns = {
        calls_all({{"maps__geo", {{"i", 1}}}, {"maps__geo", {{"i", 2}}}, {"maps__geo", {{"i", 3}}}}),
        says("two of three")};
    const auto outcome = s.run();
    CHECK(outcome->state == RunState::kStopped);
    CHECK(outcome->answer == "two of three");
    CHECK(s.servers["maps"].calls.size() == 2);
    CHECK(contains(s.observations()[2], "not called: the budget of 2 tool calls"));
    CHECK(outcome->totals->at("tool_refusals") == 1);
  }

  TEST_CASE("the tokens of a turn are bounded by what the budget has left") {
    Situation s;
    s.script.turns = {says("hi")};
    s.file.tokens_per_step = 512;
    s.file.budget.tokens = 300;
    REQUIRE(s.run());
    CHECK(s.script.requests[0].tokens_max == 300 - s.script.prompts[0].tokens.size());
  }

  TEST_CASE("a prompt larger than the tokens left stops the run without asking") {
    Situation s;
    s.tool("maps", "geo", [](Json) { return answer_text(std::string(5'000, 'x')); });
    s.script.turns = {calls("maps__geo", Json::object())};
    s.file.budget.tokens = 2'000;
    const auto outcome = s.run();
    CHECK(outcome->state == RunState::kStopped);
    CHECK(contains(outcome->answer, "2000 tokens"));
    CHECK(s.script.requests.size() == 1);
  }

  TEST_CASE("when time runs short the run lands, when it is over the run stops") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.file.budget.seconds = 100;
    auto slow = calls("maps__geo", Json::object());
    SUBCASE("short") {
      slow.before = [&] { s.clock.advance(95'000); };
      s.script.turns = {slow, says("in time")};
      const auto outcome = s.run();
      CHECK(outcome->state == RunState::kStopped);
      CHECK(outcome->answer == "in time");
    }
    SUBCASE("over") {
      slow.before = [&] { s.clock.advance(101'000); };
      s.script.turns = {slow};
      const auto outcome = s.run();
      CHECK(outcome->state == RunState::kStopped);
      CHECK(contains(outcome->answer, "100 s"));
    }
  }

  TEST_CASE("a model call that outlasts the time left is cut off") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.file.budget.seconds = 100;
    auto slow = calls("maps__geo", Json::object());
    slow.before = [&] { s.clock.advance(99'990); };
    FakeTurn hanging;
    hanging.hangs = true;
    s.script.turns = {slow, hanging};
    const auto outcome = s.run();
    CHECK(outcome->state == RunState::kStopped);
    CHECK(contains(outcome->answer, "100 s"));
    CHECK(s.servers.all_reaped());
  }

  TEST_CASE("going round in circles gets one nudge and then a stop that names the call") {
    Situation s;
    s.tool("maps", "geo", answering("same"));
    for (int i = 0; i < 10; ++i) s.script.turns.push_back(calls("maps__geo", {{"a", "b"}}));
    const auto outcome = s.run();
    CHECK(outcome->state == RunState::kStopped);
    CHECK(s.script.requests.size() == 4);
    CHECK(contains(s.script.requests[3].messages.back().text, "Do not repeat"));
    CHECK(contains(outcome->answer, "maps__geo"));
  }

  TEST_CASE("a prompt that no longer fits the context stops the run with that reason") {
    Situation s;
    s.script.context_tokens = 100;
    s.script.turns = {says("never asked")};
    const auto outcome = s.run();
    CHECK(outcome->state == RunState::kStopped);
    CHECK(contains(outcome->answer, "context"));
    CHECK(s.script.requests.empty());
  }
}
