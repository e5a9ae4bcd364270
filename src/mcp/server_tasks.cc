#include "mcp/server_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>

#include "base/random.h"

namespace tsukai::mcp {
namespace {

bool is_error(const Answer& answer) { return answer && bool_at(**answer, "isError"); }

// The text of a failure, for people.
std::string failure_text(const Answer& answer) {
  if (!answer) return answer.error().message;
  const Json* content = find(**answer, "content");
  if (!is_error(answer) || content == nullptr || content->empty()) return {};
  return string_at(content->front(), "text");
}

}  // namespace

void ServerTasks::attach(const asio::any_io_executor& executor) {
  if (serving_++ > 0) return;
  executor_ = executor;
  gate_ = std::make_unique<Gate>(executor);
}

asio::awaitable<void> ServerTasks::detach() {
  if (--serving_ > 0) co_return;
  const auto kept = tasks_;
  for (const auto& task : kept) cancel(*task);
  const auto gate = std::move(gate_);
  co_await gate->close();
}

Result<std::shared_ptr<ServerTask>> ServerTasks::create(std::string principal, std::uint64_t connection,
                                                        std::int64_t ttl_ms, std::int64_t poll_ms) {
  forget_expired();
  TSUKAI_CHECK(gate_ != nullptr, "tasks are made while somebody serves");
  std::size_t bytes = 0;
  for (const auto& task : tasks_) bytes += task->answer_bytes;
  if (tasks_.size() >= kTasksMax || bytes >= kAnswerBytesMax) {
    return fail(Code::kExhausted,
                fmt::format("{} tasks with {} bytes of results are kept already; no more can be started "
                            "before the time of one is over",
                            tasks_.size(), bytes));
  }
  auto task = std::make_shared<ServerTask>(executor_);
  task->id = random_id(32);
  task->principal = std::move(principal);
  task->connection = connection;
  task->created_ms = task->updated_ms = clock_.wall_ms();
  task->ttl_ms = std::clamp(ttl_ms, kTtlMinMs, kTtlMaxMs);
  task->poll_ms = poll_ms;
  tasks_.push_back(task);
  return task;
}

std::shared_ptr<ServerTask> ServerTasks::find(const std::string& id, const std::string& principal) {
  forget_expired();
  for (const auto& task : tasks_) {
    if (task->id == id && task->principal == principal) return task;
  }
  return nullptr;
}

const std::deque<std::shared_ptr<ServerTask>>& ServerTasks::all() {
  forget_expired();
  return tasks_;
}

void ServerTasks::forget_expired() {
  const auto now = clock_.wall_ms();
  const auto expired = [&](const auto& task) { return now - task->created_ms >= task->ttl_ms; };
  for (const auto& task : tasks_) {
    if (expired(task)) cancel(*task);
  }
  std::erase_if(tasks_, expired);
}

void ServerTasks::changed(ServerTask& task) {
  task.updated_ms = clock_.wall_ms();
  task.changed.cancel();
  if (on_change) on_change(task);
}

void ServerTasks::say(ServerTask& task, std::string message) {
  if (is_over(task.status) || message == task.message) return;
  task.message = std::move(message);
  changed(task);
}

void ServerTasks::settle(ServerTask& task, Answer answer) {
  if (is_over(task.status)) return;
  task.status = answer ? TaskStatus::kCompleted : TaskStatus::kFailed;
  task.message = failure_text(answer);
  task.answer_bytes = answer ? answer->print().size() : answer.error().message.size();
  task.answer = std::move(answer);
  task.questions.clear();
  changed(task);
}

void ServerTasks::cancel(ServerTask& task) {
  if (is_over(task.status)) return;
  task.status = TaskStatus::kCancelled;
  task.message = "the task was cancelled";
  task.questions.clear();
  task.work.cancel();
  changed(task);
}

void ServerTasks::ask(ServerTask& task, std::map<std::string, InputRequest> questions) {
  if (is_over(task.status)) return;
  for (auto& [key, request] : questions) task.questions[key] = {std::move(request), false, std::nullopt, {}};
  task.status = TaskStatus::kInputRequired;
  changed(task);
}

void ServerTasks::take(ServerTask& task, const std::map<std::string, JsonValue>& answers) {
  bool any = false;
  for (const auto& [key, answer] : answers) {
    const auto found = task.questions.find(key);
    if (found == task.questions.end() || found->second.answer) continue;
    if (!well_formed_response(found->second.request.method, *answer)) continue;
    found->second.answer = answer;
    any = true;
  }
  if (any) changed(task);
}

void ServerTasks::refuse(ServerTask& task, const std::string& key, std::string why) {
  const auto found = task.questions.find(key);
  if (found == task.questions.end()) return;
  found->second.refusal = std::move(why);
  changed(task);
}

std::optional<ServerTasks::Answered> ServerTasks::answers(ServerTask& task,
                                                          const std::map<std::string, std::string>& keys) {
  std::map<std::string, JsonValue> answers;
  std::string refusal;
  for (const auto& [mine, key] : keys) {
    const auto found = task.questions.find(key);
    if (found == task.questions.end()) continue;
    if (!found->second.refusal.empty())
      refusal = found->second.refusal;
    else if (found->second.answer)
      answers.emplace(mine, *found->second.answer);
  }
  if (refusal.empty() && answers.size() < keys.size()) return std::nullopt;
  for (const auto& [mine, key] : keys) task.questions.erase(key);
  if (task.questions.empty() && task.status == TaskStatus::kInputRequired) {
    task.status = TaskStatus::kWorking;
    changed(task);
  }
  if (!refusal.empty()) return Answered(fail(Code::kDenied, refusal));
  return Answered(std::move(answers));
}

Json ServerTasks::modern(const ServerTask& task, bool whole) const {
  Json out = {{"taskId", task.id},
              {"status", name(task.status)},
              {"createdAt", iso_time(task.created_ms)},
              {"lastUpdatedAt", iso_time(task.updated_ms)},
              {"ttlMs", task.ttl_ms},
              {"pollIntervalMs", task.poll_ms}};
  if (!task.message.empty()) out["statusMessage"] = task.message;
  if (!whole) return out;
  if (task.status == TaskStatus::kInputRequired) {
    out["inputRequests"] = Json::object();
    for (const auto& [key, question] : task.questions) {
      if (question.answer || !question.refusal.empty()) continue;
      const auto& params = question.request.params;
      out["inputRequests"][key] = {{"method", question.request.method},
                                   {"params", params.is_null() ? Json::object() : *params}};
    }
    // All were answered, and the handler has not looked yet.
    if (out["inputRequests"].empty()) {
      out.erase("inputRequests");
      out["status"] = name(TaskStatus::kWorking);
    }
  }
  if (task.answer && *task.answer) out["result"] = ***task.answer;
  if (task.answer && !*task.answer) {
    const auto& error = task.answer->error();
    out["error"] = {{"code", error.code}, {"message", error.message}};
    if (!error.data.is_null()) out["error"]["data"] = *error.data;
  }
  return out;
}

Json ServerTasks::legacy(const ServerTask& task) const {
  const bool failed = task.answer && is_error(*task.answer);
  Json out = {{"taskId", task.id},
              {"status", name(failed ? TaskStatus::kFailed : task.status)},
              {"createdAt", iso_time(task.created_ms)},
              {"lastUpdatedAt", iso_time(task.updated_ms)},
              {"ttl", task.ttl_ms},
              {"pollInterval", task.poll_ms}};
  if (!task.message.empty()) out["statusMessage"] = task.message;
  return out;
}

asio::awaitable<bool> next_change(std::shared_ptr<ServerTask> task) {
  boost::system::error_code error;
  co_await task->changed.async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_return (co_await asio::this_coro::cancellation_state).cancelled() == asio::cancellation_type::none;
}

bool well_formed_response(const std::string& method, const Json& response) {
  if (method == "elicitation/create") {
    const auto action = string_at(response, "action");
    const Json* content = find(response, "content");
    return (action == "accept" || action == "decline" || action == "cancel") &&
           (content == nullptr || content->is_object());
  }
  if (method == "sampling/createMessage")
    return find(response, "role") != nullptr && find(response, "content") != nullptr;
  const Json* roots = find(response, "roots");
  return roots != nullptr && roots->is_array();
}

}  // namespace tsukai::mcp
