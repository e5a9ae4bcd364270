// Coroutines: Task<T> = awaitable<Result<T>>. Write them as named functions that take their parameters by
// value; no capturing lambda coroutine except directly in co_spawn; nothing detached (children belong to a
// Gate).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/result.h"

namespace tsukai {

namespace asio = boost::asio;

template <typename T>
using Task = asio::awaitable<Result<T>>;

// Whether the coroutine that asks was cancelled.
asio::awaitable<bool> was_cancelled();

// Waits. kCancelled when the coroutine was cancelled meanwhile.
Task<void> sleep_for(std::chrono::milliseconds duration);

// Runs `task` for at most `limit`; past it the task is cancelled and the answer is kTimeout, naming `what`.
template <typename T>
Task<T> with_deadline(Task<T> task, std::chrono::milliseconds limit, std::string what) {
  using namespace asio::experimental::awaitable_operators;
  std::variant<Result<T>, Result<void>> first = co_await (std::move(task) || sleep_for(limit));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    co_return fail(Code::kCancelled, what + " was cancelled");
  co_return fail(Code::kTimeout, what + " did not finish within " + std::to_string(limit.count()) + " ms");
}

// Runs a task to its end on a context of its own: for main functions and tests, never inside a coroutine.
template <typename T>
Result<T> run_to_end(asio::io_context& context, Task<T> task) {
  std::optional<Result<T>> outcome;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr error, Result<T> result) {
    if (error) std::rethrow_exception(error);
    outcome.emplace(std::move(result));
  });
  context.restart();
  while (!outcome && context.run_one() > 0) {
  }
  if (!outcome) return fail(Code::kInternal, "the event loop ran dry before the task ended");
  return std::move(*outcome);
}

}  // namespace tsukai
