#include "infer/model.h"

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

}  // namespace tsukai::infer
