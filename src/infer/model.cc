#include "infer/model.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tsukai::infer {

std::string_view name(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
    case Role::kTool:
      return "tool";
  }
  return "user";
}

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kCalls:
      return "calls";
    case FinishReason::kLength:
      return "length";
  }
  return "stop";
}

std::vector<ToolDefinition> callable_tools(const ChatRequest& request) {
  std::vector<ToolDefinition> out;
  const auto add = [&](ToolDefinition tool) {
    if (tool.narrowed->is_boolean()) return;
    if (!tool.narrowed.is_null()) tool.input_schema = tool.narrowed;
    out.push_back(std::move(tool));
  };
  const auto& names = request.allowed_tools;
  for (const auto& tool : request.tools) {
    if (names.empty() || std::find(names.begin(), names.end(), tool.name) != names.end()) add(tool);
  }
  for (const auto& tool : request.told_tools) add(tool);
  return out;
}

}  // namespace tsukai::infer
