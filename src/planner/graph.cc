#include "planner/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.h"

namespace tsukai::planner {
namespace {

bool id_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// "geo.location.0" is step geo, members location and 0.
struct Reference {
  std::string id;
  std::vector<std::string> members;
};

Reference reference_of(std::string_view text) {
  auto parts = split(text, '.');
  Reference reference{parts.empty() ? std::string() : parts.front(), {}};
  for (std::size_t i = 1; i < parts.size(); ++i) reference.members.push_back(parts[i]);
  return reference;
}

// The length of a name with members at the start of `text`: "geo.x, more" has 5.
std::size_t name_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() &&
         (id_letter(text[length]) ||
          (text[length] == '.' && length > 0 && length + 1 < text.size() && id_letter(text[length + 1])))) {
    ++length;
  }
  return length;
}

// Calls `found` with each reference in a string; a whole-string reference has `whole` set. Gives the string
// with what `found` answered in place of the references.
Result<Json> replace_in(const std::string& text,
                        const std::function<Result<Json>(const Reference&, bool whole)>& found) {
  if (text.size() > 1 && text[0] == '$' && name_length(std::string_view(text).substr(1)) == text.size() - 1) {
    return found(reference_of(std::string_view(text).substr(1)), true);
  }
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '$' || at + 1 == text.size()) {
      out += text[at++];
      continue;
    }
    if (text[at + 1] == '$') {
      out += '$';
      at += 2;
      continue;
    }
    const auto length = text[at + 1] == '{' ? name_length(std::string_view(text).substr(at + 2)) : 0;
    if (length == 0 || at + 2 + length >= text.size() || text[at + 2 + length] != '}') {
      out += text[at++];
      continue;
    }
    TSUKAI_TRY(const auto value, found(reference_of(std::string_view(text).substr(at + 2, length)), false));
    out += value.is_string() ? value.get<std::string>() : print_json(value);
    at += length + 3;
  }
  return Json(out);
}

Result<Json> walk(const Json& value, const std::function<Result<Json>(const Reference&, bool)>& found) {
  if (value.is_string()) return replace_in(value.get<std::string>(), found);
  if (!value.is_structured()) return value;
  Json out = value;
  for (auto& [key, member] : out.items()) {
    TSUKAI_TRY(member, walk(member, found));
  }
  return out;
}

std::vector<std::string> referenced(const Json& arguments) {
  std::vector<std::string> ids;
  (void)walk(arguments, [&](const Reference& reference, bool) -> Result<Json> {
    ids.push_back(reference.id);
    return Json();
  });
  return ids;
}

// The members of a circle among the steps that could never start; empty: there is none.
std::vector<std::string> circle(const Plan& plan) {
  std::set<std::string> done;
  for (bool more = true; more;) {
    more = false;
    for (const auto& step : plan.steps) {
      const auto inputs = plan.inputs(step);
      if (done.contains(step.id)) continue;
      if (std::all_of(inputs.begin(), inputs.end(), [&](const auto& id) { return done.contains(id); })) {
        done.insert(step.id);
        more = true;
      }
    }
  }
  std::vector<std::string> stuck;
  for (const auto& step : plan.steps) {
    if (!done.contains(step.id)) stuck.push_back(step.id);
  }
  return stuck;
}

Result<PlanStep> parse_step(const Json& json, std::size_t number) {
  PlanStep step{string_at(json, "id", std::to_string(number)), string_at(json, "tool"), Json::object(), {}};
  const auto fault = [&](const std::string& what) {
    return fail(Code::kInvalidArgument, fmt::format("plan step {}: {}", step.id, what));
  };
  if (step.id.empty() || !std::all_of(step.id.begin(), step.id.end(), id_letter)) {
    return fault("an id is letters, digits, _ and -");
  }
  if (step.tool.empty()) return fault("it names no tool");
  if (const auto* arguments = find(json, "arguments")) {
    if (!arguments->is_object()) return fault("its arguments are no object");
    step.arguments = *arguments;
  }
  if (const auto* needs = find(json, "needs")) {
    if (!needs->is_array()) return fault("its needs are no list of ids");
    for (const auto& need : *needs) {
      if (!need.is_string()) return fault("its needs are no list of ids");
      step.needs.push_back(need.get<std::string>());
    }
  }
  return step;
}

}  // namespace

Result<Plan> Plan::parse(const Json& json) {
  const auto* steps = find(json, "steps");
  if (steps == nullptr || !steps->is_array())
    return fail(Code::kInvalidArgument, "a plan has a list of steps");
  if (steps->size() > kPlanStepsMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("a plan has at most {} steps, not {}", kPlanStepsMax, steps->size()));
  }
  Plan plan;
  std::vector<std::string> ids;
  for (const auto& each : *steps) {
    TSUKAI_TRY(auto step, parse_step(each, plan.steps.size() + 1));
    if (std::find(ids.begin(), ids.end(), step.id) != ids.end()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("plan step {}: there are two steps with this id", step.id));
    }
    ids.push_back(step.id);
    plan.steps.push_back(std::move(step));
  }
  for (const auto& step : plan.steps) {
    for (const auto& id : plan.inputs(step)) {
      if (std::find(ids.begin(), ids.end(), id) != ids.end()) continue;
      const auto nearest = nearest_name(id, ids);
      return fail(Code::kInvalidArgument, fmt::format("plan step {}: there is no step {}", step.id, id),
                  nearest.empty() ? "" : fmt::format("did you mean {}?", nearest));
    }
  }
  if (const auto stuck = circle(plan); !stuck.empty()) {
    return fail(Code::kInvalidArgument,
                fmt::format("the plan goes in a circle: {} wait for each other", fmt::join(stuck, ", ")));
  }
  return plan;
}

