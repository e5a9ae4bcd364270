// Tools that servers begin to offer while a run goes on. What the model was given stays as it is: a message
// brings their definitions, and the grammar admits them from then on.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "agent/records.h"
#include "agent/run_loop.h"

namespace tsukai::agent {

// Before a question to the model, and only where nothing else is to be said to it: messages of one role in a
// row are refused by some chat templates.
Result<void> Run::take_arrivals(const planner::AskModel& question) {
  const bool plans = parts_.file.planner != Planner::kReact || !parts_.file.steps.is_null();
  if (plans || parts_.toolbox.definitions().empty()) return {};
  if (progress_.open || question.tool_choice == infer::ToolChoice::kNone) return {};
  if (!question.note_text.empty() || !progress_.said.empty() || !loose_report().empty()) return {};
  const auto admitted = parts_.toolbox.admit_arrivals(step_number());
  if (admitted.empty()) return {};
  Json tools = Json::array();
  std::vector<std::string> names;
  std::string text = admitted.size() == 1 ? "There is a new tool, which can be called now:"
                                          : "There are new tools, which can be called now:";
  for (const auto* tool : admitted) {
    const auto& definition = tool->definition;
    tools.push_back(tool_record(*tool));
    names.push_back(tool->qualified);
    text += "\n" + print_json({{"name", definition.name},
                               {"description", definition.description},
                               {"parameters", *definition.input_schema}});
  }
  TSUKAI_TRY_VOID(
      stage(Kind::kSignal, "",
            {{"name", kToolsSignal}, {"payload", {{"tools", std::move(tools)}, {"text", std::move(text)}}}}));
  tell("notice", {{"message", fmt::format("the model is told of new tools: {}", fmt::join(names, ", "))}});
  return {};
}

}  // namespace tsukai::agent
