#include "mcp/task_state.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

namespace tsukai::mcp {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"working", "input_required", "completed", "failed",
                                                    "cancelled"};
constexpr std::size_t kTaskIdBytesMax = 1024;

}  // namespace

std::string_view name(TaskStatus status) { return kNames[static_cast<std::size_t>(status)]; }

std::optional<TaskStatus> task_status_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<TaskStatus>(i);
  }
  return std::nullopt;
}

Result<TaskState> parse_task(const Json& value) {
  TaskState task;
  task.id = string_at(value, "taskId");
  if (task.id.empty() || task.id.size() > kTaskIdBytesMax) {
    return fail(Code::kProtocol, fmt::format("a task needs a taskId of at most {} bytes", kTaskIdBytesMax));
  }
  const auto status = task_status_named(string_at(value, "status"));
  if (!status) {
    return fail(Code::kProtocol,
                fmt::format("task {} has the unknown status \"{}\"", task.id, string_at(value, "status")));
  }
  task.status = *status;
  task.message = string_at(value, "statusMessage");
  task.poll_ms = integer_at(value, "pollIntervalMs", integer_at(value, "pollInterval", 0));
  task.ttl_ms = integer_at(value, "ttlMs", integer_at(value, "ttl", -1));
  task.whole = value;
  return task;
}

}  // namespace tsukai::mcp
