#include "base/task.h"

#include <doctest/doctest.h>

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

Task<void> fails() {
  TSUKAI_CO_TRY(int value, co_await answer_after(0ms, 3));
  co_return fail(Code::kNotFound, "no " + std::to_string(value));
}

}  // namespace

TEST_SUITE("base/task") {
  TEST_CASE("a deadline cancels what is late and lets through what is not") {
    CHECK(await(outer()).value() == 7);
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
