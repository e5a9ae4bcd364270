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

std::vector<std::string> referenced_in(const Json& arguments) {
  std::vector<std::string> ids;
  (void)walk(arguments, [&](const Reference& reference, bool) -> Result<Json> {
    ids.push_back(reference.id);
    return Json();
  });
  return ids;
}

std::vector<std::string> referenced(const PlanStep& step) {
  auto ids = referenced_in(*step.arguments);
  for (auto& id : referenced_in(Json(step.prompt))) ids.push_back(std::move(id));
  return ids;
}

}  // namespace

Result<PlanStep> parse_plan_step(const Json& json, std::size_t number) {
  PlanStep step;
  step.id = string_at(json, "id", std::to_string(number));
  step.tool = string_at(json, "tool");
  step.arguments = Json::object();
  step.prompt = string_at(json, "prompt");
  step.when = string_at(json, "when");
  const auto fault = [&](const std::string& what) {
    return fail(Code::kInvalidArgument, fmt::format("plan step {}: {}", step.id, what));
  };
  if (step.id.empty() || !std::all_of(step.id.begin(), step.id.end(), id_letter)) {
    return fault("an id is letters, digits, _ and -");
  }
  if (step.id.size() > kPlanIdBytesMax)
    return fault(fmt::format("an id has at most {} bytes", kPlanIdBytesMax));
  if (step.tool.empty() && step.prompt.empty()) return fault("it names no tool");
  if (!step.tool.empty() && !step.prompt.empty()) return fault("it has both a tool and a prompt");
  if (const auto* arguments = tsukai::find(json, "arguments")) {
    if (!arguments->is_object()) return fault("its arguments are no object");
    step.arguments = *arguments;
  }
  if (const auto* needs = tsukai::find(json, "needs")) {
    if (!needs->is_array()) return fault("its needs are no list of ids");
    for (const auto& need : *needs) {
      if (!need.is_string()) return fault("its needs are no list of ids");
      step.needs.push_back(need.get<std::string>());
    }
  }
  return step;
}

Result<Plan> Plan::parse(const Json& json, const std::set<std::string>& known) {
  const auto* steps = tsukai::find(json, "steps");
  if (steps == nullptr || !steps->is_array())
    return fail(Code::kInvalidArgument, "a plan has a list of steps");
  if (steps->size() > kPlanStepsMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("a plan has at most {} steps, not {}", kPlanStepsMax, steps->size()));
  }
  Plan plan;
  std::vector<std::string> ids;
  for (const auto& each : *steps) {
    TSUKAI_TRY(auto step, parse_plan_step(each, plan.steps.size() + 1));
    if (std::find(ids.begin(), ids.end(), step.id) != ids.end()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("plan step {}: there are two steps with this id", step.id));
    }
    ids.push_back(step.id);
    plan.steps.push_back(std::move(step));
  }
  if (plan.steps.empty()) return fail(Code::kInvalidArgument, "a plan has at least one step");
  for (const auto& step : plan.steps) {
    auto wanted = step.needs;
    for (auto& id : referenced(step)) wanted.push_back(std::move(id));
    for (const auto& id : wanted) {
      if (std::find(ids.begin(), ids.end(), id) != ids.end() || known.contains(id)) continue;
      const auto nearest = nearest_name(id, ids);
      return fail(Code::kInvalidArgument, fmt::format("plan step {}: there is no step {}", step.id, id),
                  nearest.empty() ? "" : fmt::format("did you mean {}?", nearest));
    }
  }
  if (const auto stuck = plan.circle(); !stuck.empty()) {
    return fail(Code::kInvalidArgument,
                fmt::format("the plan goes in a circle: {} wait for each other", fmt::join(stuck, ", ")));
  }
  return plan;
}

Json plan_step_json(const PlanStep& step) {
  Json json = {{"id", step.id}};
  if (step.prompt.empty()) {
    json["tool"] = step.tool;
    json["arguments"] = *step.arguments;
  } else {
    json["prompt"] = step.prompt;
  }
  if (!step.needs.empty()) json["needs"] = step.needs;
  if (!step.when.empty()) json["when"] = step.when;
  return json;
}

Json Plan::json() const {
  Json list = Json::array();
  for (const auto& step : steps) list.push_back(plan_step_json(step));
  return {{"steps", list}};
}

const PlanStep* Plan::find(const std::string& id) const {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [&](const auto& step) { return step.id == id; });
  return found == steps.end() ? nullptr : &*found;
}

namespace {

std::vector<std::string> wanted_by(const PlanStep& step) {
  auto ids = step.needs;
  for (auto& id : referenced(step)) ids.push_back(std::move(id));
  std::vector<std::string> once;
  for (auto& id : ids) {
    if (std::find(once.begin(), once.end(), id) == once.end()) once.push_back(std::move(id));
  }
  return once;
}

}  // namespace

std::vector<std::string> Plan::inputs(const PlanStep& step) const {
  auto ids = wanted_by(step);
  std::erase_if(ids, [this](const auto& id) { return find(id) == nullptr; });
  return ids;
}

std::vector<std::string> Plan::missing(const PlanStep& step) const {
  auto ids = wanted_by(step);
  std::erase_if(ids, [this](const auto& id) { return find(id) != nullptr; });
  return ids;
}

