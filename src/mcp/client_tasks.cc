// Calls that their server made tasks of: waiting for the end, answering what is asked meanwhile.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>

#include "mcp/client_core.h"

namespace tsukai::mcp {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kPoll{1'000}, kPollMin{10}, kPollMax{60'000};
constexpr milliseconds kCancelWait{2'000};
// Polls in a row that may be lost on the way; the task itself does not mind.
constexpr int kPollsLostMax = 5;

milliseconds left_until(steady_clock::time_point end) {
  return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(end - steady_clock::now()));
}

}  // namespace

bool ClientCore::calls_as_task(const std::string& tool, bool preferred) const {
  if (modern) return false;  // The server decides.
  const Json* tasks = find(*capabilities, "tasks");
  const Json* requests = tasks == nullptr ? nullptr : find(*tasks, "requests");
  const Json* calls = requests == nullptr ? nullptr : find(*requests, "tools");
  if (calls == nullptr || find(*calls, "call") == nullptr) return false;
  const auto known = this->tools.find(tool);
  if (known == this->tools.end()) return false;
  const auto& support = known->second.task_support;
  return support == "required" || (preferred && support == "optional");
}

bool ClientCore::take_task_news(const Message& message) {
  const Json& params = *message.body;
  if (message.method == "notifications/tasks/status") {
    const auto found = watched.find(string_at(params, "taskId"));
    if (found != watched.end()) found->second.wake->cancel();
    return true;
  }
  if (message.method != "notifications/progress") return false;
  const Json* meta = find(params, "_meta");
  const Json* task = meta == nullptr ? nullptr : find(*meta, kMetaRelatedTask);
  const auto found = task == nullptr ? watched.end() : watched.find(string_at(*task, "taskId"));
  if (found == watched.end()) return false;
  if (found->second.on_progress) {
    found->second.on_progress(
        {number_at(params, "progress"), number_at(params, "total"), string_at(params, "message")});
  }
  return true;
}

Task<TaskState> ClientCore::task_now(std::string id, steady_clock::time_point end) {
  for (int lost = 0;; ++lost) {
    const auto limit = left_until(end);
    auto reply = co_await exchange("tasks/get", Json{{"taskId", id}},
                                   {std::min(config.call_timeout, limit), limit, {}, true, {}}, {});
    if (!reply) {
      const bool again = reply.error().code() == Code::kTransport && !session->broken();
      if (!again || lost >= kPollsLostMax) co_return fail(std::move(reply).error());
      TSUKAI_CO_TRY_VOID(co_await sleep_for(std::min(kPoll * (1 << lost), left_until(end))));
      continue;
    }
    if (!*reply) {
      if (reply->error().code == kInvalidParams) {
        co_return fail(Code::kNotFound, fmt::format("server {} knows no task {}: {}", config.name, id,
                                                    reply->error().message));
      }
      co_return fail(from_peer("tasks/get", reply->error()));
    }
    co_return parse_task(***reply);
  }
}

// 2025-11-25: answered when the task is over; what it asks comes as requests of their own meanwhile.
Task<Reply> ClientCore::task_result(std::string id, steady_clock::time_point end) {
  const auto limit = left_until(end);
  co_return co_await exchange("tasks/result", Json{{"taskId", id}}, {limit, limit, {}, true, {}}, {});
}

// 2026-07-28: each question is answered once, however often it is seen.
Task<void> ClientCore::answer_task(TaskState task, std::set<std::string>& answered) {
  const Json* questions = find(*task.whole, "inputRequests");
  Json unanswered = Json::object();
  if (questions != nullptr && questions->is_object()) {
    for (const auto& [key, question] : questions->items()) {
      if (!answered.contains(key)) unanswered[key] = question;
    }
  }
  if (unanswered.empty()) co_return Result<void>();
  if (answered.size() + unanswered.size() > kTaskQuestionsMax) {
    co_return fail(Code::kProtocol, fmt::format("task {} of server {} asks more than {} questions", task.id,
                                                config.name, kTaskQuestionsMax));
  }
  for (const auto& [key, question] : unanswered.items()) answered.insert(key);
  TSUKAI_CO_TRY(auto answers, co_await answer_all(JsonValue(std::move(unanswered))));
  TSUKAI_CO_TRY(
      auto reply,
      co_await exchange("tasks/update", Json{{"taskId", task.id}, {"inputResponses", std::move(answers)}},
                        call_options({}), {}));
  if (!reply) co_return fail(from_peer("tasks/update", reply.error()));
  co_return Result<void>();
}

