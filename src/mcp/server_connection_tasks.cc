// Calls that become tasks, and requests about tasks: the core of 2025-11-25 and the extension of 2026-07-28.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>

#include "mcp/server_connection.h"
#include "mcp/server_run.h"
#include "mcp/version.h"

namespace tsukai::mcp {
namespace {

constexpr std::size_t kTasksOnPage = 100;

Task<Answer> handled(std::shared_ptr<ServerCall> call) {
  auto answer = co_await run_handler(std::move(call));
  co_return Result<Answer>(tl::in_place, std::move(answer));
}

// Runs the handler among the server's tasks, whatever becomes of the connection.
Task<void> run_work(std::shared_ptr<ServerCall> call) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const std::chrono::milliseconds limit(call->terms->ttl_ms);
  auto handled_in_time = co_await with_deadline(handled(call), limit, "the task");
  Answer answer = tl::unexpected<RpcError>(RpcError{kInternalError, "", {}});
  if (handled_in_time)
    answer = *std::move(handled_in_time);
  else
    answer.error().message = handled_in_time.error().text();
  if (call->as_task) {
    call->request.registry->tasks->settle(*call->as_task, std::move(answer));
  } else {
    call->outcome = std::move(answer);
    if (call->turned) call->turned->cancel();
  }
  co_return Result<void>();
}

// The answer that says: it is a task now.
void answer_created(const ServerCall& call) {
  const auto& tasks = *call.request.registry->tasks;
  Json created;
  if (call.request.modern) {
    created = tasks.modern(*call.as_task, false);
    created["resultType"] = "task";
  } else {
    created["task"] = tasks.legacy(*call.as_task);
  }
  call.request.answer(std::move(created));
}

}  // namespace

bool declares_tasks(const Json& capabilities) {
  const Json* extensions = find(capabilities, "extensions");
  return extensions != nullptr && find(*extensions, kTasksExtension) != nullptr;
}

RpcError tasks_not_declared() {
  return {kMissingClientCapability, fmt::format("this needs the client extension {}", kTasksExtension),
          Json{{"requiredCapabilities", {{"extensions", {{std::string(kTasksExtension), Json::object()}}}}}},
          true};
}

std::optional<RpcError> ServerConnection::task_terms(const ServerRequest& request, const Json& capabilities,
                                                     std::optional<TaskTerms>& terms) const {
  const auto* tool = registry_.tool(string_at(*request.params, "name"));
  const Json* wish = find(*request.params, "task");
  bool becomes = false;
  std::int64_t ttl_ms = tool->task ? tool->task->ttl.count() : 0;
  if (request.modern) {
    becomes = tool->task && declares_tasks(capabilities);
    if (tool->task && tool->task->required && !becomes) return tasks_not_declared();
  } else if (version_ >= "2025-11-25" && registry_.offers_tasks()) {
    if (wish != nullptr && !wish->is_object()) return RpcError{kInvalidParams, "task must be an object", {}};
    becomes = wish != nullptr;
    if (becomes && !tool->task)
      return RpcError{kMethodNotFound, fmt::format("tool {} can't be called as a task", tool->name), {}};
    if (!becomes && tool->task && tool->task->required)
      return RpcError{kMethodNotFound, fmt::format("tool {} can only be called as a task", tool->name), {}};
    if (becomes) ttl_ms = integer_at(*wish, "ttl", ttl_ms);
  }
  if (!becomes) return std::nullopt;
  ttl_ms = std::clamp(ttl_ms, ServerTasks::kTtlMinMs, ServerTasks::kTtlMaxMs);
  terms = TaskTerms{principal_, number_, ttl_ms, tool->task->poll.count()};
  return std::nullopt;
}

void ServerConnection::start_task(std::shared_ptr<ServerCall> call) {
  const auto& rules = *registry_.tool(string_at(*call->request.params, "name"))->task;
  if (!rules.at_once && call->request.modern) return begin(std::move(call));
  if (auto begun = call->begin_task(); !begun) {
    if (rules.required || !call->request.modern)
      return call->request.refuse(kInternalError, begun.error().text());
    call->terms.reset();  // There is no room for one more task; an ordinary call needs none.
    return begin(std::move(call));
  }
  if (!registry_.tasks->spawn(run_work(call), call->as_task->work))
    return call->request.refuse(kInternalError, "the server is shutting down");
  answer_created(*call);
}

Task<void> ServerConnection::run_until_task(std::shared_ptr<ServerCall> call) {
  co_await asio::this_coro::throw_if_cancelled(false);
  call->turned.emplace(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  const bool works = registry_.tasks->spawn(run_work(call), call->work);
  while (works && !call->as_task && !call->outcome && !call->is_cancelled) {
    boost::system::error_code error;
    co_await call->turned->async_wait(asio::redirect_error(asio::use_awaitable, error));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) call->is_cancelled = true;
  }
  in_flight_.erase(call->request.id.print());
  if (call->as_task) {
    answer_created(*call);
  } else if (call->outcome && !call->is_cancelled) {
    auto& answer = *call->outcome;
    if (answer)
      call->request.answer(**answer);
    else
      call->request.outlet(failure(call->request.id, answer.error()));
  } else {
    call->work.cancel();
  }
  co_return Result<void>();
}

