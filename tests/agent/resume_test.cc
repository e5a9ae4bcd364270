#include <doctest/doctest.h>

#include "agent/decisions.h"
#include "agent/prompt_rebuild.h"
#include "agent/recovery.h"
#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// Two steps with a call each, then an answer; every call has an effect that is counted.
void resume_prepare(Situation& s) {
  s.tool("shop", "order", [](Json arguments) { return answer_text("ordered " + arguments.dump()); });
  s.script.turns = {calls("shop__order", {{"what", "beans"}}), calls("shop__order", {{"what", "milk"}}),
                    says("all ordered")};
}

// The process died while shop.pay was being called.
void die_in_call(Situation& s, FakeHandler handler = [](Json) { return never_answer(); }) {
  auto& shop = s.tool("shop", "pay", std::move(handler));
  s.script.turns = {calls("shop__pay", {{"amount", 5}})};
  s.run_killed_when([&] { return !shop.calls.empty(); });
  shop.tools[0].handler = answering("paid");
}

}  // namespace

TEST_SUITE("agent/resume") {
  TEST_CASE(
      "wherever it dies between two rows, a resumed run does each thing once and ends as it would have") {
    Situation whole;
    resume_prepare(whole);
    REQUIRE(whole.run()->state == RunState::kDone);
    for (const auto* place : {"run_started", "step_started", "step_done", "tool_call", "tool_result"}) {
      for (int count = 1; count <= 3; ++count) {
        CAPTURE(place);
        CAPTURE(count);
        Situation s;
        resume_prepare(s);
        s.run_killed_at(place, count);
        if (s.told("run_done").empty()) {
          const auto outcome = s.resume();
          REQUIRE_MESSAGE(outcome, outcome.error().text());
          CHECK(outcome->answer == "all ordered");
        }
        CHECK(s.servers["shop"].calls.size() == 2);
        CHECK(s.observations() == whole.observations());
        CHECK(s.script.prompts.back().text == whole.script.prompts.back().text);
        CHECK(rebuild_prompts(s.rows())->back().text == whole.script.prompts.back().text);
        CHECK(s.summary().state == RunState::kDone);
      }
    }
  }

  TEST_CASE(
      "a call in flight when the process died is unknown: the run waits for a person and calls nothing") {
    Situation s;
    die_in_call(s);
    const auto outcome = s.resume();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kWaiting);
    CHECK(contains(outcome->answer, "tsukai runs resolve"));
    CHECK(contains(outcome->answer, "step-1/call-1"));
    CHECK(s.servers["shop"].calls.size() == 1);
    CHECK(s.summary().state == RunState::kWaiting);
    CHECK(s.rows().back().kind == Kind::kToolUnknown);
    // Resuming again without a word changes nothing.
    CHECK(s.resume()->state == RunState::kWaiting);
    CHECK(s.servers["shop"].calls.size() == 1);
  }

  TEST_CASE("a person says what became of an unknown call") {
    Situation s;
    die_in_call(s);
    REQUIRE(s.resume()->state == RunState::kWaiting);
    s.script.turns = {says("finished")};
    const auto say = [&](Resolution resolution, const std::string& result) {
      return s.outside([&](Journal& journal, const std::string& run) {
        return resolve_call(journal, run, "step-1/call-1", resolution, result, "mika");
      });
    };
    SUBCASE("done: the model is given that result, and nothing is called") {
      REQUIRE(say(Resolution::kDone, "{\"paid\":5}"));
      CHECK(s.resume()->state == RunState::kDone);
      CHECK(s.servers["shop"].calls.size() == 1);
      CHECK(s.observations() == std::vector<std::string>{"{\"paid\":5}"});
    }
    SUBCASE("retry: it is called once more") {
      REQUIRE(say(Resolution::kRetry, ""));
      CHECK(s.resume()->state == RunState::kDone);
      CHECK(s.servers["shop"].calls.size() == 2);
      CHECK(s.observations() == std::vector<std::string>{"paid"});
    }
    SUBCASE("abort: the run has failed, by whose word") {
      REQUIRE(say(Resolution::kAbort, ""));
      const auto outcome = s.resume();
      CHECK(outcome->state == RunState::kFailed);
      CHECK(contains(outcome->answer, "mika"));
      CHECK(s.servers["shop"].calls.size() == 1);
    }
  }

  TEST_CASE("a call that its server made a task of is not made again: the task is asked for its result") {
    Situation s;
    auto& shop = s.tool("shop", "pay", answering("paid twice"));
    shop.makes_tasks = true;
    s.script.turns = {calls("shop__pay", {{"amount", 5}}), says("all paid")};
    s.run_killed_when([&] {
      const auto rows = s.rows();
      return !rows.empty() && string_at(*rows.back().payload, "task") == "task-1" &&
             rows.back().kind == Kind::kToolStarted;
    });
    REQUIRE(shop.calls.size() == 1);
    SUBCASE("the server has kept it") {
      shop.tasks["task-1"] = text_result("paid once");
      const auto outcome = s.resume();
      REQUIRE(outcome);
      CHECK(outcome->answer == "all paid");
      CHECK(s.observations() == std::vector<std::string>{"paid once"});
      CHECK(shop.calls.size() == 1);
    }
    SUBCASE("the server no longer knows it: a person decides, and a retry calls anew") {
      REQUIRE(s.resume()->state == RunState::kWaiting);
      CHECK(s.rows().back().kind == Kind::kToolUnknown);
      CHECK(shop.calls.size() == 1);
      shop.makes_tasks = false;
      REQUIRE(s.outside([&](Journal& journal, const std::string& run) {
        return resolve_call(journal, run, "step-1/call-1", Resolution::kRetry, "", "mika");
      }));
      CHECK(s.resume()->state == RunState::kDone);
      CHECK(shop.calls.size() == 2);
    }
  }

  TEST_CASE("only an unknown call can be resolved") {
    Situation s;
    die_in_call(s);
    const auto say = [&](const std::string& call) {
      return s.outside([&](Journal& journal, const std::string& run) {
        return resolve_call(journal, run, call, Resolution::kRetry, "", "mika");
      });
    };
    CHECK(say("step-9/call-1").error().code() == Code::kNotFound);
    CHECK(say("step-1/call-1").error().code() == Code::kInvalidArgument);
  }

  TEST_CASE("a read-only tool of a trusted server is simply asked again; of another server it is not") {
    for (const bool trusted : {true, false}) {
      CAPTURE(trusted);
      Situation s;
      auto& shop = s.tool("shop", "stock", [](Json) { return never_answer(); });
      shop.tools[0].annotations = mcp::ToolAnnotations{.read_only = true};
      s.use("shop").trusted = trusted;
      s.script.turns = {calls("shop__stock", Json::object())};
      s.run_killed_when([&] { return !shop.calls.empty(); });
      shop.tools[0].handler = answering("7 left");
      s.script.turns = {says("seven")};
      CHECK(s.resume()->state == (trusted ? RunState::kDone : RunState::kWaiting));
      CHECK(shop.calls.size() == (trusted ? 2 : 1));
    }
  }

  TEST_CASE("a tool that takes an idempotency key is retried with the same key, which the model never sees") {
    Situation s;
    const Json schema = {
        {"type", "object"},
        {"properties", {{"amount", {{"type", "integer"}}}, {"idempotency_key", {{"type", "string"}}}}},
        {"required", {"amount", "idempotency_key"}}};
    auto& shop = s.tool("shop", "pay", [](Json) { return never_answer(); }, schema);
    s.script.turns = {calls("shop__pay", {{"amount", 5}})};
    s.run_killed_when([&] { return !shop.calls.empty(); });
    shop.tools[0].handler = answering("paid");
    s.script.turns = {says("done")};
    CHECK(s.resume()->state == RunState::kDone);
    REQUIRE(shop.calls.size() == 2);
    CHECK(shop.calls[0] == shop.calls[1]);
    CHECK(shop.calls[0].second["idempotency_key"].get<std::string>().size() == 64);
    CHECK_FALSE(contains(s.script.requests[0].tools[0].input_schema.print(), "idempotency_key"));
  }

  TEST_CASE("of calls side by side, those with a result are kept and only the others are looked at") {
    Situation s;
    auto& maps = s.tool("maps", "geo", answering("here"));
    auto& shop = s.tool("shop", "pay", [](Json) { return never_answer(); });
    s.script.turns = {calls_all({{"maps__geo", Json::object()}, {"shop__pay", Json::object()}})};
    s.run_killed_when([&] { return !shop.calls.empty() && !s.told("tool_result").empty(); });
    CHECK(s.resume()->state == RunState::kWaiting);
    CHECK(maps.calls.size() == 1);
    CHECK(shop.calls.size() == 1);
    REQUIRE(s.outside([&](Journal& journal, const std::string& run) {
      return resolve_call(journal, run, "step-1/call-2", Resolution::kDone, "paid", "mika");
    }));
    s.script.turns = {says("done")};
    CHECK(s.resume()->state == RunState::kDone);
    CHECK(s.observations() == std::vector<std::string>{"here", "paid"});
    CHECK(maps.calls.size() == 1);
  }

  TEST_CASE("an interrupted model call is made again from the same prompt") {
    Situation s;
    FakeTurn hanging;
    hanging.hangs = true;
    s.script.turns = {hanging};
    s.file.sampling.logit_bias = {{271, -100}, {9, 0.1f}};
    s.file.stop = {"END"};
    s.run_killed_when([&] { return s.script.requests.size() == 1; });
    s.script.turns = {says("done")};
    CHECK(s.resume()->state == RunState::kDone);
    REQUIRE(s.script.prompts.size() == 2);
    CHECK(s.script.prompts[0].text == s.script.prompts[1].text);
    for (const auto& request : s.script.requests) {
      CHECK(request.sampling.logit_bias == s.file.sampling.logit_bias);
      CHECK(request.stop == s.file.stop);
    }
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT LEASE_TAKEN MODEL_INTENT MODEL_RESULT RUN_DONE");
    CHECK(s.rows()[3].attempt == 2);
  }

  TEST_CASE("a run that has ended can't be resumed") {
    Situation s;
    s.script.turns = {says("done")};
    REQUIRE(s.run());
    const auto outcome = s.resume();
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code() == Code::kInvalidArgument);
    CHECK(contains(outcome.error().message(), "done"));
  }

  TEST_CASE("a run whose tools have changed is not continued, and can be when they are back") {
    Situation s;
    resume_prepare(s);
    s.run_killed_at("tool_result", 1);
    auto old = s.servers["shop"].tools;
    s.servers["shop"].tools[0].input_schema = {{"type", "object"}, {"required", {"what"}}};
    const auto outcome = s.resume();
    REQUIRE_FALSE(outcome);
    CHECK(contains(outcome.error().message(), "tools are not those"));
    CHECK(s.servers.all_reaped() == false);  // The killed process reaped nothing; the resumed one did:
    CHECK(s.servers["shop"].connected == s.servers["shop"].shut_down + 1);
    s.servers["shop"].tools = old;
    CHECK(s.resume()->answer == "all ordered");
  }

  TEST_CASE("the budget counts what was spent before the process died, and not the time it was dead") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.file.budget.steps = 3;
    s.file.budget.seconds = 100;
    s.script.turns = {calls("maps__geo", {{"i", 1}}), calls("maps__geo", {{"i", 2}})};
    s.run_killed_at("tool_result", 1);
    s.clock.advance(1'000'000);
    s.script.turns.push_back(says("landed"));
    const auto outcome = s.resume();
    CHECK(outcome->state == RunState::kStopped);
    CHECK(outcome->answer == "landed");
    CHECK(outcome->totals->at("steps") == 3);
  }

  TEST_CASE("a secret written into the agent file is not kept, so such a run says why it can't go on") {
    Situation s;
    resume_prepare(s);
    s.use("shop").env = {{"SHOP_TOKEN", "s3cr3t-t0ken-value"}};
    s.run_killed_at("step_done", 1);
    const auto outcome = s.resume();
    REQUIRE_FALSE(outcome);
    CHECK(contains(outcome.error().text(), "${NAME}"));
  }
}

TEST_SUITE("agent/decisions") {
  TEST_CASE("a run that waits is cancelled at once, from anywhere") {
    Situation s;
    die_in_call(s);
    REQUIRE(s.resume()->state == RunState::kWaiting);
    const auto ended =
        s.outside([](Journal& journal, const std::string& run) { return cancel_run(journal, run, "mika"); });
    REQUIRE(ended);
    CHECK(*ended);
    CHECK(s.summary().state == RunState::kCancelled);
    CHECK_FALSE(s.resume());
  }

  TEST_CASE("a run that is being worked on is asked to end and does so before its next step") {
    Situation s;
    s.tool("maps", "geo", [&](Json) {
      s.clock.advance(2'000);
      s.outside([](Journal& journal, const std::string& run) { return cancel_run(journal, run, "mika"); });
      return answer_text("x");
    });
    s.script.turns = {calls("maps__geo", Json::object()), says("too late")};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.script.requests.size() == 1);
  }
}
