// Finding tools instead of being shown them all (find_tools.h).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/find_tools.h"
#include "agent/run_loop.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

// "maps (12), shop (9)": the servers in their order, agents not counted.
std::string where_tools_are(const std::vector<BoundTool>& tools) {
  std::vector<std::pair<std::string, std::size_t>> counts;
  for (const auto& tool : tools) {
    if (tool.agent) continue;
    if (counts.empty() || counts.back().first != tool.server_name) counts.emplace_back(tool.server_name, 0);
    ++counts.back().second;
  }
  std::string text;
  for (const auto& [server, count] : counts)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", server, count);
  return text;
}

// Those that can be found: other agents are always shown.
std::vector<infer::ToolDefinition> hidden(const std::vector<BoundTool>& tools) {
  std::vector<infer::ToolDefinition> out;
  for (const auto& tool : tools) {
    if (!tool.agent) out.push_back(tool.definition);
  }
  return out;
}

}  // namespace

// Decided once, when a run begins; what its first row says holds ever after.
void Run::choose_tools_shown() {
  auto& shown = parts_.file.tools_shown;
  // Steps given by hand name their tools, and no prompt holds a list.
  const bool by_hand = !parts_.file.steps.is_null();
  if (!shown) {
    auto listed = parts_.toolbox.definitions();
    // What a plan is made with says again what each tool takes.
    if (parts_.file.planner != Planner::kReact && !listed.empty()) {
      plan_tool_ = plan_tool(listed, parts_.model);
      listed.push_back(*plan_tool_);
    }
    const bool hide = !by_hand && too_long_to_show(listed, parts_.model.description().context_tokens);
    shown = hide ? 0 : kAllTools;
  }
  // A file that allows as many as there are is one that shows all, and needs no word in the journal.
  if (by_hand || hidden(parts_.toolbox.tools()).size() <= *shown) shown = kAllTools;
}

// What is shown, or other agents and what was found; and what came later: all that may be called or planned
// over.
std::vector<infer::ToolDefinition> Run::known_tools() const {
  std::vector<infer::ToolDefinition> known;
  const auto add = [&](const std::vector<std::string>& names) {
    for (const auto& name : names) {
      if (const auto* tool = parts_.toolbox.find(name)) known.push_back(tool->definition);
    }
  };
  if (!finds_tools()) {
    known = parts_.toolbox.definitions();
  } else {
    for (const auto& tool : parts_.toolbox.tools()) {
      if (tool.agent) known.push_back(tool.definition);
    }
    add(progress_.found_tools);
  }
  add(progress_.later_tools);
  return known;
}

void Run::offer_tools(infer::ChatRequest& request) const {
  const auto tell_of = [&](const std::vector<std::string>& names) {
    for (const auto& name : names) {
      if (const auto* tool = parts_.toolbox.find(name)) request.told_tools.push_back(tool->definition);
    }
  };
  // Where everything is done by a plan, what was found or came later is called through one.
  const bool plans = parts_.file.planner == Planner::kPlan;
  if (!finds_tools()) {
    request.tools = parts_.toolbox.definitions();
    if (!plans) tell_of(progress_.later_tools);
    return;
  }
  for (const auto& tool : parts_.toolbox.tools()) {
    if (tool.agent) request.tools.push_back(tool.definition);
  }
  const auto& tools = parts_.toolbox.tools();
  request.tools.push_back(find_tools_definition(hidden(tools).size(), where_tools_are(tools)));
  if (plans) return;
  tell_of(progress_.found_tools);
  tell_of(progress_.later_tools);
}

std::string Run::not_found_yet(const infer::ToolCall& call) const {
  if (!finds_tools()) return {};
  const auto* tool = parts_.toolbox.find(call.name);
  if (tool == nullptr) {
    return fmt::format("there is no tool {}; say what you need with {}", shortened(call.name, 80),
                       kFindTools);
  }
  const auto among = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), call.name) != names.end();
  };
  if (tool->agent || among(progress_.found_tools) || among(progress_.later_tools)) return {};
  return fmt::format(
      "{} was not found yet, so its arguments are not known: call {} first, for example with "
      "{{\"query\":\"{}\"}}",
      call.name, kFindTools, tool->tool.name);
}

// Answered from what the run knows: nothing is dispatched.
Result<Run::Fate> Run::find_tools(std::size_t index) {
  const auto call = calls()[index].call;
  const auto query = string_at(*call.arguments, "query");
  const auto& redaction = parts_.toolbox.redaction();
  if (trimmed(query).empty()) {
    TSUKAI_TRY_VOID(settle(
        index, observe_failure(Outcome::kInvalid,
                               "find_tools needs a \"query\" that says what the tool should do", redaction)));
    return Fate::kOver;
  }
  const auto tools = hidden(parts_.toolbox.tools());
  Observation observation;
  std::string shown;
  const auto* use = parts_.file.planner == Planner::kPlan ? "used in a plan" : "called";
  for (const auto place : ToolIndex(tools).search(query, kFoundMax)) {
    const auto& tool = tools[place];
    const auto line = print_json(
        {{"name", tool.name}, {"description", tool.description}, {"parameters", *tool.input_schema}});
    if (!observation.found.empty() && shown.size() + line.size() > kFoundBytesMax) break;
    observation.found.push_back(tool.name);
    shown += "\n" + line;
  }
  if (observation.found.empty()) {
    observation.text = fmt::format("no tool fits \"{}\"; there are: {}. Use other words.",
                                   shortened(query, 80), where_tools_are(parts_.toolbox.tools()));
  } else {
    observation.text = fmt::format("{} can be {} now:{}",
                                   observation.found.size() == 1 ? "This tool" : "These tools", use, shown);
  }
  observation.bytes_whole = observation.text.size();
  observation.text = bounded(std::move(observation.text), kObservationBytesMax);
  TSUKAI_TRY_VOID(settle(index, observation));
  return Fate::kOver;
}

}  // namespace tsukai::agent