bool ServerConnection::handle_task_request(const ServerRequest& request, const Json& capabilities) {
  const auto& method = request.method;
  const bool legacy = !request.modern;
  const bool known = method == "tasks/get" || method == "tasks/cancel" ||
                     (legacy ? method == "tasks/result" || method == "tasks/list" : method == "tasks/update");
  if (!known || !registry_.offers_tasks() || (legacy && version_ < "2025-11-25")) return false;
  if (request.modern && !declares_tasks(capabilities)) {
    const auto refusal = tasks_not_declared();
    request.reject(refusal.code, refusal.message, refusal.data);
    return true;
  }
  if (method == "tasks/list") {
    list_tasks(request);
    return true;
  }
  auto& tasks = *registry_.tasks;
  const auto id = string_at(*request.params, "taskId");
  const auto task = tasks.find(id, principal_);
  if (!task) {
    request.refuse(kInvalidParams, fmt::format("there is no task {}, or its time is over", id));
    return true;
  }
  if (method == "tasks/get") {
    request.answer(legacy ? tasks.legacy(*task) : tasks.modern(*task, true));
  } else if (method == "tasks/result") {
    calls_.spawn(run_task_result(request, task));
  } else if (method == "tasks/update") {
    const Json* responses = find(*request.params, "inputResponses");
    if (responses == nullptr || !responses->is_object()) {
      request.refuse(kInvalidParams, "inputResponses must be an object");
      return true;
    }
    std::map<std::string, JsonValue> answers;
    for (const auto& [key, value] : responses->items()) answers[key] = JsonValue(value);
    tasks.take(*task, answers);
    request.answer(Json::object());
  } else if (legacy && is_over(task->status)) {
    request.refuse(kInvalidParams,
                   fmt::format("task {} can't be cancelled: it is over ({})", id, name(task->status)));
  } else {
    tasks.cancel(*task);
    request.answer(legacy ? tasks.legacy(*task) : Json::object());
  }
  return true;
}

// A client may list what it made itself, over this connection: ids are all that keeps others away.
void ServerConnection::list_tasks(const ServerRequest& request) {
  const auto cursor = string_at(*request.params, "cursor");
  Json answer = {{"tasks", Json::array()}};
  bool begun = cursor.empty();
  for (const auto& task : registry_.tasks->all()) {
    if (task->connection != number_) continue;
    begun = begun || task->id == cursor;
    if (!begun) continue;
    if (answer["tasks"].size() == kTasksOnPage) {
      answer["nextCursor"] = task->id;
      break;
    }
    answer["tasks"].push_back(registry_.tasks->legacy(*task));
  }
  if (!begun) return request.refuse(kInvalidParams, "no such cursor: " + cursor);
  request.answer(std::move(answer));
}

// Answers when the task is over. Meanwhile its questions go to the client on the way that this request's
// answer will take.
Task<void> ServerConnection::run_task_result(ServerRequest request, std::shared_ptr<ServerTask> task) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const Json related = {{std::string(kMetaRelatedTask), {{"taskId", task->id}}}};
  while (!is_over(task->status)) {
    std::string next;
    for (auto& [key, question] : task->questions) {
      if (!question.sent && next.empty()) next = key;
    }
    if (!next.empty()) {
      TSUKAI_CO_TRY_VOID(co_await ask_for_task(request, task, next));
    } else if (!co_await next_change(task)) {
      co_return Result<void>();
    }
  }
  if (task->answer && *task->answer) {
    Json answer = ***task->answer;
    for (const auto& [key, value] : related.items()) answer["_meta"][key] = value;
    request.answer(std::move(answer));
  } else if (task->answer) {
    request.outlet(failure(request.id, task->answer->error()));
  } else {
    request.refuse(kInternalError, task->message);
  }
  co_return Result<void>();
}

Task<void> ServerConnection::ask_for_task(ServerRequest request, std::shared_ptr<ServerTask> task,
                                          std::string key) {
  auto& question = task->questions.at(key);
  question.sent = true;
  Json params = question.request.params.is_null() ? Json::object() : *question.request.params;
  params["_meta"][std::string(kMetaRelatedTask)] = {{"taskId", task->id}};
  const auto method = question.request.method;
  RequestOptions options{kAskWait, kAskWait, {}, true, [outlet = request.outlet](const Message& message) {
                           outlet(message);
                           return Result<void>();
                         }};
  auto reply = co_await peer_.call(method, std::move(params), std::move(options));
  // The task may have ended, or been answered, meanwhile.
  const auto found = task->questions.find(key);
  if (found == task->questions.end()) co_return Result<void>();
  if (!reply) {
    found->second.sent = false;  // Whoever waits for the result next is asked again.
    task->changed.cancel();
    co_return fail(std::move(reply).error());
  }
  if (*reply) {
    std::map<std::string, JsonValue> answers;
    answers.emplace(key, **reply);
    registry_.tasks->take(*task, answers);
    if (const auto left = task->questions.find(key); left != task->questions.end() && left->second.answer)
      co_return Result<void>();
  }
  const auto why = *reply ? "its answer has not the form of one" : reply->error().message;
  registry_.tasks->refuse(*task, key, fmt::format("the client refused {}: {}", method, why));
  co_return Result<void>();
}

}  // namespace tsukai::mcp
