// A plan while it is being written: gives each step as soon as its last byte is there. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "planner/graph.h"

namespace tsukai::planner {

// Of one step's JSON, or of another member's value; a longer one is left to the whole plan.
inline constexpr std::size_t kPlanStepBytesMax = 64 * 1024;

// Reads {"steps": [{...}, ...]} piece by piece, cut anywhere. What can't be the beginning of a plan ends the
// stream without a word: whoever reads the whole plan says what is wrong with it. So does a step that is no
// step or repeats an id: what was given up to any point, closed by "]}", is JSON with exactly these steps.
// Names with escapes are left to the whole plan. Memory: one step's bytes and the ids.
class PlanStream {
 public:
  // The steps that this piece completes, in the order of the plan, each with an id of its own.
  std::vector<PlanStep> feed(std::string_view piece);
  // How many were given so far.
  std::size_t given() const { return ids_.size(); }

 private:
  enum class State {
    kStart,    // Before the plan's brace.
    kKey,      // Before a member's name.
    kName,     // In a member's name.
    kColon,    // After it.
    kOther,    // In the value of a member that is not the steps.
    kList,     // Before the bracket of the steps.
    kElement,  // Before a step.
    kComma,    // After a step.
    kStep,     // In a step.
    kOver,     // Nothing more is given.
  };
  void take(char c, std::vector<PlanStep>& complete);
  // Takes a byte of a value, and keeps count of its strings and brackets. REQUIRES: state_ is kOther or
  // kStep.
  void nest(char c);
  // The value as JSON, as deep as it stands in the plan.
  Result<Json> value_at(std::string_view before, std::string_view behind) const;
  void finish_step(std::vector<PlanStep>& complete);

  State state_ = State::kStart;
  std::string name_, value_;  // Of the member or step that is being read.
  bool in_string_ = false, escaped_ = false;
  std::size_t depth_ = 0;
  std::set<std::string> ids_;
};

}  // namespace tsukai::planner
