// One incoming request being worked on: its era, where its messages go, and what its handler may ask.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/gate.h"
#include "mcp/message.h"
#include "mcp/server_registry.h"
#include "mcp/session.h"

namespace tsukai::mcp {

inline constexpr std::chrono::minutes kAskWait{
    30};  // For what is asked of the client: a person may have to answer.

// Takes the messages that belong to one incoming message: its answer, and what comes before it. Copies are
// cheap and share what they call.
class Outlet {
 public:
  Outlet() = default;
  template <typename Take>
    requires std::is_invocable_v<const Take&, Message>
  Outlet(Take take)  // NOLINT: implicit on purpose
      : take_(std::make_shared<const std::function<void(Message)>>(std::move(take))) {}
  void operator()(Message message) const { (*take_)(std::move(message)); }
  explicit operator bool() const { return take_ != nullptr; }

 private:
  std::shared_ptr<const std::function<void(Message)>> take_;
};

// How severe a log level is, 0 (debug) to 7 (emergency); -1: no such level.
int log_severity(std::string_view level);

struct ServerRequest {
  JsonValue id;
  std::string method;
  JsonValue params;  // An object.
  Outlet outlet;
  bool modern = false;  // 2026-07-28.
  const Registry* registry = nullptr;

  void answer(JsonValue value) const;
  // With the caching hints that lists carry.
  void answer_cacheable(Json value) const;
  void refuse(int code, std::string message, JsonValue data = {}) const;
  // No handler saw it.
  void reject(int code, std::string message, JsonValue data = {}) const;
};

// What the client answered, by key.
using Answers = std::map<std::string, JsonValue>;

// What a call that may become a task needs for that.
struct TaskTerms {
  std::string principal;
  std::uint64_t connection = 0;
  std::int64_t ttl_ms = 0, poll_ms = 0;
};

// The context of tools/call, prompts/get and resources/read.
class ServerCall : public CallContext {
 public:
  ServerCall(ServerRequest request, JsonValue capabilities, int log_from, Session* peer);

  // Takes the client's answers out of params (2026-07-28); an error when they or the requestState are not
  // acceptable.
  std::optional<RpcError> take_responses();

  void progress(double done, double total, std::string message) override;
  bool cancelled() const override {
    return is_cancelled || (as_task && as_task->status == TaskStatus::kCancelled);
  }
  void log(std::string_view level, std::string logger, JsonValue data) override;
  const Json& client_capabilities() const override { return *capabilities_; }
  Task<Answers> ask(std::map<std::string, InputRequest> questions) override;
  Result<void> begin_task() override;

  // Set by ask() in the modern era: stands for whatever the handler gave.
  const std::optional<Answer>& instead() const { return instead_; }

  ServerRequest request;
  bool is_cancelled = false;
  Gate::Child task;

  // Calls that may become a task run among the server's tasks, and their connection waits for the turn they
  // take: that they have become one, or that they are over.
  std::optional<TaskTerms> terms;
  std::shared_ptr<ServerTask> as_task;
  std::optional<Answer> outcome;
  std::optional<asio::steady_timer> turned;  // Cancelled at that turn.
  Gate::Child work;

 private:
  Result<Answers> ask_modern(const std::map<std::string, InputRequest>& questions);
  Task<Answers> ask_legacy(std::map<std::string, InputRequest> questions);
  Task<Answers> ask_in_task(std::map<std::string, InputRequest> questions);
  void task_progress(double done, double total, std::string message);
  std::optional<Error> not_offered(const InputRequest& question);

  JsonValue capabilities_;
  int log_from_;   // The least severe level that is sent; 8: none.
  Session* peer_;  // For requests to the client; legacy only.
  JsonValue token_;
  double done_last_ = -1;
  Answers responses_;
  std::optional<Answer> instead_;
  int rounds_asked_ = 0;  // As a task.
};

}  // namespace tsukai::mcp
