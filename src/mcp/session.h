// Requests in flight: ids, deadlines, progress, cancellation. One side of one connection, pure of transport.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "mcp/client.h"
#include "mcp/message.h"

namespace tsukai::mcp {

struct RequestOptions {
  std::chrono::milliseconds idle{
      60'000};  // Without any sign of life; each progress notification starts it anew.
  std::chrono::milliseconds most{600'000};  // Whatever progress says.
  OnProgress on_progress;
  bool cancellable = true;  // `initialize` must not be cancelled.
  std::function<Result<void>(const Message&)>
      via;                             // Sends this request and its cancellation; empty: as all others.
  std::shared_ptr<const Stamp> stamp;  // Of the request.
};

// What the peer answered: a result, or an error with its code.
using Reply = tl::expected<JsonValue, RpcError>;

// Lives on one executor's thread; its destruction ends the calls in flight with kCancelled. Late answers,
// answers to unknown ids and second answers are ignored.
class Session {
 public:
  static constexpr std::size_t kInFlightMax = 4096;
  using Send = std::function<Result<void>(const Message&)>;

  Session(asio::any_io_executor executor, Send send);
  ~Session();

  // Sends a request with a progress token of its own and waits for its answer. Cancelling the coroutine tells
  // the peer. `params` must be an object. kTimeout names what was waited for, kTransport when the connection
  // broke, kExhausted beyond kInFlightMax.
  Task<Reply> call(std::string method, JsonValue params, RequestOptions options);
  Result<void> notify(std::string method, JsonValue params);

  // Takes a result, an error or a progress notification; gives false for anything else. The call that a
  // result or an error answers goes on inside: whatever it does next, destroying this session included, is
  // done when this returns.
  bool deliver(const Message& message);
  // The call with this id ends with an error: no answer to it will come.
  void fail_call(std::int64_t id, Error why);
  // As long as what this gives is held, no deadline passes and no time is used up: a person is being asked
  // on behalf of some call, and nobody can say of which.
  [[nodiscard]] std::shared_ptr<void> hold();
  // Every call in flight, and every later one, ends with this.
  void break_off(Error why);
  const std::optional<Error>& broken() const;
  std::size_t in_flight() const;

 private:
  struct Pending;
  struct State;
  static Task<Reply> run(std::shared_ptr<State> state, std::string method, JsonValue params,
                         RequestOptions options);
  std::shared_ptr<State> state_;  // Shared with the frames of calls in flight.
};

}  // namespace tsukai::mcp
