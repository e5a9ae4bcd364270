#include "base/task.h"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <stdexcept>

#include "base/gate.h"
#include "support/await.h"

using namespace tsukai;
using namespace std::chrono_literals;

namespace {

Task<int> answer_after(std::chrono::milliseconds delay, int value) {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(delay));
  co_return value;
}

Task<int> outer() {
  auto late = co_await with_deadline(answer_after(1h, 1), 5ms, "the slow thing");
  if (late) co_return fail(Code::kInternal, "it should have been late");
  if (late.error().code() != Code::kTimeout) co_return fail(Code::kInternal, late.error().text());
  co_return co_await with_deadline(answer_after(0ms, 7), 10s, "the quick thing");
}

Task<void> count_cancelled(int& cancelled) {
  auto slept = co_await sleep_for(1h);
  if (!slept && slept.error().code() == Code::kCancelled) ++cancelled;
  co_return Result<void>();
}

Task<int> close_gate_with(int children) {
  int cancelled = 0;
  Gate gate(co_await asio::this_coro::executor);
  for (int i = 0; i < children; ++i) gate.spawn(count_cancelled(cancelled));
  TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  co_await gate.close();
  if (gate.spawn(count_cancelled(cancelled))) co_return fail(Code::kInternal, "a closed gate took a child");
  co_return cancelled;
}

Task<int> drain_gate() {
  int done = 0;
  Gate gate(co_await asio::this_coro::executor);
  struct Child {
    static Task<void> run(int& done) {
      TSUKAI_CO_TRY_VOID(co_await sleep_for(2ms));
      ++done;
      co_return Result<void>();
    }
  };
  for (int i = 0; i < 3; ++i) gate.spawn(Child::run(done));
  co_await gate.drained();
  co_return done;
}

// What a task may do while somebody waits for it.
enum class Does { kEndsSoon, kSleeps, kThrows, kSleepsThenThrows, kEndsInSpiteOfAll };

Task<int> doing(Does does, bool* ended) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (does == Does::kThrows) throw std::runtime_error("thrown");
  const auto slept = co_await sleep_for(does == Does::kEndsSoon ? 0ms : 1h);
  *ended = true;
  if (does == Does::kSleepsThenThrows) throw std::runtime_error("thrown late");
  if (does == Does::kEndsInSpiteOfAll || slept) co_return 7;
  co_return fail(slept.error());
}

// with_deadline as asio's own operators would have it.
Task<int> plainly_with_deadline(Task<int> task, std::chrono::milliseconds limit, std::string what) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (std::move(task) || sleep_for(limit));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  if (co_await was_cancelled()) co_return fail(Code::kCancelled, what + " was cancelled");
  co_return fail(Code::kTimeout, what + " did not finish within " + std::to_string(limit.count()) + " ms");
}

// What comes of it, in words. `cancelled`: whoever waits is, once the work is on its way.
std::string outcome_of(Does does, bool cancelled, bool plain) {
  asio::io_context context;
  asio::cancellation_signal cancel;
  bool ended = false;
  std::string words = "nothing";
  const auto limit = cancelled ? 1h : std::chrono::milliseconds(does == Does::kEndsSoon ? 3'600'000 : 2);
  auto waiting = plain ? plainly_with_deadline(doing(does, &ended), limit, "it")
                       : with_deadline(doing(does, &ended), limit, "it");
  asio::co_spawn(
      context, std::move(waiting),
      asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr thrown, const Result<int>& outcome) {
        words = thrown ? "an exception" : outcome ? std::to_string(*outcome) : outcome.error().text();
      }));
  if (cancelled) {
    while (context.poll_one() > 0) {
    }
    asio::post(context, [&] { cancel.emit(asio::cancellation_type::terminal); });
  }
  context.run();
  return words + (ended ? ", ended" : "");
}

asio::awaitable<void> throws_at_once() {
  throw std::runtime_error("thrown");
  co_return;
}

