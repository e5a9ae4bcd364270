#include "infer/cpu/worker_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tsukai::infer {
namespace {

// A pause takes about 40 to 140 cycles: some 50 microseconds before a worker goes to sleep.
constexpr int kSpins = 1500;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

WorkerPool::WorkerPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

WorkerPool::~WorkerPool() {
  closing_.store(true);
  round_.fetch_add(1);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void WorkerPool::run(int tasks, Call call, const void* context) {
  if (workers_.empty() || tasks <= 1) {
    for (int task = 0; task < tasks; ++task) call(context, task, 0);
    return;
  }
  call_ = call;
  context_ = context;
  open_.store(tasks, std::memory_order_relaxed);
  const auto round = round_.load(std::memory_order_relaxed) + 1;
  tickets_.store(std::uint64_t{round} << 32 | static_cast<std::uint32_t>(tasks), std::memory_order_release);
  round_.store(round, std::memory_order_release);
  round_.notify_all();
  take_tasks(0);
  for (int spin = 0; open_.load(std::memory_order_acquire) != 0; ++spin) {
    // A worker may have lost its core to another process: after a while, give ours away rather than burn it.
    if (spin < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void WorkerPool::take_tasks(int thread) {
  auto tickets = tickets_.load(std::memory_order_acquire);
  while (static_cast<std::uint32_t>(tickets) != 0) {
    if (!tickets_.compare_exchange_weak(tickets, tickets - 1, std::memory_order_acq_rel)) continue;
    // The operation whose ticket this is can't end before we say so: call_ and context_ are its own.
    call_(context_, static_cast<int>(static_cast<std::uint32_t>(tickets)) - 1, thread);
    open_.fetch_sub(1, std::memory_order_release);
    tickets = tickets_.load(std::memory_order_acquire);
  }
}

void WorkerPool::work(int thread) {
  std::uint32_t seen = 0;
  while (true) {
    for (int spin = 0; round_.load(std::memory_order_acquire) == seen; ++spin) {
      if (spin < kSpins) {
        pause();
      } else {
        round_.wait(seen, std::memory_order_acquire);
      }
    }
    seen = round_.load(std::memory_order_acquire);  // One that slept through an operation was not missed.
    if (closing_.load()) return;
    take_tasks(thread);
  }
}

}  // namespace tsukai::infer
