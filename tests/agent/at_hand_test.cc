// A person at hand, and conversations: runs that go on from the end of another.
#include <doctest/doctest.h>

#include "agent/decisions.h"
#include "agent/replay.h"
#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

void ask_before_paying(Situation& s) {
  s.tool("shop", "pay", answering("paid"));
  s.file.policy = {{PolicyRule::Action::kAsk, "shop.pay", 1, {}}};
  s.script.turns = {calls("shop__pay", Json::object()), says("done")};
}

Task<bool> allow(Journal* journal, std::string run) {
  TSUKAI_CO_TRY_VOID(journal->give_approval(run, "step-1/call-1", true, "mika", ""));
  co_return true;
}
Task<bool> leave() { co_return false; }
Task<bool> break_down() { co_return fail(Code::kCancelled, "interrupted"); }

Result<RunOutcome> run_with(Situation& s, Decide decide) {
  auto options = s.options();
  options.decide = std::move(decide);
  return await(run_agent(s.file, "do it", options, s.open_model()));
}

Result<RunOutcome> say(Situation& s, const std::string& text, std::size_t step = 0) {
  return await(fork_run("last", step, text, s.options(), s.open_model()));
}

}  // namespace

TEST_SUITE("agent/at_hand") {
  TEST_CASE("what a person decides at once is done at once, by the same model and servers") {
    Situation s;
    ask_before_paying(s);
    const auto outcome = run_with(s, [](Journal& journal, std::string run) { return allow(&journal, run); });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kDone);
    CHECK(s.servers["shop"].calls.size() == 1);
    CHECK(s.servers["shop"].connected == 1);
    CHECK(s.servers.all_reaped());
    CHECK(contains(s.kinds(), "APPROVAL_ASKED"));
    CHECK(contains(s.kinds(), "APPROVAL_GIVEN"));
  }

  TEST_CASE("a person who leaves it, or whose answer breaks off, leaves the run parked") {
    for (const bool breaks : {false, true}) {
      Situation s;
      ask_before_paying(s);
      const auto outcome =
          run_with(s, [breaks](Journal&, std::string) { return breaks ? break_down() : leave(); });
      REQUIRE(outcome);
      CHECK(outcome->state == RunState::kWaiting);
      CHECK(s.servers["shop"].calls.empty());
      CHECK(s.summary().state == RunState::kWaiting);
    }
  }

  TEST_CASE("a conversation goes on from the end: all of it is shared, nothing is done again") {
    Situation s;
    s.tool("maps", "geo", answering("at 1,2"));
    s.script.turns = {calls("maps__geo", Json::object()), says("It is at 1,2."), says("Closed in spring."),
                      says("You are welcome.")};
    REQUIRE(s.run());
    const auto second = say(s, "And in spring?");
    REQUIRE(second);
    CHECK(second->state == RunState::kDone);
    CHECK(second->answer == "Closed in spring.");
    CHECK(s.servers["maps"].calls.size() == 1);
    const auto& messages = s.script.requests.back().messages;
    CHECK(messages.back().text == "And in spring?");
    CHECK(messages[messages.size() - 2].text == "It is at 1,2.");
    CHECK(s.rows()[0].payload->at("forked_from")["step"] == 3);
    // And on from there, named by its number.
    const auto third = say(s, "Thank you.", 4);
    REQUIRE(third);
    CHECK(third->answer == "You are welcome.");
    CHECK(s.script.requests.back().messages.size() == messages.size() + 2);
    CHECK(s.script.prompts.back().text.starts_with(s.script.prompts[2].text));
    const auto report = await(replay_run(s.rows(), nullptr));
    REQUIRE(report);
    CHECK(report->differences.empty());
  }

  TEST_CASE("a fork shares what was approved and done, but no approval of a call that was not made") {
    Situation s;
    ask_before_paying(s);
    s.script.turns.push_back(says("You are welcome."));
    REQUIRE(run_with(s, [](Journal& journal, std::string run) { return allow(&journal, run); }));
    REQUIRE(say(s, "Thank you."));
    const auto report = await(replay_run(s.rows(), nullptr));
    REQUIRE(report);
    CHECK(report->differences.empty());

    Situation t;
    ask_before_paying(t);
    REQUIRE(t.run());
    t.outside([](Journal& journal, const std::string& run) {
      return journal.give_approval(run, "step-1/call-1", true, "mika", "");
    });
    t.outside([](Journal& journal, const std::string& run) { return cancel_run(journal, run, "mika"); });
    const auto forked = say(t, "Go on.");
    REQUIRE(forked);
    CHECK(forked->state == RunState::kWaiting);
    CHECK(t.servers["shop"].calls.empty());
  }

  TEST_CASE("what the old run spent is not taken from the budget of the new one") {
    Situation s;
    s.file.budget.steps = 2;
    s.script.turns = {says("one"), says("two"), says("three"), says("four")};
    REQUIRE(s.run());
    for (const std::string answer : {"two", "three", "four"}) {
      const auto outcome = say(s, "More.");
      REQUIRE(outcome);
      CHECK(outcome->state == RunState::kDone);
      CHECK(outcome->answer == answer);
    }
  }

  TEST_CASE("without anything to say, a run that ended can't be gone on with") {
    Situation s;
    s.script.turns = {says("one")};
    REQUIRE(s.run());
    CHECK(!say(s, "", 2));
    CHECK(!say(s, "", 0));
    CHECK(!say(s, "More.", 3));
  }
}