// Which of two ended first, and whether each was left to its end.
Task<std::string> race(Does one, Does other) {
  bool one_ended = false, other_ended = false;
  std::optional<Result<int>> first, second;
  const bool won =
      co_await ends_first(keep(doing(one, &one_ended), &first), keep(doing(other, &other_ended), &second));
  std::string words = won ? "the first" : "the second";
  for (const auto& each : {first, second}) words += each && *each ? " 7" : each ? " cancelled" : " nothing";
  co_return words + (one_ended && other_ended ? ", both ended" : "");
}

Task<int> both(Does one, Does other) {
  bool one_ended = false, other_ended = false;
  std::optional<Result<int>> first, second;
  co_await both_end(keep(doing(one, &one_ended), &first), keep(doing(other, &other_ended), &second));
  co_return **first + **second;
}

Task<void> fails() {
  TSUKAI_CO_TRY(int value, co_await answer_after(0ms, 3));
  co_return fail(Code::kNotFound, "no " + std::to_string(value));
}

}  // namespace

TEST_SUITE("base/task") {
  TEST_CASE("a deadline cancels what is late and lets through what is not") {
    CHECK(await(outer()).value() == 7);
  }

  TEST_CASE("a deadline does as a parallel group of the work and a timer would") {
    for (const Does does : {Does::kEndsSoon, Does::kSleeps, Does::kEndsInSpiteOfAll}) {
      CAPTURE(static_cast<int>(does));
      CHECK(outcome_of(does, false, false) == outcome_of(does, false, true));
    }
    CHECK(outcome_of(Does::kEndsSoon, false, false) == "7, ended");
    CHECK(outcome_of(Does::kSleeps, false, false) == "it did not finish within 2 ms, ended");
    CHECK(outcome_of(Does::kEndsInSpiteOfAll, false, false) == "it did not finish within 2 ms, ended");
  }

  TEST_CASE("whoever is cancelled while it waits with a deadline cancels the work, and hears of its end") {
    CHECK(outcome_of(Does::kSleeps, true, false) == outcome_of(Does::kSleeps, true, true));
    CHECK(outcome_of(Does::kSleeps, true, false) == "the wait was cancelled, ended");
    CHECK(outcome_of(Does::kEndsInSpiteOfAll, true, false) == "7, ended");
    CHECK(outcome_of(Does::kSleepsThenThrows, true, false) == "it was cancelled, ended");
  }

  TEST_CASE("what the work throws is heard at once, and after its deadline it is late") {
    CHECK(outcome_of(Does::kThrows, true, false) == "an exception");
    CHECK(outcome_of(Does::kSleepsThenThrows, false, false) == "it did not finish within 2 ms, ended");
  }

  TEST_CASE("of two works the one that ends first ends the other, which is waited for") {
    CHECK(await(race(Does::kEndsSoon, Does::kSleeps)).value() == "the first 7 cancelled, both ended");
    CHECK(await(race(Does::kSleeps, Does::kEndsSoon)).value() == "the second cancelled 7, both ended");
    CHECK(await(race(Does::kEndsSoon, Does::kThrows)).value() == "the first 7 nothing");
  }

  TEST_CASE("two works are waited for until both have ended") {
    CHECK(await(both(Does::kEndsSoon, Does::kEndsSoon)).value() == 14);
  }

  TEST_CASE("what is thrown on an event loop of its own comes out of it") {
    asio::io_context context;
    CHECK_THROWS_AS(run_loop(context, throws_at_once()), std::runtime_error);
  }

  TEST_CASE("an error crosses coroutines with its code") {
    auto result = await(fails());
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code() == Code::kNotFound);
    CHECK(result.error().message() == "no 3");
  }

  TEST_CASE("closing a gate cancels its children, waits for them and takes no more") {
    CHECK(await(close_gate_with(5)).value() == 5);
    CHECK(await(close_gate_with(0)).value() == 0);
  }

  TEST_CASE("draining a gate waits without cancelling") { CHECK(await(drain_gate()).value() == 3); }
}