std::vector<std::string> Plan::circle() const {
  std::set<std::string> done;
  for (bool more = true; more;) {
    more = false;
    for (const auto& step : steps) {
      if (done.contains(step.id)) continue;
      const auto waits = inputs(step);
      if (std::all_of(waits.begin(), waits.end(), [&](const auto& id) { return done.contains(id); })) {
        done.insert(step.id);
        more = true;
      }
    }
  }
  std::vector<std::string> stuck;
  for (const auto& step : steps) {
    if (!done.contains(step.id)) stuck.push_back(step.id);
  }
  return stuck;
}

std::vector<Plan::Line> Plan::lines() const {
  // By step: the step it is drawn under. Every round settles at least one step that is in no circle.
  std::map<std::string, std::size_t> depth;
  std::map<std::string, std::string> under;
  for (std::size_t round = 0; round < steps.size() && depth.size() < steps.size(); ++round) {
    for (const auto& step : steps) {
      if (depth.contains(step.id)) continue;
      const auto waits = inputs(step);
      if (!std::all_of(waits.begin(), waits.end(), [&](const auto& id) { return depth.contains(id); }))
        continue;
      std::size_t deepest = 0;
      for (const auto& id : waits) {
        if (depth[id] + 1 < deepest) continue;
        deepest = depth[id] + 1;
        under[step.id] = id;
      }
      depth[step.id] = deepest;
    }
  }
  std::vector<Line> out;
  const std::function<void(const std::string&, const std::string&)> draw = [&](const std::string& parent,
                                                                               const std::string& before) {
    std::vector<std::size_t> children;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto found = under.find(steps[i].id);
      if ((found == under.end() ? std::string() : found->second) == parent) children.push_back(i);
    }
    for (const auto child : children) {
      const bool last = child == children.back();
      out.push_back({child, parent.empty() ? "" : before + (last ? "└ " : "├ ")});
      draw(steps[child].id, parent.empty() ? "" : before + (last ? "  " : "│ "));
    }
  };
  draw("", "");
  return out;
}

std::string Plan::tree() const {
  std::string text;
  for (const auto& [index, branch] : lines()) {
    const auto& step = steps[index];
    const auto waits = inputs(step);
    const auto what = step.prompt.empty() ? step.tool + " " + shortened(step.arguments.print(), 100)
                                          : "asks: " + shortened(step.prompt, 100);
    text +=
        fmt::format("{}{} {}{}{}\n", branch, step.id, what, step.when.empty() ? "" : "  when " + step.when,
                    waits.size() < 2 ? "" : fmt::format("  (after {})", fmt::join(waits, ", ")));
  }
  return text;
}

std::string Plan::mermaid() const {
  const auto label = [](std::string text) {
    for (auto at = text.find('"'); at != std::string::npos; at = text.find('"', at))
      text.replace(at, 1, "#quot;");
    return text;
  };
  std::string text = "flowchart TD\n";
  for (const auto& step : steps)
    text += fmt::format("  s_{}[\"{}: {}\"]\n", step.id, step.id,
                        step.prompt.empty() ? label(step.tool) : "asks the model");
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

Readiness readiness(const Plan& plan, const PlanStep& step, const std::map<std::string, StepState>& states) {
  const auto references = referenced(step);
  bool waits = false;
  for (const auto& id : plan.inputs(step)) {
    const auto found = states.find(id);
    const auto state = found == states.end() ? StepState::kOpen : found->second;
    const bool used = std::find(references.begin(), references.end(), id) != references.end();
    if (state == StepState::kFailed)
      return {Readiness::Verdict::kSpoiled, fmt::format("it needs step {}, which failed", id)};
    if (state == StepState::kSkipped && used)
      return {Readiness::Verdict::kSpoiled,
              fmt::format("it uses the result of step {}, which was skipped", id)};
    waits = waits || state == StepState::kOpen;
  }
  return {waits ? Readiness::Verdict::kWait : Readiness::Verdict::kStart, {}};
}

namespace {

// Any text may hold a reference already; a value of another kind may be one instead.
Json or_reference(const Json& schema) {
  const bool any_text = string_at(schema, "type") == "string" && !schema.contains("enum") &&
                        !schema.contains("const") && !schema.contains("pattern") &&
                        !schema.contains("format");
  if (any_text || !schema.is_object()) return schema;
  return {{"anyOf", {schema, {{"type", "string"}, {"pattern", R"(^\$[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$)"}}}}};
}

Json arguments_schema(const Json& schema) {
  Json out = schema;
  const auto* properties = find(schema, "properties");
  if (properties == nullptr || !properties->is_object()) return out;
  for (const auto& [name, property] : properties->items()) out["properties"][name] = or_reference(property);
  return out;
}

}  // namespace

Json plan_schema(const std::vector<infer::ToolDefinition>& tools) {
  Json kinds = Json::array();
  for (const auto& tool : tools) {
    kinds.push_back({{"type", "object"},
                     {"properties",
                      {{"id", {{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]{1,16}$"}}},
                       {"tool", {{"const", tool.name}}},
                       {"arguments", arguments_schema(*tool.input_schema)}}},
                     // Without an id a step has its number: ids are an eighth of what a plan costs to write.
                     {"required", {"tool", "arguments"}},
                     {"additionalProperties", false}});
  }
  return {
      {"type", "object"},
      {"properties",
       {{"steps",
         {{"type", "array"}, {"minItems", 1}, {"maxItems", 16}, {"items", {{"anyOf", std::move(kinds)}}}}}}},
      {"required", {"steps"}},
      {"additionalProperties", false}};
}

}  // namespace tsukai::planner
