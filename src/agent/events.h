// What a run tells whoever watches: the terminal, --json, later the HTTP API.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tsukai::agent {

// One event. `type` is one of docs/formats/events.md: run_started, server_started, server_failed, recalled,
// step_started, text, tool_call, tool_result, step_done, run_done, notice. `data` holds its members.
struct Event {
  std::string type;
  std::int64_t at_ms = 0;
  JsonValue data;
};
using OnEvent = std::function<void(const Event&)>;

}  // namespace tsukai::agent
