// Tools that come while a run goes on, where the model plans, where the file has the steps, and where several
// runs use one connection.
#include <doctest/doctest.h>

#include "agent/progress.h"
#include "agent/support/learning.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

Json plan_of(std::vector<Json> steps) { return {{"steps", std::move(steps)}}; }
Json call_step(const std::string& id, const std::string& tool, Json arguments = Json::object()) {
  return {{"id", id}, {"tool", tool}, {"arguments", std::move(arguments)}};
}

// Plans to learn, then plans with what was learnt.
struct PlanningPupil : Learning {
  explicit PlanningPupil(Planner planner = Planner::kPlan) {
    s.file.planner = planner;
    s.script.turns = {calls("plan", plan_of({call_step("a", "docs__learn")})),
                      calls("plan", plan_of({call_step("b", "docs__dance", {{"after", "$a"}})})),
                      says("done")};
  }
};

const infer::ToolDefinition& plan_offered(const infer::ChatRequest& request) {
  const auto found = std::find_if(request.tools.begin(), request.tools.end(),
                                  [](const auto& tool) { return tool.name == kPlanTool; });
  REQUIRE(found != request.tools.end());
  return *found;
}

bool may_plan(const infer::ChatRequest& request, const std::string& tool) {
  const auto callable = infer::callable_tools(request);
  return std::any_of(callable.begin(), callable.end(), [&](const auto& each) {
    return each.name == kPlanTool && contains(each.input_schema.print(), "\"" + tool + "\"");
  });
}

std::vector<Json> told_of_tools(const std::vector<Row>& rows) {
  std::vector<Json> found;
  for (const auto& row : rows) {
    if (row.kind == Kind::kSignal && string_at(*row.payload, "name") == kToolsSignal)
      found.push_back(row.payload->at("payload"));
  }
  return found;
}

}  // namespace

