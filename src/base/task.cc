#include "base/task.h"

#include <boost/asio/redirect_error.hpp>

namespace tsukai {

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

}  // namespace tsukai
