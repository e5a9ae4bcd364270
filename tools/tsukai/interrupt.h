// Ctrl-C and SIGTERM: the first ends the work in hand in good order, the second ends the process at once.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <optional>

#include "base/task.h"

namespace tsukai::cli {

// Installs the handlers for as long as it lives; one at a time in a process.
// The handlers write to an eventfd that the io context reads, so the first signal arrives as an ordinary
// event; a second one ends the process from the handler itself, whatever the main thread is busy with.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  int event() const { return event_; }
  // Whether a signal has arrived since construction.
  static bool arrived();

 private:
  int event_;
};

// SIGPIPE is ignored in this process (a closed pipe is an error code), which children do not inherit from the
// mcp client.
void ignore_broken_pipes();

// Resumes when a signal arrives; kCancelled when there is no more use for it.
asio::awaitable<void> wait_for_signal(int event);

// Cancels what listens to `cancel` when a signal arrives or `limit` (if not zero) has passed; notes the
// latter.
asio::awaitable<void> watch(int event, std::chrono::milliseconds limit, asio::cancellation_signal& cancel,
                            bool& timed_out);

// Runs `task` on a context of its own until its end. A signal cancels it; so does `limit`, unless it is zero.
// After `limit` an Error is kTimeout, naming the limit; a value the task gave in spite of it is returned, and
// `timed_out` (if given) tells. After a signal an Error is kCancelled.
template <typename T>
Result<T> run_interruptible(asio::io_context& context, Task<T> task, std::chrono::milliseconds limit = {},
                            bool* timed_out_by_limit = nullptr) {
  Interrupts interrupts;
  asio::cancellation_signal cancel;
  asio::cancellation_signal cancel_watch;
  std::optional<Result<T>> outcome;
  bool timed_out = false;
  asio::co_spawn(context, watch(interrupts.event(), limit, cancel, timed_out),
                 asio::bind_cancellation_slot(cancel_watch.slot(), [](std::exception_ptr) {}));
  asio::co_spawn(context, std::move(task),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr error, Result<T> result) {
                   cancel_watch.emit(asio::cancellation_type::terminal);
                   if (!error) {
                     outcome.emplace(std::move(result));
                     return;
                   }
                   // Asio ends a cancelled coroutine with an exception where nothing inside made a Result of
                   // it.
                   try {
                     std::rethrow_exception(error);
                   } catch (const std::exception& exception) {
                     if (Interrupts::arrived() || timed_out) {
                       outcome.emplace(fail(Code::kCancelled, "interrupted"));
                     } else {
                       outcome.emplace(fail(Code::kInternal, exception.what()));
                     }
                   }
                 }));
  context.restart();
  while (!outcome && context.run_one() > 0) {
  }
  context.poll();
  if (timed_out_by_limit != nullptr) *timed_out_by_limit = timed_out;
  if (!outcome) return fail(Code::kInternal, "the event loop ran dry before the command ended");
  if (outcome->has_value() || !timed_out) {
    if (!outcome->has_value() && Interrupts::arrived()) return fail(Code::kCancelled, "interrupted");
    return std::move(*outcome);
  }
  return fail(Code::kTimeout, "not finished within " + std::to_string(limit.count()) + " ms",
              "raise --timeout");
}

}  // namespace tsukai::cli
