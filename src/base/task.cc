#include "base/task.h"

#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <memory>

namespace tsukai {

using namespace asio::experimental::awaitable_operators;

asio::awaitable<bool> was_cancelled() {
  co_return (co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none;
}

Task<void> sleep_for(std::chrono::milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  boost::system::error_code error;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return fail(Code::kCancelled, "the wait was cancelled");
  co_return Result<void>();
}

asio::awaitable<bool> ends_first(asio::awaitable<void> one, asio::awaitable<void> other) {
  const auto first = co_await (std::move(one) || std::move(other));
  co_return first.index() == 0;
}

asio::awaitable<void> both_end(asio::awaitable<void> one, asio::awaitable<void> other) {
  co_await (std::move(one) && std::move(other));
}

namespace {

// Shared with the handlers of the timer and of whoever cancels, which may come after the end.
struct Deadline {
  explicit Deadline(const asio::any_io_executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  asio::cancellation_signal stop;
  bool over = false, late = false;
};

void cancel_at_the_end(const std::shared_ptr<Deadline>& deadline) {
  deadline->timer.async_wait([deadline](boost::system::error_code error) {
    if (error || deadline->over) return;
    deadline->late = true;
    deadline->stop.emit(asio::cancellation_type::all);
  });
}

}  // namespace

// A parallel group of the work and a timer would do as well, with two coroutines started for each wait.
asio::awaitable<WaitEnd> done_within(asio::awaitable<void> work, std::chrono::milliseconds limit) {
  const auto executor = co_await asio::this_coro::executor;
  const auto state = co_await asio::this_coro::cancellation_state;
  const auto deadline = std::make_shared<Deadline>(executor);
  deadline->timer.expires_after(limit);
  cancel_at_the_end(deadline);
  auto outer = state.slot();
  if (outer.is_connected()) {
    outer.assign([deadline](asio::cancellation_type type) {
      const auto kept = deadline;  // What follows may end this handler.
      kept->stop.emit(type);
    });
  }
  std::exception_ptr thrown;
  try {
    co_await asio::co_spawn(executor, std::move(work),
                            asio::bind_cancellation_slot(deadline->stop.slot(), asio::use_awaitable));
  } catch (...) {
    thrown = std::current_exception();
  }
  deadline->over = true;
  deadline->timer.cancel();
  if (outer.is_connected()) outer.clear();
  if (deadline->late) co_return WaitEnd::kLate;
  if (!thrown) co_return WaitEnd::kDone;
  if (state.cancelled() != asio::cancellation_type::none) co_return WaitEnd::kCancelled;
  std::rethrow_exception(thrown);
}

Error not_done(WaitEnd end, const std::string& what, std::chrono::milliseconds limit) {
  if (end == WaitEnd::kCancelled) return Error(Code::kCancelled, what + " was cancelled");
  return Error(Code::kTimeout, fmt::format("{} did not finish within {} ms", what, limit.count()));
}

bool run_loop(asio::io_context& context, asio::awaitable<void> work) {
  bool done = false;
  asio::co_spawn(context, std::move(work), [&done](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
    done = true;
  });
  context.restart();
  while (!done && context.run_one() > 0) {
  }
  return done;
}

}  // namespace tsukai
