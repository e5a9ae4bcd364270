#include <doctest/doctest.h>

#include <set>

#include "agent/decisions.h"
#include "agent/replay.h"
#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

std::string step(const std::string& id, const std::string& tool, const std::string& arguments = "{}") {
  return R"({"id":")" + id + R"(","tool":")" + tool + R"(","arguments":)" + arguments + "}";
}

Json plan_of(const std::string& steps) { return *parse_json(R"({"steps":[)" + steps + "]}"); }

// A turn that writes the plan's steps one by one and goes on after the i-th once `goes_on(i)`.
FakeTurn writes(const std::vector<std::string>& steps, std::function<bool(std::size_t)> goes_on = {}) {
  std::string whole;
  FakeTurn turn;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    whole += (i > 0 ? "," : "") + steps[i];
    turn.pieces.push_back((i > 0 ? "," : R"({"steps":[)") + steps[i]);
  }
  turn.calls = {{"plan", plan_of(whole)}};
  turn.finish = infer::FinishReason::kCalls;
  turn.goes_on = std::move(goes_on);
  return turn;
}

// The same, cut off by its budget after these steps.
FakeTurn cut_off(const std::vector<std::string>& steps, std::function<bool(std::size_t)> goes_on = {}) {
  auto turn = writes(steps, std::move(goes_on));
  turn.calls.clear();
  turn.text = "<call>plan";
  turn.finish = infer::FinishReason::kLength;
  return turn;
}

struct Planned : Situation {
  Planned() {
    file.planner = Planner::kPlan;
    tool("maps", "geo", [](Json arguments) { return answer_text(R"({"at":)" + arguments.dump() + "}"); });
    tool("maps", "weather", [](Json) { return answer_text("sunny"); });
    tool("shop", "order", [](Json arguments) { return answer_text("ordered " + arguments.dump()); });
  }
  std::size_t called(const std::string& server) { return servers[server].calls.size(); }
  std::string differences() {
    auto report = await(replay_run(rows(), nullptr));
    if (!report) return report.error().text();
    std::string text;
    for (const auto& line : report->differences) text += line + "\n";
    return text;
  }
  // Of the calls, in the order of their TOOL_STARTED.
  std::string started() {
    std::string text;
    for (const auto& row : rows()) {
      if (row.kind == Kind::kToolStarted) text += (text.empty() ? "" : " ") + row.step_key;
    }
    return text;
  }
};

}  // namespace

