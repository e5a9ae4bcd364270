// The plans of a run as trees, with what has become of each step.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/journal.h"
#include "planner/graph.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {

// One plan. Steps are known by their ids in the plan.
class PlanTree {
 public:
  enum class State { kOpen, kRunning, kDone, kFailed, kNotDone };
  using Paint = std::function<std::string(Style, std::string_view)>;

  // A step, or all steps, as {"id", "tool", "arguments", ...}; what is known of them already stays.
  void add(const Json& step);
  void begin(const std::string& id);
  // `outcome` as of the event tool_result.
  void end(const std::string& id, const std::string& outcome, std::string text, std::int64_t ms);

  bool has(const std::string& id) const { return plan_.find(id) != nullptr; }
  std::size_t size() const { return plan_.steps.size(); }
  // Of its steps, those that are over.
  std::size_t over() const;
  // One line a step, at most `cells` wide (0: as wide as it is), styles not counted.
  std::vector<std::string> lines(std::size_t cells, const Paint& paint) const;
  const planner::Plan& plan() const { return plan_; }

 private:
  struct Known {
    State state = State::kOpen;
    std::string text;
    std::int64_t ms = 0;
  };
  planner::Plan plan_;
  std::map<std::string, Known> known_;
};

// All plans of a run in order, by the key of the call that made each ("step-1/call-1").
std::vector<std::pair<std::string, PlanTree>> plans_of(const std::vector<agent::Row>& rows);

}  // namespace tsukai::cli
