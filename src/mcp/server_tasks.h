// The tasks of a server: calls that go on after their request was answered, kept until their time is over.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/gate.h"
#include "mcp/message.h"
#include "mcp/server.h"
#include "mcp/task_state.h"

namespace tsukai::mcp {

// What a handler's run gave.
using Answer = tl::expected<JsonValue, RpcError>;

struct ServerTask {
  struct Question {
    InputRequest request;
    bool sent = false;  // To a client that waits for tasks/result (2025-11-25).
    std::optional<JsonValue> answer;
    std::string refusal;  // Why there will be no answer.
  };

  explicit ServerTask(asio::any_io_executor executor)
      : changed(std::move(executor), asio::steady_timer::time_point::max()) {}

  std::string id;                // Nobody can guess it: whoever knows it may ask for the task.
  std::string principal;         // Only the same one may; empty: clients are not told apart.
  std::uint64_t connection = 0;  // That made it: what it may list, and where announcements go (2025-11-25).
  JsonValue token;               // For progress notifications (2025-11-25); null: none are wanted.
  TaskStatus status = TaskStatus::kWorking;
  std::string message;
  std::int64_t created_ms = 0, updated_ms = 0;  // Wall clock.
  std::int64_t ttl_ms = 0, poll_ms = 0;
  std::map<std::string, Question> questions;  // Outstanding.
  std::optional<Answer> answer;               // Set once it is over, unless it was cancelled.
  std::size_t answer_bytes = 0;
  Gate::Child work;
  asio::steady_timer changed;  // Never fires; cancelled at each change, which wakes all who wait.
};

// Lives on the serving thread. REQUIRES: every attach() has had its detach() before destruction, and the
// executor's context lives longer.
class ServerTasks {
 public:
  static constexpr std::size_t kTasksMax = 1024;
  static constexpr std::size_t kAnswerBytesMax = 64u << 20;  // Of all tasks kept.
  static constexpr std::int64_t kTtlMinMs = 1'000, kTtlMaxMs = 24 * 3'600'000;

  explicit ServerTasks(const Clock& clock) : clock_(clock) {}

  // Work runs while somebody serves; when the last one stops, what is still running is cancelled.
  void attach(const asio::any_io_executor& executor);
  asio::awaitable<void> detach();

  // A task that works on. `ttl_ms`: as the client wishes, kept within the limits. kExhausted when too much is
  // kept already.
  Result<std::shared_ptr<ServerTask>> create(std::string principal, std::uint64_t connection,
                                             std::int64_t ttl_ms, std::int64_t poll_ms);
  // Starts its work; false when nobody serves any more.
  bool spawn(Task<void> work, Gate::Child& handle) {
    return gate_ != nullptr && gate_->spawn(std::move(work), handle);
  }
  // Null: never was, not this principal's, or its time is over.
  std::shared_ptr<ServerTask> find(const std::string& id, const std::string& principal);
  // In the order of creation.
  const std::deque<std::shared_ptr<ServerTask>>& all();

  // Changes of a task that is over change nothing.
  void say(ServerTask& task, std::string message);
  void settle(ServerTask& task, Answer answer);
  void cancel(ServerTask& task);
  void ask(ServerTask& task, std::map<std::string, InputRequest> questions);
  // Takes the answers to outstanding questions, once each; others are ignored.
  void take(ServerTask& task, const std::map<std::string, JsonValue>& answers);
  void refuse(ServerTask& task, const std::string& key, std::string why);
  // The answers to these questions, which are outstanding no more; nullopt while one is missing, kDenied when
  // one was refused. The task works again when nothing is outstanding. `keys`: the asker's own names to those
  // the questions were asked under.
  using Answered = Result<std::map<std::string, JsonValue>>;
  std::optional<Answered> answers(ServerTask& task, const std::map<std::string, std::string>& keys);

  // The task in a message: as 2026-07-28 has it, whole; or as 2025-11-25 has it.
  Json modern(const ServerTask& task, bool whole) const;
  Json legacy(const ServerTask& task) const;

  std::function<void(const ServerTask&)> on_change;

 private:
  void changed(ServerTask& task);
  void forget_expired();

  const Clock& clock_;
  asio::any_io_executor executor_;
  std::unique_ptr<Gate> gate_;
  std::size_t serving_ = 0;
  std::deque<std::shared_ptr<ServerTask>> tasks_;
};

// Resumes at the next change of the task. False: the coroutine was cancelled.
asio::awaitable<bool> next_change(std::shared_ptr<ServerTask> task);

// Has an answer the form that its question's method asks for? One that has not is asked for again.
bool well_formed_response(const std::string& method, const Json& response);

}  // namespace tsukai::mcp
