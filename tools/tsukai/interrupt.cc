#include "tools/tsukai/interrupt.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>

namespace tsukai::cli {
namespace {

// What a signal handler may touch: lock-free atomics and write().
std::atomic<int> signals_seen{0};
std::atomic<int> event_to_write{-1};
static_assert(std::atomic<int>::is_always_lock_free);

// timeout(1) and terminals send to the process and to its group: two signals that mean one.
constexpr std::int64_t kSameSignalWithin_ms = 300;
std::atomic<std::int64_t> first_seen_ms{0};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

std::int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

extern "C" void on_signal(int) {
  const int saved_errno = errno;
  if (signals_seen.fetch_add(1) > 0) {
    if (now_ms() - first_seen_ms.load() > kSameSignalWithin_ms) _exit(static_cast<int>(Exit::kInterrupted));
    errno = saved_errno;
    return;
  }
  first_seen_ms = now_ms();
  const std::uint64_t one = 1;
  const int event = event_to_write.load();
  if (event >= 0 && ::write(event, &one, sizeof one) < 0) _exit(static_cast<int>(Exit::kInterrupted));
  errno = saved_errno;
}

void install(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

Interrupts::Interrupts() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  TSUKAI_CHECK(event_ >= 0, "eventfd");
  signals_seen = 0;
  event_to_write = event_;
  install(on_signal);
}

Interrupts::~Interrupts() {
  install(SIG_DFL);
  event_to_write = -1;
  ::close(event_);
}

bool Interrupts::arrived() { return signals_seen.load() > 0; }

void ignore_broken_pipes() { signal(SIGPIPE, SIG_IGN); }

asio::awaitable<void> wait_for_signal(int event) {
  asio::posix::stream_descriptor descriptor(co_await asio::this_coro::executor, ::dup(event));
  boost::system::error_code ignored;
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                 asio::redirect_error(asio::use_awaitable, ignored));
}

namespace {

// Cancels what listens to `cancel` when a signal arrives or `limit` (if not zero) has passed; notes the
// latter.
asio::awaitable<void> watch(int event, std::chrono::milliseconds limit, asio::cancellation_signal& cancel,
                            bool& timed_out) {
  if (limit.count() > 0) {
    timed_out = co_await done_within(wait_for_signal(event), limit) == WaitEnd::kLate;
  } else {
    co_await wait_for_signal(event);
  }
  if (co_await was_cancelled()) co_return;  // The work has ended.
  cancel.emit(asio::cancellation_type::terminal);
}

}  // namespace

Interruption run_watched(asio::io_context& context, asio::awaitable<void> work,
                         std::chrono::milliseconds limit) {
  Interrupts interrupts;
  asio::cancellation_signal cancel, cancel_watch;
  Interruption end;
  bool done = false;
  asio::co_spawn(context, watch(interrupts.event(), limit, cancel, end.timed_out),
                 asio::bind_cancellation_slot(cancel_watch.slot(), [](std::exception_ptr) {}));
  asio::co_spawn(context, std::move(work),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr thrown) {
                   cancel_watch.emit(asio::cancellation_type::terminal);
                   done = true;
                   if (!thrown) return;
                   // Asio ends a cancelled coroutine with an exception where nothing inside made a Result of
                   // it.
                   try {
                     std::rethrow_exception(thrown);
                   } catch (const std::exception& exception) {
                     end.failure.emplace(Code::kInternal, exception.what());
                   }
                 }));
  context.restart();
  while (!done && context.run_one() > 0) {
  }
  context.poll();
  if (!done) end.failure.emplace(Code::kInternal, "the event loop ran dry before the command ended");
  return end;
}

}  // namespace tsukai::cli