Task<void> ClientCore::run_cancel(std::shared_ptr<ClientCore> core, std::string id) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  auto reply = co_await core->exchange("tasks/cancel", Json{{"taskId", id}},
                                       {kCancelWait, kCancelWait, {}, false, {}}, {});
  co_return reply ? Result<void>() : Result<void>(fail(std::move(reply).error()));
}

Task<Reply> ClientCore::follow_task(TaskState task, steady_clock::time_point end, OnProgress on_progress) {
  asio::steady_timer wake(executor);
  const auto id = task.id;
  // Given up, the work is no longer wanted; a server that is gone needs no telling.
  struct Watch {
    std::shared_ptr<ClientCore> core;
    std::string id;
    bool over = false;
    ~Watch() {
      core->watched.erase(id);
      if (!over && !core->session->broken()) core->cancelling.spawn(run_cancel(core, id));
    }
  } watch{shared_from_this(), id};
  watched[id] = {on_progress, &wake};
  std::set<std::string> answered;
  std::string said;
  while (!is_over(task.status)) {
    if (on_progress && !task.message.empty() && task.message != said) on_progress({0, 0, task.message});
    said = task.message;
    if (task.status == TaskStatus::kInputRequired) {
      if (!modern) break;
      TSUKAI_CO_TRY_VOID(co_await answer_task(task, answered));
    }
    const auto poll = task.poll_ms > 0 ? std::clamp(milliseconds(task.poll_ms), kPollMin, kPollMax) : kPoll;
    const auto now = steady_clock::now();
    if (now >= end) {
      co_return fail(Code::kTimeout,
                     fmt::format("task {} got no result within {} ms", id, config.call_timeout_max.count()));
    }
    wake.expires_at(std::min(now + poll, end));
    boost::system::error_code error;
    co_await wake.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (co_await was_cancelled())
      co_return fail(Code::kCancelled, fmt::format("waiting for task {} was cancelled", id));
    auto next = co_await task_now(id, end);
    if (!next) {
      // What the server does not know, or what nobody can reach, can't be cancelled. A question that was cut
      // off by our own cancellation may end with any error.
      watch.over = !co_await was_cancelled() && next.error().code() != Code::kCancelled &&
                   next.error().code() != Code::kTimeout;
      co_return fail(std::move(next).error());
    }
    task = *std::move(next);
  }
  if (task.status == TaskStatus::kCancelled) {
    watch.over = true;
    const auto why = task.message.empty() ? std::string() : ": " + task.message;
    co_return Reply(JsonValue(
        Json{{"content", Json::array({{{"type", "text"}, {"text", "the server cancelled the task" + why}}})},
             {"isError", true}}));
  }
  if (!modern) {
    auto reply = co_await task_result(id, end);
    watch.over = static_cast<bool>(reply);
    co_return reply;
  }
  watch.over = true;
  if (task.status == TaskStatus::kCompleted) {
    const Json* result = find(*task.whole, "result");
    if (result == nullptr)
      co_return fail(Code::kProtocol, fmt::format("task {} is completed and has no result", id));
    co_return Reply(JsonValue(*result));
  }
  const Json* failure = find(*task.whole, "error");
  RpcError error{kInternalError, task.message.empty() ? "the task failed" : task.message, {}};
  if (failure != nullptr) {
    error.code = static_cast<int>(integer_at(*failure, "code", kInternalError));
    error.message = string_at(*failure, "message", error.message);
    if (const Json* data = find(*failure, "data")) error.data = *data;
  }
  co_return Reply(tl::unexpect, std::move(error));
}

}  // namespace tsukai::mcp
