// Coroutines: Task<T> = awaitable<Result<T>>. Write them as named functions that take their parameters by
// value; no capturing lambda coroutine except directly in co_spawn; nothing detached (children belong to a
// Gate).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"

namespace tsukai {

namespace asio = boost::asio;

template <typename T>
using Task = asio::awaitable<Result<T>>;

// Whether the coroutine that asks was cancelled.
asio::awaitable<bool> was_cancelled();

// Waits. kCancelled when the coroutine was cancelled meanwhile.
Task<void> sleep_for(std::chrono::milliseconds duration);

// `task` without its outcome, which goes to `into`. Running coroutines side by side is expensive to compile,
// so it is done here for those without an outcome, once, and not for every type: keep() makes one of any
// task.
template <typename T>
asio::awaitable<void> keep(Task<T> task, std::optional<Result<T>>* into) {
  into->emplace(co_await std::move(task));
}

// Runs both until one has ended, cancels the other and waits for it: whether `one` ended first. What throws
// has not ended as long as the other one runs.
asio::awaitable<bool> ends_first(asio::awaitable<void> one, asio::awaitable<void> other);

// Runs both until both have ended. What one throws cancels the other, and is thrown.
asio::awaitable<void> both_end(asio::awaitable<void> one, asio::awaitable<void> other);

// How a wait for something ended: by itself, cancelled since its time was over, or cancelled with whoever
// waited.
enum class WaitEnd { kDone, kLate, kCancelled };

// Runs `work` for at most `limit`, and past it cancels it and waits for its end. What it throws is thrown,
// unless it was cancelled.
asio::awaitable<WaitEnd> done_within(asio::awaitable<void> work, std::chrono::milliseconds limit);

// kTimeout or kCancelled, naming `what`. REQUIRES: `end` is not kDone.
Error not_done(WaitEnd end, const std::string& what, std::chrono::milliseconds limit);

// Runs `task` for at most `limit`; past it the task is cancelled and the answer is kTimeout, naming `what`.
template <typename T>
Task<T> with_deadline(Task<T> task, std::chrono::milliseconds limit, std::string what) {
  std::optional<Result<T>> outcome;
  const WaitEnd end = co_await done_within(keep(std::move(task), &outcome), limit);
  if (end == WaitEnd::kDone) co_return *std::move(outcome);
  co_return fail(not_done(end, what, limit));
}

// Runs `work` to its end on `context`; false: the event loop ran dry before. What it throws is thrown.
bool run_loop(asio::io_context& context, asio::awaitable<void> work);

// Runs a task to its end on a context of its own: for main functions and tests, never inside a coroutine.
template <typename T>
Result<T> run_to_end(asio::io_context& context, Task<T> task) {
  std::optional<Result<T>> outcome;
  if (!run_loop(context, keep(std::move(task), &outcome)))
    return fail(Code::kInternal, "the event loop ran dry before the task ended");
  return *std::move(outcome);
}

}  // namespace tsukai