Json Plan::json() const {
  Json list = Json::array();
  for (const auto& step : steps) {
    Json json = {{"id", step.id}, {"tool", step.tool}, {"arguments", *step.arguments}};
    if (!step.needs.empty()) json["needs"] = step.needs;
    list.push_back(std::move(json));
  }
  return {{"steps", list}};
}

std::vector<std::string> Plan::inputs(const PlanStep& step) const {
  auto ids = step.needs;
  for (auto& id : referenced(*step.arguments)) ids.push_back(std::move(id));
  std::vector<std::string> once;
  for (auto& id : ids) {
    if (std::find(once.begin(), once.end(), id) == once.end()) once.push_back(std::move(id));
  }
  return once;
}

std::string Plan::tree() const {
  std::map<std::string, std::size_t> depth;
  std::string text;
  // A step is drawn under the deepest it waits for; parse() made sure that all can be drawn.
  for (std::size_t drawn = 0; drawn < steps.size();) {
    for (const auto& step : steps) {
      if (depth.contains(step.id)) continue;
      std::size_t under = 0;
      bool known = true;
      for (const auto& id : inputs(step)) {
        known = known && depth.contains(id);
        if (known) under = std::max(under, depth[id] + 1);
      }
      if (!known) continue;
      depth[step.id] = under;
      ++drawn;
    }
  }
  for (const auto& step : steps) {
    const auto waits = inputs(step);
    text += fmt::format("{}{} {} {}{}\n", std::string(depth[step.id] * 2, ' '), step.id, step.tool,
                        shortened(step.arguments.print(), 100),
                        waits.empty() ? "" : fmt::format("  (after {})", fmt::join(waits, ", ")));
  }
  return text;
}

std::string Plan::mermaid() const {
  std::string text = "flowchart TD\n";
  for (const auto& step : steps) text += fmt::format("  s_{}[\"{}: {}\"]\n", step.id, step.id, step.tool);
  for (const auto& step : steps) {
    for (const auto& id : inputs(step)) text += fmt::format("  s_{} --> s_{}\n", id, step.id);
  }
  return text;
}

Result<Json> substitute(const Json& arguments, const std::map<std::string, std::string>& results) {
  return walk(arguments, [&](const Reference& reference, bool) -> Result<Json> {
    const auto found = results.find(reference.id);
    if (found == results.end()) return fail(Code::kNotFound, "there is no result of step " + reference.id);
    auto parsed = parse_json(found->second);
    if (reference.members.empty()) return parsed && parsed->is_structured() ? *parsed : Json(found->second);
    Json value = parsed ? *parsed : Json();
    for (const auto& member : reference.members) {
      const bool number =
          std::all_of(member.begin(), member.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (value.is_object() && value.contains(member)) {
        value = Json(value[member]);
      } else if (value.is_array() && number && member.size() < 9 && std::stoul(member) < value.size()) {
        value = Json(value[std::stoul(member)]);
      } else {
        return fail(Code::kNotFound, fmt::format("the result of step {} has no {}", reference.id, member));
      }
    }
    return value;
  });
}

PlanScheduler::PlanScheduler(Plan plan) : plan_(std::move(plan)) {}

const PlanStep& PlanScheduler::step(const std::string& id) const {
  const auto found =
      std::find_if(plan_.steps.begin(), plan_.steps.end(), [&](const auto& step) { return step.id == id; });
  TSUKAI_CHECK(found != plan_.steps.end(), "a step of this plan");
  return *found;
}

std::vector<std::string> PlanScheduler::ready() {
  std::vector<std::string> ids;
  for (const auto& step : plan_.steps) {
    if (started_.contains(step.id)) continue;
    const auto inputs = plan_.inputs(step);
    if (!std::all_of(inputs.begin(), inputs.end(), [&](const auto& id) { return results_.contains(id); }))
      continue;
    started_.insert(step.id);
    running_.insert(step.id);
    ids.push_back(step.id);
  }
  return ids;
}

void PlanScheduler::finish(const std::string& id, std::string result) {
  TSUKAI_CHECK(running_.erase(id) == 1, "only a running step finishes");
  results_[id] = std::move(result);
}

void PlanScheduler::fail(const std::string& id, std::string reason) {
  TSUKAI_CHECK(running_.erase(id) == 1, "only a running step fails");
  failures_[id] = std::move(reason);
}

bool PlanScheduler::over() const {
  if (!running_.empty()) return false;
  return std::none_of(plan_.steps.begin(), plan_.steps.end(), [&](const auto& step) {
    if (started_.contains(step.id)) return false;
    const auto inputs = plan_.inputs(step);
    return std::all_of(inputs.begin(), inputs.end(), [&](const auto& id) { return results_.contains(id); });
  });
}

std::vector<std::string> PlanScheduler::spoiled() const {
  std::vector<std::string> ids;
  if (!over()) return ids;
  for (const auto& step : plan_.steps) {
    if (!started_.contains(step.id)) ids.push_back(step.id);
  }
  return ids;
}

}  // namespace tsukai::planner
