#include "planner/plan_stream.h"

#include <nlohmann/json.hpp>

namespace tsukai::planner {
namespace {

constexpr std::size_t kNameBytesMax = 64;

bool blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

std::vector<PlanStep> PlanStream::feed(std::string_view piece) {
  std::vector<PlanStep> complete;
  for (std::size_t i = 0; i < piece.size() && state_ != State::kOver; ++i) take(piece[i], complete);
  return complete;
}

void PlanStream::take(char c, std::vector<PlanStep>& complete) {
  switch (state_) {
    case State::kStart:
      if (!blank(c)) state_ = c == '{' ? State::kKey : State::kOver;
      return;
    case State::kKey:
      if (blank(c)) return;
      name_.clear();
      state_ = c == '"' ? State::kName : State::kOver;
      return;
    case State::kName:
      if (c == '"') {
        state_ = parse_json("\"" + name_ + "\"") ? State::kColon : State::kOver;
      } else if (c == '\\' || name_.size() >= kNameBytesMax) {
        state_ = State::kOver;  // No name of a plan's member needs that.
      } else {
        name_ += c;
      }
      return;
    case State::kColon:
      if (blank(c)) return;
      state_ = c != ':' ? State::kOver : name_ == "steps" ? State::kList : State::kOther;
      depth_ = 0;
      value_.clear();
      return;
    case State::kOther:
      if (in_string_ || depth_ > 0 || (c != ',' && c != '}'))
        nest(c);
      else
        state_ = c == ',' && value_at("{\"a\":", "}") ? State::kKey : State::kOver;
      return;
    case State::kList:
      if (!blank(c)) state_ = c == '[' ? State::kElement : State::kOver;
      return;
    case State::kElement:
      if (blank(c)) return;
      state_ = c == '{' ? State::kStep : State::kOver;
      value_.clear();
      if (state_ == State::kStep) nest(c);
      return;
    case State::kComma:  // The end of the list is the end of what is wanted.
      if (!blank(c)) state_ = c == ',' ? State::kElement : State::kOver;
      return;
    case State::kStep:
      nest(c);
      if (state_ == State::kStep && depth_ == 0) finish_step(complete);
      return;
    case State::kOver:
      return;
  }
}

void PlanStream::nest(char c) {
  value_ += c;
  if (value_.size() > kPlanStepBytesMax) state_ = State::kOver;
  if (in_string_) {
    if (escaped_)
      escaped_ = false;
    else if (c == '\\')
      escaped_ = true;
    else if (c == '"')
      in_string_ = false;
    return;
  }
  if (c == '"') in_string_ = true;
  if (c == '{' || c == '[') ++depth_;
  if (c != '}' && c != ']') return;
  if (depth_ == 0)
    state_ = State::kOver;
  else
    --depth_;
}

Result<Json> PlanStream::value_at(std::string_view before, std::string_view behind) const {
  return parse_json(std::string(before) + value_ + std::string(behind));
}

void PlanStream::finish_step(std::vector<PlanStep>& complete) {
  state_ = State::kOver;
  const auto json = value_at("{\"steps\":[", "]}");
  if (!json || ids_.size() >= kPlanStepsMax) return;
  auto step = parse_plan_step(json->at("steps").at(0), ids_.size() + 1);
  if (!step || !ids_.insert(step->id).second) return;
  complete.push_back(*std::move(step));
  state_ = State::kComma;
}

}  // namespace tsukai::planner
