// Threads that share the work of one operation.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace tsukai::infer {

// Owned and used by one thread, which works too. Between operations that follow closely the workers spin;
// after about 50 microseconds without work they sleep.
class WorkerPool {
 public:
  explicit WorkerPool(int threads);  // 1: no threads are started.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(task, thread) once for each task in [0, tasks), in any order, on any of the threads; returns
  // when all have ended. `thread` < threads() tells the callers apart (for scratch memory).
  template <typename Body>
  void run(int tasks, const Body& body) {
    run(
        tasks,
        [](const void* context, int task, int thread) { (*static_cast<const Body*>(context))(task, thread); },
        &body);
  }

 private:
  using Call = void (*)(const void* context, int task, int thread);
  void run(int tasks, Call call, const void* context);
  void work(int thread);
  void take_tasks(int thread);

  std::vector<std::thread> workers_;
  Call call_ = nullptr;
  const void* context_ = nullptr;
  // The operation's number above, its tasks that nobody has taken below: a worker that wakes late finds none,
  // or those of the operation that runs by then. No operation waits for a worker that took nothing.
  alignas(64) std::atomic<std::uint64_t> tickets_{0};
  alignas(64) std::atomic<std::uint32_t> round_{0};  // One more for each operation.
  alignas(64) std::atomic<int> open_{0};             // Tasks that have not ended.
  std::atomic<bool> closing_{false};
};

}  // namespace tsukai::infer
