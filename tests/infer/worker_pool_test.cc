#include "infer/cpu/worker_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

using tsukai::infer::WorkerPool;

TEST_SUITE("infer/worker_pool") {
  TEST_CASE("every task of every operation runs exactly once, before the operation ends") {
    for (const int threads : {1, 2, 5}) {
      WorkerPool pool(threads);
      CHECK(pool.threads() == threads);
      for (int round = 0; round < 3'000; ++round) {
        const int tasks = round % 17;
        std::vector<int> runs(static_cast<std::size_t>(tasks));  // Plain: no two threads may share one.
        pool.run(tasks, [&](int task, int) { runs[static_cast<std::size_t>(task)] += round + 1; });
        REQUIRE(runs == std::vector<int>(static_cast<std::size_t>(tasks), round + 1));
      }
    }
  }

  TEST_CASE("two tasks at one time never see the same thread number") {
    WorkerPool pool(4);
    std::vector<std::atomic<int>> inside(4);
    std::atomic<bool> shared{false};
    for (int round = 0; round < 500; ++round) {
      pool.run(16, [&](int, int thread) {
        if (inside[static_cast<std::size_t>(thread)].fetch_add(1) != 0) shared = true;
        inside[static_cast<std::size_t>(thread)].fetch_sub(1);
      });
    }
    CHECK_FALSE(shared);
  }

  TEST_CASE("a pool closes while its workers sleep or have never worked") {
    for (int i = 0; i < 50; ++i) WorkerPool pool(3);
  }
}