TEST_SUITE("agent/stream_plan") {
  TEST_CASE("a step is done as soon as it is written, while the model writes the next") {
    Planned s;
    // The model itself waits: it writes its second step once the first was called, its third once that one's
    // result led to the second.
    s.script.turns = {writes({step("a", "maps__geo"), step("b", "maps__weather", R"({"at":"$a.at"})"),
                              step("c", "maps__geo", R"({"after":"$b"})")},
                             [&](std::size_t i) { return s.called("maps") > i; }),
                      says("fine")};
    const auto outcome = s.run();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "fine");
    CHECK(s.called("maps") == 3);
    CHECK(s.observations() == std::vector<std::string>{R"(a (done): {"at":{}})"
                                                       "\nb (done): sunny\n"
                                                       R"(c (done): {"at":{"after":"sunny"}})"});
    CHECK(s.script.requests.size() == 2);
    // Each step's row stands before its call, all before the turn; then the whole plan.
    CHECK(s.kinds().starts_with("RUN_STARTED MODEL_INTENT PLAN TOOL_INTENT TOOL_STARTED"));
    const auto rows = s.rows();
    std::vector<std::string> plans;
    for (const auto& row : rows) {
      if (row.kind == Kind::kPlan) plans.push_back(row.step_key);
    }
    CHECK(plans ==
          std::vector<std::string>{"step-1/call-1/a", "step-1/call-1/b", "step-1/call-1/c", "step-1/call-1"});
    CHECK(s.told("plan_step").size() == 3);
    CHECK(s.told("plan_step")[1]["id"] == "b");
    CHECK(s.told("plan").size() == 1);
    CHECK(s.told("tool_call").size() == 3);
    CHECK(s.summary().state == RunState::kDone);
    CHECK(s.differences() == "");
  }

  TEST_CASE("a model that tells of its calls only when they are whole plans as before") {
    Planned s;
    s.script.turns = {calls("plan", plan_of(step("a", "maps__geo"))), says("fine")};
    REQUIRE(s.run()->state == RunState::kDone);
    CHECK(s.told("plan_step").empty());
    CHECK(s.differences() == "");
  }

  TEST_CASE("a step that refers to one not yet written waits for it") {
    Planned s;
    s.script.turns = {writes({step("b", "maps__weather", R"({"at":"$a"})"), step("a", "maps__geo")}),
                      says("fine")};
    REQUIRE(s.run()->state == RunState::kDone);
    CHECK(s.started() == "step-1/call-1/a step-1/call-1/b");
    CHECK(s.differences() == "");
  }

  TEST_CASE("an id of an earlier plan may still become one of this: nothing is begun from the old result") {
    Planned s;
    s.script.turns = {
        writes({step("a", "maps__geo", R"({"i":1})")}),
        writes({step("b", "maps__weather", R"({"at":"$a"})"), step("a", "maps__geo", R"({"i":2})")},
               [&](std::size_t) { return true; }),
        says("fine")};
    REQUIRE(s.run()->state == RunState::kDone);
    CHECK(s.started() == "step-1/call-1/a step-2/call-1/a step-2/call-1/b");
    CHECK(s.servers["maps"].calls.back().second["at"]["at"]["i"] == 2);
    CHECK(s.differences() == "");
  }

  TEST_CASE("steps that need a person, or can't be undone, wait until the plan is whole") {
    Planned s;
    s.file.policy = {{PolicyRule::Action::kAsk, "shop.order", 1}};
    bool whole = false;
    s.script.turns = {writes({step("o", "shop__order"), step("a", "maps__geo")},
                             [&](std::size_t i) {
                               whole = i == 1;
                               return i == 0 || s.called("maps") == 1;
                             }),
                      says("fine")};
    REQUIRE(s.run()->state == RunState::kWaiting);
    CHECK(whole);
    CHECK(s.called("shop") == 0);
    REQUIRE(s.outside([](Journal& journal, const std::string& run) {
      return journal.give_approval(run, "step-1/call-1/o", true, "boss", "");
    }));
    REQUIRE(s.resume()->state == RunState::kDone);
    CHECK(s.called("shop") == 1);
    CHECK(s.called("maps") == 1);
    CHECK(s.told("tool_call").size() == 3);  // The one that waits is told again when the run goes on.
    CHECK(s.differences() == "");
  }

  TEST_CASE("a plan that turns out invalid: what was written before is done and told, nothing after it") {
    Planned s;
    std::vector<std::string> steps;
    std::string why;
    SUBCASE("by a reference to nothing") {
      steps = {step("a", "maps__geo"), step("b", "maps__weather", R"({"at":"$nobody"})")};
      why = "there is no step nobody";
    }
    SUBCASE("by an id given twice") {
      steps = {step("a", "maps__geo"), step("a", "maps__weather"), step("b", "shop__order")};
      why = "two steps with this id";
    }
    SUBCASE("by a circle") {
      steps = {step("a", "maps__geo"), step("b", "maps__weather", R"({"at":"$c"})"),
               step("c", "maps__weather", R"({"at":"$b"})")};
      why = "circle";
    }
    s.script.turns = {writes(steps), writes({step("o", "shop__order", R"({"at":"$a.at"})")}), says("fine")};
    const auto outcome = s.run();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "fine");
    CHECK(s.called("maps") == 1);
    CHECK(s.called("shop") == 1);
    const auto told = s.observations();
    REQUIRE(told.size() == 2);
    CHECK(contains(told[0], why));
    CHECK(contains(told[0], R"(a (done): {"at":{}})"));
    CHECK(s.differences() == "");
  }

  TEST_CASE("a plan cut off by its budget: what was written is done and told, its end is never begun") {
    Planned s;
    s.script.turns = {cut_off({step("a", "maps__geo"), step("b", "maps__weather", R"({"at":"$a.at"})"),
                               step("c", "shop__order", R"({"at":"$d"})")}),
                      writes({step("o", "shop__order", R"({"at":"$b"})")}), says("fine")};
    const auto outcome = s.run();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "fine");
    CHECK(s.called("maps") == 2);
    CHECK(s.called("shop") == 1);
    std::string told;
    for (const auto& message : s.script.requests[1].messages) {
      if (message.role == infer::Role::kUser) told = message.text;
    }
    CHECK(contains(told, "cut off"));
    CHECK(contains(told, "b (done): sunny"));
    CHECK(contains(told, "c (spoiled): error: not done: the plan has no valid end"));
    CHECK(s.servers["shop"].calls[0].second["at"] == "sunny");
    CHECK(s.differences() == "");
  }

  TEST_CASE("a plan cut off in a run whose tokens are used up: its steps stand, and the run stops") {
    Planned s;
    s.file.budget.steps = 2;
    s.script.turns = {cut_off({step("a", "maps__geo")}), cut_off({}), says("never asked")};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kStopped);
    CHECK(s.called("maps") == 1);
    CHECK(s.differences() == "");
  }

  TEST_CASE("a model that breaks off within its plan is not asked again for what has begun") {
    Planned s;
    auto broken = writes({step("o", "shop__order", R"({"what":"beans"})")},
                         [&](std::size_t) { return s.called("shop") == 1; });
    broken.failure = Error(Code::kTransport, "the connection was cut");
    s.script.turns = {broken, says("ordered once")};
    const auto outcome = s.run();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "ordered once");
    CHECK(s.called("shop") == 1);
    CHECK(contains(s.script.requests[1].messages.back().text, "interrupted"));
    CHECK(contains(s.script.requests[1].messages.back().text, "o (done): ordered"));
    CHECK(s.differences() == "");
    SUBCASE("and three times running end the run") {
      Planned again;
      for (const auto* id : {"o", "p", "q"}) {
        auto turn = writes({step(id, "shop__order")});
        turn.failure = Error(Code::kTransport, "cut");
        again.script.turns.push_back(turn);
      }
      const auto ended = again.run();
      REQUIRE(ended);
      CHECK(ended->state == RunState::kFailed);
      CHECK(contains(ended->answer, "interrupted 3 times"));
      CHECK(again.called("shop") == 3);
      CHECK(again.differences() == "");
    }
  }

  TEST_CASE("a model that fails within its plan: what was written is done, and the run ends") {
    Planned s;
    auto broken = writes({step("a", "maps__geo")});
    broken.failure = Error(Code::kInternal, "the model is gone");
    s.script.turns = {broken};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kFailed);
    CHECK(s.called("maps") == 1);
    CHECK(contains(s.kinds(), "TOOL_RESULT"));
    CHECK(s.kinds().ends_with("RUN_DONE"));
    CHECK(s.differences() == "");
  }

  TEST_CASE("cancelled within a plan being written, the run ends and claims no result") {
    Planned s;
    s.servers["maps"].tools[0].handler = [](Json) { return never_answer(); };
    s.script.turns = {writes({step("a", "maps__geo")}, [](std::size_t) { return false; })};
    const auto outcome = s.run_cancelled_when([&] { return s.called("maps") == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK_FALSE(contains(s.kinds(), "TOOL_RESULT"));
  }

  TEST_CASE("wherever it dies within a plan being written, a resumed run orders each thing once") {
    for (const auto* place : {"step_started", "plan_step", "tool_call", "tool_result", "step_done", "plan"}) {
      for (int count = 1; count <= 3; ++count) {
        CAPTURE(place);
        CAPTURE(count);
        Planned s;
        // A call in flight when the process died is made again under the key it had: what counts is how many
        // keys the shop has seen.
        s.servers["shop"].tools[0].input_schema = {
            {"type", "object"}, {"properties", {{"idempotency_key", {{"type", "string"}}}}}};
        s.servers["shop"].tools[0].handler = answering("ordered");
        const std::vector<std::string> steps = {step("o", "shop__order", R"({"what":"beans"})"),
                                                step("p", "shop__order", R"({"with":"$o"})"),
                                                step("q", "shop__order", R"({"what":"milk"})")};
        const auto plan = writes(steps, [&](std::size_t i) { return i != 1 || s.called("shop") >= 2; });
        s.script.turns = {plan, says("all ordered")};
        s.run_killed_at(place, count);
        if (s.told("run_done").empty()) {
          const auto before = s.rows();
          const bool begun = std::any_of(before.begin(), before.end(),
                                         [](const Row& row) { return row.kind == Kind::kPlan; });
          const bool turn_is_there = std::any_of(
              before.begin(), before.end(), [](const Row& row) { return row.kind == Kind::kModelResult; });
          // Asked a second time, after steps of its plan were begun, the model plans what it is told is
          // missing.
          if (begun && !turn_is_there) {
            s.script.turns.clear();
            std::vector<std::string> rest;
            for (const auto* id : {"o", "p", "q"}) {
              const auto written = std::any_of(before.begin(), before.end(), [&](const Row& row) {
                return row.kind == Kind::kPlan && row.step_key == std::string("step-1/call-1/") + id;
              });
              if (!written) rest.push_back(steps[static_cast<std::size_t>(*id - 'o')]);
            }
            if (!rest.empty()) s.script.turns.push_back(writes(rest));
            s.script.turns.push_back(says("all ordered"));
          }
          const auto outcome = s.resume();
          REQUIRE_MESSAGE(outcome, outcome.error().text());
          CHECK(outcome->answer == "all ordered");
        }
        std::set<std::string> orders;
        for (const auto& [name, arguments] : s.servers["shop"].calls)
          orders.insert(string_at(arguments, "idempotency_key"));
        CHECK(orders.size() == 3);
        CHECK(s.summary().state == RunState::kDone);
        CHECK(s.differences() == "");
      }
    }
  }

  TEST_CASE("a step in flight when the process died is in doubt, as every call is") {
    Planned s;
    s.servers["shop"].tools[0].handler = [](Json) { return never_answer(); };
    s.script.turns = {writes({step("o", "shop__order")}, [](std::size_t) { return false; })};
    s.run_killed_when([&] { return s.called("shop") == 1; });
    s.servers["shop"].tools[0].handler = answering("ordered");
    const auto outcome = s.resume();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kWaiting);
    CHECK(contains(outcome->answer, "tsukai runs resolve"));
    CHECK(s.called("shop") == 1);
    REQUIRE(s.outside([](Journal& journal, const std::string& run) {
      return resolve_call(journal, run, "step-1/call-1/o", Resolution::kDone, "ordered", "mika");
    }));
    s.script.turns = {says("all ordered")};
    REQUIRE(s.resume()->state == RunState::kDone);
    CHECK(s.called("shop") == 1);
    CHECK(contains(s.script.requests.back().messages.back().text, "o (done): ordered"));
    CHECK(s.differences() == "");
  }
}
