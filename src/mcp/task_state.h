// A task as it crosses the wire: the experimental core of 2025-11-25, and the extension of 2026-07-28. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tsukai::mcp {

inline constexpr std::string_view kTasksExtension = "io.modelcontextprotocol/tasks";          // 2026-07-28
inline constexpr std::string_view kMetaRelatedTask = "io.modelcontextprotocol/related-task";  // 2025-11-25

enum class TaskStatus {
  kWorking,
  kInputRequired,  // The client is asked something first.
  kCompleted,      // There is a result; in 2025-11-25 one without isError.
  kFailed,         // There is a JSON-RPC error; in 2025-11-25 also a result with isError.
  kCancelled,
};
std::string_view name(TaskStatus status);  // "working", "input_required", ...
std::optional<TaskStatus> task_status_named(std::string_view name);
inline bool is_over(TaskStatus status) {
  return status != TaskStatus::kWorking && status != TaskStatus::kInputRequired;
}

// What a server says of a task.
struct TaskState {
  std::string id;
  TaskStatus status = TaskStatus::kWorking;
  std::string message;       // For people; may be empty.
  std::int64_t poll_ms = 0;  // How long to wait before asking again; 0: not said.
  std::int64_t ttl_ms = -1;  // From creation; -1: unlimited, or not said.
  JsonValue whole;           // With `result`, `error` and `inputRequests` in 2026-07-28.
};

// kProtocol says what is missing.
Result<TaskState> parse_task(const Json& value);

}  // namespace tsukai::mcp
