// Tools that servers begin to offer while a run goes on. What the model was given stays as it is: a message
// brings their definitions, and the grammar admits them from then on.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "agent/records.h"
#include "agent/run_loop.h"

namespace tsukai::agent {

namespace {

std::string_view use_of(Planner planner) {
  switch (planner) {
    case Planner::kReact:
      break;
    case Planner::kPlan:
      return "which can be used in a plan now";
    case Planner::kAuto:
      return "which can be called or used in a plan now";
  }
  return "which can be called now";
}

std::string names_of_new(const std::vector<const BoundTool*>& tools) {
  std::vector<std::string> names;
  for (const auto* tool : tools) names.push_back(tool->qualified);
  return fmt::format("{}", fmt::join(names, ", "));
}

Json news_of(const std::vector<const BoundTool*>& tools, std::string text) {
  Json records = Json::array();
  for (const auto* tool : tools) records.push_back(tool_record(*tool));
  return {{"tools", std::move(records)}, {"text", std::move(text)}};
}

}  // namespace

// Before a question to the model, and only where nothing else is to be said to it: messages of one role in a
// row are refused by some chat templates.
Result<void> Run::take_arrivals(const planner::AskModel& question) {
  if (parts_.toolbox.definitions().empty()) return {};
  if (progress_.open || question.tool_choice == infer::ToolChoice::kNone) return {};
  if (!question.note_text.empty() || !progress_.said.empty() || !loose_report().empty()) return {};
  const auto admitted = parts_.toolbox.admit_arrivals(step_key(step_number() + 1));
  if (admitted.empty()) return {};
  auto text = fmt::format("{}, {}:", admitted.size() == 1 ? "There is a new tool" : "There are new tools",
                          use_of(parts_.file.planner));
  for (const auto* tool : admitted) {
    const auto& definition = tool->definition;
    text += "\n" + print_json({{"name", definition.name},
                               {"description", definition.description},
                               {"parameters", *definition.input_schema}});
  }
  TSUKAI_TRY_VOID(
      stage(Kind::kSignal, "", {{"name", kToolsSignal}, {"payload", news_of(admitted, std::move(text))}}));
  tell("notice", {{"message", fmt::format("the model is told of new tools: {}", names_of_new(admitted))}});
  return {};
}

// The file's own steps name their tools, and the questions among them are asked without any: there is nobody
// to be told. A tool need not be there before the step that calls it.
Result<void> Run::take_arrivals_for(std::size_t index) {
  const auto each = calls()[index];
  if (each.asks || each.parent.empty() || !progress_.newest().by_file) return {};
  while (parts_.toolbox.find(each.call.name) == nullptr) {
    const auto admitted = parts_.toolbox.admit_arrivals(each.step_key);
    if (admitted.empty()) return {};
    auto news = news_of(admitted, {});
    news["before"] = each.step_key;
    TSUKAI_TRY_VOID(stage(Kind::kSignal, "", {{"name", kToolsSignal}, {"payload", std::move(news)}}));
    tell("notice", {{"message", fmt::format("steps can call new tools: {}", names_of_new(admitted))}});
  }
  return {};
}

}  // namespace tsukai::agent
