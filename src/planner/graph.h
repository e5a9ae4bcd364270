// A plan as a value: steps that call tools, with `$n` references to the results of others. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "infer/model.h"

namespace tsukai::planner {

inline constexpr std::size_t kPlanStepsMax = 64;
inline constexpr std::size_t kPlanIdBytesMax = 64;

// One step. In `arguments`, a string "$id" stands for the whole result of step `id`, "$id.a.b" for a member
// of it when it is JSON, and "${id}" or "${id.a}" inside a longer string for its text. "$$" is a dollar sign.
struct PlanStep {
  std::string id;    // "1", "geo": letters, digits, '_' and '-'
  std::string tool;  // As the model knows it; empty for a question.
  JsonValue arguments;
  std::string prompt;              // A question to the model, references as in arguments, instead of a tool.
  std::vector<std::string> needs;  // Beyond those its arguments name.
  std::string when;                // A condition over the results by id; whoever runs the plan evaluates it.
};

struct Plan {
  std::vector<PlanStep> steps;

  // {"steps": [{"id", "tool" or "prompt", "arguments", "needs", "when"}]}. kInvalidArgument names the step
  // and the mistake: an unknown or repeated id, a reference to nothing, a circle (with its members), more
  // than kPlanStepsMax. `known`: ids of earlier plans whose results may be referred to as well.
  static Result<Plan> parse(const Json& json, const std::set<std::string>& known = {});
  Json json() const;

  const PlanStep* find(const std::string& id) const;
  // Ids of the steps of this plan that `step` waits for: its needs and references, in order, once each.
  std::vector<std::string> inputs(const PlanStep& step) const;
  // Ids that `step` needs or refers to and this plan does not have: results of earlier plans, or steps that
  // are yet to be written.
  std::vector<std::string> missing(const PlanStep& step) const;
  // The steps that could never start because they wait for each other; empty in every parsed plan.
  std::vector<std::string> circle() const;
  // The order in which steps are drawn: each under the deepest of those it waits for, the last of them where
  // there are several. Steps in a circle come last, under nothing.
  struct Line {
    std::size_t step = 0;  // Index into `steps`.
    std::string branch;    // "│ └ ": what is drawn before it; empty at the root.
  };
  std::vector<Line> lines() const;
  // One line a step, in that order.
  std::string tree() const;
  // A Mermaid flowchart.
  std::string mermaid() const;
};

// One step of a plan; `number` is its place, from 1, and its id where it has none. What it refers to is not
// looked at. kInvalidArgument as of Plan::parse.
Result<PlanStep> parse_plan_step(const Json& json, std::size_t number);
Json plan_step_json(const PlanStep& step);

// The arguments with every reference replaced. kNotFound names a member that a result does not have.
Result<Json> substitute(const Json& arguments, const std::map<std::string, std::string>& results);

// What has become of a step.
enum class StepState {
  kOpen,
  kDone,     // It has a result.
  kSkipped,  // Its condition did not hold: for steps that only need it in their order it counts as done.
  kFailed,   // Or could not be begun, because of one that failed.
};

// What may be done with an open step now.
struct Readiness {
  enum class Verdict { kWait, kStart, kSpoiled } verdict = Verdict::kWait;
  std::string why;  // Spoiled: by what.
};

// A step starts as soon as its inputs are there; a failure spoils what depends on it and nothing else.
Readiness readiness(const Plan& plan, const PlanStep& step, const std::map<std::string, StepState>& states);

// The JSON Schema of a plan over these tools, for a model that writes one: per tool its own arguments, where
// a value may also be a reference to another step's result.
Json plan_schema(const std::vector<infer::ToolDefinition>& tools);

}  // namespace tsukai::planner
