#include <doctest/doctest.h>

#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

void prepare(Situation& s) {
  s.tool("shop", "pay", answering("paid"));
  s.file.policy = {{PolicyRule::Action::kAsk, "shop.pay", 7}};
  s.script.turns = {calls("shop__pay", {{"amount", 60}})};
}

void decide(Situation& s, bool allowed, const std::string& reason = "") {
  REQUIRE(s.outside([&](Journal& journal, const std::string& run) {
    return journal.give_approval(run, "step-1/call-1", allowed, "boss", reason);
  }));
}

}  // namespace

TEST_SUITE("agent/approval") {
  TEST_CASE("a call that needs approval parks the run durably, before anything is called") {
    Situation s;
    prepare(s);
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kWaiting);
    CHECK(contains(outcome->answer, "tsukai runs approve"));
    CHECK(s.servers["shop"].calls.empty());
    CHECK(s.summary().state == RunState::kWaiting);
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT MODEL_RESULT APPROVAL_ASKED");
    CHECK(s.servers.all_reaped());
    // Nobody has answered yet: resuming waits on.
    CHECK(s.resume()->state == RunState::kWaiting);
  }

  TEST_CASE("approved from another terminal, the call is made once") {
    Situation s;
    prepare(s);
    REQUIRE(s.run());
    decide(s, true);
    s.script.turns = {says("paid for")};
    CHECK(s.resume()->state == RunState::kDone);
    CHECK(s.servers["shop"].calls.size() == 1);
    CHECK(s.observations() == std::vector<std::string>{"paid"});
    CHECK(contains(s.kinds(),
                   "APPROVAL_ASKED LEASE_TAKEN APPROVAL_GIVEN TOOL_INTENT TOOL_STARTED TOOL_RESULT"));
  }

  TEST_CASE("denied, the model is told by whom and why, and nothing is called") {
    Situation s;
    prepare(s);
    REQUIRE(s.run());
    decide(s, false, "too much");
    s.script.turns = {says("not paid")};
    CHECK(s.resume()->state == RunState::kDone);
    CHECK(s.servers["shop"].calls.empty());
    CHECK(s.observations() == std::vector<std::string>{"error: boss said no: too much"});
  }

  TEST_CASE("a process that dies right after the approval was used does not ask for it again") {
    Situation s;
    prepare(s);
    REQUIRE(s.run());
    decide(s, true);
    auto& shop = s.servers["shop"];
    // The approval is used up and the call intended; the process ends as the call begins.
    shop.tools[0].handler = [](Json) { return never_answer(); };
    {
      DyingLoop loop;
      asio::co_spawn(*loop, resume_run("last", s.options(), s.open_model()),
                     [](std::exception_ptr, const Result<RunOutcome>&) {});
      while (shop.calls.empty() && (*loop).run_one() > 0) {
      }
    }
    s.clock.advance(kLeaseMs + 1);
    CHECK(s.resume()->state == RunState::kWaiting);
    CHECK(shop.calls.size() == 1);
    CHECK(contains(s.kinds(), "TOOL_UNKNOWN"));
  }

  TEST_CASE("the other calls of the turn are made while one waits") {
    Situation s;
    prepare(s);
    s.tool("maps", "geo", answering("here"));
    s.script.turns = {calls_all({{"shop__pay", {{"amount", 60}}}, {"maps__geo", Json::object()}})};
    CHECK(s.run()->state == RunState::kWaiting);
    CHECK(s.servers["maps"].calls.size() == 1);
    decide(s, true);
    s.script.turns = {says("done")};
    CHECK(s.resume()->state == RunState::kDone);
    CHECK(s.servers["maps"].calls.size() == 1);
    CHECK(s.observations() == std::vector<std::string>{"paid", "here"});
  }
}
