// Ctrl-C and SIGTERM: the first ends the work in hand in good order, the second ends the process at once.
#pragma once

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

struct Interruption {
  bool timed_out = false;
  std::optional<Error> failure;  // Where the work has no outcome of its own.
};

// run_interruptible() of work without an outcome.
Interruption run_watched(asio::io_context& context, asio::awaitable<void> work,
                         std::chrono::milliseconds limit);

// Runs `task` on a context of its own until its end. A signal cancels it; so does `limit`, unless it is zero.
// After `limit` an Error is kTimeout, naming the limit; a value the task gave in spite of it is returned, and
// `timed_out` (if given) tells. After a signal an Error is kCancelled.
template <typename T>
Result<T> run_interruptible(asio::io_context& context, Task<T> task, std::chrono::milliseconds limit = {},
                            bool* timed_out_by_limit = nullptr) {
  std::optional<Result<T>> outcome;
  const Interruption end = run_watched(context, keep(std::move(task), &outcome), limit);
  if (timed_out_by_limit != nullptr) *timed_out_by_limit = end.timed_out;
  if (outcome && outcome->has_value()) return *std::move(outcome);
  if (end.timed_out) {
    return fail(Code::kTimeout, "not finished within " + std::to_string(limit.count()) + " ms",
                "raise --timeout");
  }
  if (Interrupts::arrived()) return fail(Code::kCancelled, "interrupted");
  if (end.failure) return fail(*end.failure);
  return *std::move(outcome);
}

}  // namespace tsukai::cli
