// A plan as a value: steps that call tools, with `$n` references to the results of others. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tsukai::planner {

inline constexpr std::size_t kPlanStepsMax = 64;

// One step. In `arguments`, a string "$id" stands for the whole result of step `id`, "$id.a.b" for a member
// of it when it is JSON, and "${id}" or "${id.a}" inside a longer string for its text. "$$" is a dollar sign.
struct PlanStep {
  std::string id;    // "1", "geo": letters, digits, '_' and '-'
  std::string tool;  // As the model knows it.
  JsonValue arguments;
  std::vector<std::string> needs;  // Beyond those its arguments name.
};

struct Plan {
  std::vector<PlanStep> steps;

  // {"steps": [{"id", "tool", "arguments", "needs"}]}. kInvalidArgument names the step and the mistake: an
  // unknown or repeated id, a reference to nothing, a circle (with its members), more than kPlanStepsMax.
  static Result<Plan> parse(const Json& json);
  Json json() const;

  // Ids of the steps that `step` waits for: its needs and references, in order, once each.
  std::vector<std::string> inputs(const PlanStep& step) const;
  // One line a step, indented under the last step it waits for.
  std::string tree() const;
  // A Mermaid flowchart.
  std::string mermaid() const;
};

// The arguments with every reference replaced. kNotFound names a member that a result does not have.
Result<Json> substitute(const Json& arguments, const std::map<std::string, std::string>& results);

// Which steps may run now. Starts each step as soon as its inputs are there; a failure spoils what depends on
// it and nothing else.
class PlanScheduler {
 public:
  explicit PlanScheduler(Plan plan);

  // Steps to start now, in the order of the plan; each is given once.
  std::vector<std::string> ready();
  void finish(const std::string& id, std::string result);
  void fail(const std::string& id, std::string reason);

  bool running() const { return !running_.empty(); }
  // Nothing runs and nothing can start.
  bool over() const;
  const Plan& plan() const { return plan_; }
  const PlanStep& step(const std::string& id) const;
  const std::map<std::string, std::string>& results() const { return results_; }
  const std::map<std::string, std::string>& failures() const { return failures_; }
  // Never started, because something they need failed.
  std::vector<std::string> spoiled() const;

 private:
  Plan plan_;
  std::set<std::string> started_, running_;
  std::map<std::string, std::string> results_, failures_;
};

}  // namespace tsukai::planner
