#include "base/gate.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>
#include <list>

#include "base/log.h"

namespace tsukai {

namespace {

bool is_cancellation(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& thrown) {
    return thrown.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

}  // namespace

struct Gate::State {
  explicit State(asio::any_io_executor given) : executor(std::move(given)), idle(executor) {
    idle.expires_at(asio::steady_timer::time_point::max());
  }
  asio::any_io_executor executor;
  asio::steady_timer idle;  // Never fires; cancelled whenever the last child ends, which wakes all who wait.
  std::list<std::shared_ptr<asio::cancellation_signal>> children;
  bool closing = false;
};

Gate::Gate(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

Gate::~Gate() {
  if (!state_->children.empty())
    log_warning("gate destroyed with {} children alive", state_->children.size());
}

void Gate::Child::cancel() {
  if (auto signal = signal_.lock()) signal->emit(asio::cancellation_type::all);
}

bool Gate::spawn(Task<void> child) {
  Child ignored;
  return spawn(std::move(child), ignored);
}

bool Gate::spawn(Task<void> child, Child& handle) {
  if (state_->closing) return false;
  auto signal =
      state_->children.insert(state_->children.end(), std::make_shared<asio::cancellation_signal>());
  handle.signal_ = *signal;
  asio::co_spawn(
      state_->executor, std::move(child),
      asio::bind_cancellation_slot(
          (*signal)->slot(), [state = state_, signal](std::exception_ptr error, const Result<void>& result) {
            state->children.erase(signal);
            if (state->children.empty()) state->idle.cancel();
            // Asio throws out of the first co_await after a cancellation: an end like any other.
            if (error && !is_cancellation(error)) std::rethrow_exception(error);
            if (error) return;
            if (!result && result.error().code() != Code::kCancelled) {
              log_debug("background task ended: {}", result.error().text());
            }
          }));
  return true;
}

size_t Gate::alive() const { return state_->children.size(); }
bool Gate::closing() const { return state_->closing; }

asio::awaitable<void> Gate::close() {
  auto state = state_;
  state->closing = true;
  // A child may end, and so leave the list, while it is being cancelled.
  for (auto it = state->children.begin(); it != state->children.end();) {
    const auto child = *it++;
    child->emit(asio::cancellation_type::all);
  }
  co_await drained();
}

asio::awaitable<void> Gate::drained() {
  auto state = state_;
  while (!state->children.empty()) {
    boost::system::error_code error;
    co_await state->idle.async_wait(asio::redirect_error(asio::use_awaitable, error));
    auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
    if (cancelled != asio::cancellation_type::none && !state->closing) co_return;
    if (cancelled != asio::cancellation_type::none) {
      // Whoever waits was cancelled as well; the children still have to end, so wait without the slot.
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    }
  }
}

}  // namespace tsukai