TEST_SUITE("agent/arrivals_elsewhere") {
  TEST_CASE("a model that plans is told of a new tool before it plans again, and may plan with it then") {
    PlanningPupil pupil;
    const auto outcome = pupil.s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    const auto& requests = pupil.s.script.requests;
    REQUIRE(requests.size() == 3);
    CHECK_FALSE(may_plan(requests[0], "docs__dance"));
    CHECK(may_plan(requests[1], "docs__dance"));
    CHECK(may_plan(requests[1], "docs__learn"));
    // What the prompt says of plans stands; the news comes at its end.
    CHECK(plan_offered(requests[1]).input_schema.print() == plan_offered(requests[0]).input_schema.print());
    CHECK(requests[1].messages.back().text ==
          "There is a new tool, which can be used in a plan now:\n"
          R"({"description":"Dances.","name":"docs__dance","parameters":{"type":"object"}})");
    // It can't be called but through a plan.
    CHECK(infer::callable_tools(requests[1]).size() == 1);
    for (std::size_t i = 1; i < pupil.s.script.prompts.size(); ++i)
      CHECK(pupil.s.script.prompts[i].text.starts_with(pupil.s.script.prompts[i - 1].text));
    CHECK(outcome->totals->at("tokens_recomputed") == 0);
    REQUIRE(pupil.s.servers["docs"].calls.size() == 2);
    CHECK(pupil.s.servers["docs"].calls[1].second == Json{{"after", "learned"}});
    pupil.check_all_the_same();
  }

  TEST_CASE("a provider, which takes what its list holds alone, is sent the plan's tool with the new step") {
    PlanningPupil pupil;
    pupil.s.script.architecture = "remote";
    const auto outcome = pupil.s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    const auto& requests = pupil.s.script.requests;
    CHECK_FALSE(contains(plan_offered(requests[0]).input_schema.print(), "docs__dance"));
    CHECK(contains(plan_offered(requests[1]).input_schema.print(), "docs__dance"));
    CHECK(requests[1].tools.back().name == kPlanTool);
    pupil.check_all_the_same();
  }

  TEST_CASE("where a model may plan or call, a new tool is there for both") {
    for (const bool plans : {true, false}) {
      PlanningPupil pupil(Planner::kAuto);
      if (!plans) pupil.s.script.turns[1] = calls("docs__dance", Json::object());
      const auto outcome = pupil.s.run();
      REQUIRE(outcome);
      CHECK(outcome->answer == "done");
      const auto& told = pupil.s.script.requests[1];
      CHECK(may_plan(told, "docs__dance"));
      CHECK(infer::callable_tools(told).back().name == "docs__dance");
      CHECK(contains(told.messages.back().text, "which can be called or used in a plan now:"));
      CHECK(contains(pupil.s.observations().back(), "danced"));
      pupil.check_all_the_same();
    }
  }

  TEST_CASE(
      "a planning run that was killed after the news goes on with the same bytes, and a fork has them") {
    for (const auto* at : {"step_started", "step_done"}) {
      CAPTURE(at);
      PlanningPupil whole, cut;
      REQUIRE(whole.s.run());
      cut.s.run_killed_at(at, 2);
      const auto outcome = cut.s.resume();
      REQUIRE_MESSAGE(outcome, outcome.error().text());
      CHECK(outcome->answer == "done");
      CHECK(cut.s.script.prompts.back().text == whole.s.script.prompts.back().text);
      cut.check_all_the_same();

      whole.s.script.turns = {calls("plan", plan_of({call_step("c", "docs__dance", {{"again", true}})})),
                              says("danced twice")};
      const auto forked = await(fork_run("last", 0, "once more", whole.s.options(), whole.s.open_model()));
      REQUIRE_MESSAGE(forked, forked.error().text());
      CHECK(forked->answer == "danced twice");
      CHECK(may_plan(whole.s.script.requests.back(), "docs__dance"));
      whole.check_all_the_same();
    }
  }

  TEST_CASE("where tools are found first, one that came later can be planned with unsought") {
    PlanningPupil pupil;
    pupil.s.file.tools_shown = 1;
    pupil.s.script.turns.push_front(calls("find_tools", {{"query", "learn"}}));
    const auto outcome = pupil.s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    const auto& requests = pupil.s.script.requests;
    CHECK_FALSE(may_plan(requests[1], "docs__dance"));
    CHECK(may_plan(requests[2], "docs__dance"));
    CHECK(contains(pupil.s.observations().back(), "danced"));
    pupil.check_all_the_same();
  }

  TEST_CASE("a step of the file may call a tool that comes while the steps before it are made") {
    Learning l;
    l.s.file.steps = plan_of({call_step("a", "docs__learn"),
                              {{"id", "q"}, {"prompt", "How? ${a}"}},
                              call_step("b", "docs__dance", {{"how", "$q"}})});
    l.s.script.turns = {says("gracefully")};
    const auto outcome = l.s.run();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kDone);
    CHECK(outcome->answer == "danced");
    REQUIRE(l.s.servers["docs"].calls.size() == 2);
    CHECK(l.s.servers["docs"].calls[1].second == Json{{"how", "gracefully"}});
    // A question within is asked without tools, as ever.
    REQUIRE(l.s.script.requests.size() == 1);
    CHECK(l.s.script.requests[0].messages.back().text == "How? learned");
    CHECK(l.s.script.requests[0].told_tools.empty());
    const auto told = told_of_tools(l.s.rows());
    REQUIRE(told.size() == 1);
    CHECK(string_at(told[0], "before") == "step-1/call-1/b");
    l.check_all_the_same();
  }

  TEST_CASE("steps of the file that were killed at a new tool go on with it") {
    for (const auto* at : {"tool_result", "tool_call"}) {
      CAPTURE(at);
      Learning l;
      l.s.use("docs").trusted = true;
      l.dance_hints = mcp::ToolAnnotations{.read_only = true};
      l.s.file.steps =
          plan_of({call_step("a", "docs__learn"), call_step("b", "docs__dance", {{"after", "$a"}})});
      l.s.run_killed_at(at, std::string(at) == "tool_result" ? 1 : 2);
      const auto outcome = l.s.resume();
      REQUIRE_MESSAGE(outcome, outcome.error().text());
      CHECK(outcome->answer == "danced");
      const auto& made = l.s.servers["docs"].calls;
      CHECK(std::count_if(made.begin(), made.end(), [](const auto& call) { return call.first == "learn"; }) ==
            1);
      CHECK(told_of_tools(l.s.rows()).size() == 1);
      l.check_all_the_same();
    }
  }

  TEST_CASE("a tool that never came is no tool for a step either") {
    Learning l;
    l.s.file.steps = plan_of({call_step("b", "docs__dance")});
    const auto outcome = l.s.run();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kFailed);
    CHECK(contains(outcome->reason, "there is no tool docs__dance"));
    CHECK(told_of_tools(l.s.rows()).empty());
  }

  TEST_CASE("every run that uses a shared connection is told of what is new, in its own journal") {
    Learning l;
    const auto loaded = agent_file_from(
        {{"model", "fake.gguf"},
         {"agents",
          {{"pupil",
            {{"description", "Learns."}, {"agent", {{"servers", {{"docs", {{"command", "docs"}}}}}}}}}}}},
        "");
    REQUIRE_MESSAGE(loaded, loaded.error().text());
    l.s.file.agents = loaded->agents;
    l.s.script.turns = {calls("agents__pupil", {{"task", "learn"}}), calls("docs__learn", Json::object()),
                        calls("docs__dance", {{"who", "pupil"}}),    says("learned to dance"),
                        calls("docs__dance", {{"who", "parent"}}),   says("done")};
    const auto outcome = l.s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(l.s.servers["docs"].connected == 1);
    const auto& made = l.s.servers["docs"].calls;
    REQUIRE(made.size() == 3);
    CHECK(made[1].second == Json{{"who", "pupil"}});
    CHECK(made[2].second == Json{{"who", "parent"}});
    const auto children = l.s.children();
    REQUIRE(children.size() == 1);
    const auto own = l.s.rows(children[0].run.id);
    for (const auto& rows : {l.s.rows(), own}) {
      REQUIRE(told_of_tools(rows).size() == 1);
      CHECK(told_of_tools(rows)[0]["tools"][0]["tool"] == "docs.dance");
      const auto replayed = await(replay_run(rows, nullptr));
      REQUIRE(replayed);
      CHECK(replayed->differences.empty());
    }
    l.check_all_the_same();
  }

  TEST_CASE("a run that has ended hears no more of the servers it shared") {
    Learning l;
    const auto loaded = agent_file_from(
        {{"model", "fake.gguf"},
         {"agents",
          {{"pupil",
            {{"description", "Looks."}, {"agent", {{"servers", {{"docs", {{"command", "docs"}}}}}}}}}}}},
        "");
    REQUIRE(loaded);
    l.s.file.agents = loaded->agents;
    l.s.script.turns = {calls("agents__pupil", {{"task", "look"}}), says("seen"),
                        calls("docs__learn", Json::object()), calls("docs__dance", Json::object()),
                        says("done")};
    const auto outcome = l.s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(told_of_tools(l.s.rows()).size() == 1);
    CHECK(told_of_tools(l.s.rows(l.s.children().at(0).run.id)).empty());
    CHECK(l.s.servers.all_reaped());
  }
}
