#include "planner/graph.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/json_schema.h"

using namespace tsukai;
using namespace tsukai::planner;

namespace {

using Ids = std::vector<std::string>;

Plan plan_of(const char* text) {
  auto plan = Plan::parse(*parse_json(text));
  REQUIRE_MESSAGE(plan, plan.error().text());
  return *plan;
}
Error fault_of(const char* text) {
  auto plan = Plan::parse(*parse_json(text));
  REQUIRE_FALSE(plan);
  return plan.error();
}

using States = std::map<std::string, StepState>;

// Open steps that may start.
Ids ready(const Plan& plan, const States& states) {
  Ids ids;
  for (const auto& step : plan.steps) {
    if (!states.contains(step.id) && readiness(plan, step, states).verdict == Readiness::Verdict::kStart)
      ids.push_back(step.id);
  }
  return ids;
}

const char* const kDiamond = R"({"steps": [
  {"id": "a", "tool": "geo"},
  {"id": "b", "tool": "weather", "arguments": {"at": "$a"}},
  {"id": "c", "tool": "around", "arguments": {"at": "near ${a.name}"}},
  {"id": "d", "tool": "write", "arguments": {"x": ["$b", {"y": "$c"}]}}]})";

}  // namespace

TEST_SUITE("planner/graph") {
  TEST_CASE("independent steps start at once, a diamond takes its critical path") {
    const auto plan = plan_of(kDiamond);
    States states;
    CHECK(ready(plan, states) == Ids{"a"});
    states["a"] = StepState::kDone;
    CHECK(ready(plan, states) == Ids{"b", "c"});
    states["c"] = StepState::kDone;
    CHECK(ready(plan, states) == Ids{"b"});
    states["b"] = StepState::kDone;
    CHECK(ready(plan, states) == Ids{"d"});
  }

  TEST_CASE("a failure spoils what depends on it and nothing else") {
    const auto plan = plan_of(kDiamond);
    const States states = {{"a", StepState::kDone}, {"b", StepState::kFailed}};
    CHECK(ready(plan, states) == Ids{"c"});
    const auto last = readiness(plan, *plan.find("d"), states);
    CHECK(last.verdict == Readiness::Verdict::kSpoiled);
    CHECK(last.why == "it needs step b, which failed");
  }

  TEST_CASE("a skipped step counts as done for what only follows it, and spoils what uses its result") {
    const auto plan = plan_of(
        R"({"steps": [{"id": "a", "tool": "x"}, {"id": "b", "tool": "y", "needs": ["a"]},
                      {"id": "c", "prompt": "what is ${a}?"}]})");
    const States states = {{"a", StepState::kSkipped}};
    CHECK(ready(plan, states) == Ids{"b"});
    CHECK(readiness(plan, *plan.find("c"), states).why == "it uses the result of step a, which was skipped");
  }

  TEST_CASE("needs order steps that share no data") {
    const auto plan =
        plan_of(R"({"steps": [{"id": "2", "tool": "x", "needs": ["1"]}, {"id": "1", "tool": "y"}]})");
    CHECK(ready(plan, {}) == Ids{"1"});
    CHECK(ready(plan, {{"1", StepState::kDone}}) == Ids{"2"});
  }

  TEST_CASE("a later plan may use results of an earlier one") {
    const auto json = *parse_json(R"({"steps": [{"id": "b", "tool": "x", "arguments": {"v": "$a.name"}}]})");
    CHECK_FALSE(Plan::parse(json));
    const auto plan = Plan::parse(json, {"a"});
    REQUIRE(plan);
    CHECK(ready(*plan, {}) == Ids{"b"});
    CHECK(plan->tree() == "b x {\"v\":\"$a.name\"}\n");
  }

  TEST_CASE("the schema of a plan holds each tool's own arguments, or a reference in their place") {
    const std::vector<infer::ToolDefinition> tools = {
        {"maps__geo", "",
         Json{{"type", "object"}, {"properties", {{"n", {{"type", "integer"}}}}}, {"required", {"n"}}}}};
    const auto schema = JsonSchema::compile(plan_schema(tools));
    REQUIRE(schema);
    const auto faults = [&](const char* text) { return schema->check(*parse_json(text)).size(); };
    CHECK(faults(R"({"steps": [{"id": "a", "tool": "maps__geo", "arguments": {"n": 3}}]})") == 0);
    CHECK(faults(R"({"steps": [{"id": "a", "tool": "maps__geo", "arguments": {"n": "$b.count"}}]})") == 0);
    CHECK(faults(R"({"steps": [{"tool": "maps__geo", "arguments": {"n": 3}}]})") == 0);
    CHECK(faults(R"({"steps": [{"id": "a", "tool": "maps__geo", "arguments": {"n": "three"}}]})") > 0);
    CHECK(faults(R"({"steps": [{"id": "a", "tool": "maps__go", "arguments": {"n": 3}}]})") > 0);
    CHECK(faults(R"({"steps": []})") > 0);
  }

  TEST_CASE("a step without an id has its number") {
    const auto plan = Plan::parse(*parse_json(R"({"steps": [{"tool": "x"}, {"id": "b", "tool": "x"},
                                  {"tool": "x", "arguments": {"v": "$1", "w": "${b} and ${1}"}}]})"));
    REQUIRE(plan);
    CHECK(plan->steps[0].id == "1");
    CHECK(plan->steps[2].id == "3");
    CHECK(plan->inputs(plan->steps[2]) == Ids{"1", "b"});
  }

  TEST_CASE("references become the results they name: whole, by member, within a text") {
    const std::map<std::string, std::string> results = {{"geo", R"({"at": [1, 2], "name": "gate"})"},
                                                        {"t", "plain text"}};
    const Json arguments = *parse_json(
        R"({"a": "$geo", "b": "$geo.at.1", "c": "the ${geo.name}!", "d": ["$t"], "e": "costs $5 or $$x", "f": "${t}"})");
    const auto done = substitute(arguments, results);
    REQUIRE(done);
    CHECK((*done)["a"]["name"] == "gate");
    CHECK((*done)["b"] == 2);
    CHECK((*done)["c"] == "the gate!");
    CHECK((*done)["d"][0] == "plain text");
    CHECK((*done)["e"] == "costs $5 or $x");
    CHECK((*done)["f"] == "plain text");
  }

  TEST_CASE("a member that a result does not have is named") {
    const auto done = substitute({{"a", "$geo.nowhere"}}, {{"geo", "{}"}});
    REQUIRE_FALSE(done);
    CHECK(done.error().message() == "the result of step geo has no nowhere");
  }

  TEST_CASE("mistakes in a plan name the step and what is wrong") {
    CHECK(fault_of(
              R"({"steps": [{"id": "a", "tool": "x", "arguments": {"v": "$bb"}}, {"id": "b", "tool": "x"}]})")
              .text() == "plan step a: there is no step bb; did you mean b?");
    CHECK(fault_of(R"({"steps": [{"id": "a", "tool": "x"}, {"id": "a", "tool": "x"}]})").message() ==
          "plan step a: there are two steps with this id");
    CHECK(fault_of(R"({"steps": [{"id": "a"}]})").message() == "plan step a: it names no tool");
    CHECK(fault_of(R"({"steps": [{"id": "a b", "tool": "x"}]})").message() ==
          "plan step a b: an id is letters, digits, _ and -");
    CHECK(
        fault_of(
            R"({"steps": [{"id": "a", "tool": "x", "needs": ["b"]}, {"id": "b", "tool": "x", "arguments": {"v": "$a"}}]})")
            .message() == "the plan goes in a circle: a, b wait for each other");
    CHECK(fault_of("[]").message() == "a plan has a list of steps");
  }

  TEST_CASE("a plan prints as a tree and as Mermaid, and comes back from its JSON") {
    const auto plan = plan_of(kDiamond);
    CHECK(plan.tree() ==
          "a geo {}\n"
          "├ b weather {\"at\":\"$a\"}\n"
          "└ c around {\"at\":\"near ${a.name}\"}\n"
          "  └ d write {\"x\":[\"$b\",{\"y\":\"$c\"}]}  (after b, c)\n");
    CHECK(plan.mermaid().find("  s_b --> s_d\n") != std::string::npos);
    CHECK(Plan::parse(plan.json())->json() == plan.json());
  }

  TEST_CASE("steps are drawn under what they wait for, wherever they were written") {
    const auto plan = plan_of(R"({"steps": [
      {"id": "late", "tool": "x", "arguments": {"v": "$b"}}, {"id": "a", "tool": "x"}, {"id": "b", "tool": "x"},
      {"id": "a2", "tool": "x", "needs": ["a"]}, {"id": "deep", "tool": "x", "needs": ["a2"]}, {"id": "a3", "tool": "x", "needs": ["a"]}]})");
    CHECK(plan.tree() ==
          "a x {}\n"
          "├ a2 x {}\n"
          "│ └ deep x {}\n"
          "└ a3 x {}\n"
          "b x {}\n"
          "└ late x {\"v\":\"$b\"}\n");
  }

  TEST_CASE("a plan that is not whole yet, or goes in a circle, can be drawn as well") {
    Plan plan;
    for (const auto* text :
         {R"({"id": "a", "tool": "x", "needs": ["b"]})", R"({"id": "b", "tool": "x", "needs": ["a"]})",
          R"({"id": "c", "tool": "x", "arguments": {"v": "$nobody"}})"})
      plan.steps.push_back(*parse_plan_step(*parse_json(text), 1));
    CHECK(plan.tree() == "a x {}\nb x {}\nc x {\"v\":\"$nobody\"}\n");
    CHECK(plan.circle() == Ids{"a", "b"});
    CHECK(plan.missing(plan.steps[2]) == Ids{"nobody"});
  }

  TEST_CASE("steps without an id are numbered, and ids may be numbers") {
    const auto plan = plan_of(R"({"steps": [{"tool": "x"}, {"tool": "y", "arguments": {"v": "$1"}}]})");
    CHECK(plan.inputs(plan.steps[1]) == Ids{"1"});
  }
}
