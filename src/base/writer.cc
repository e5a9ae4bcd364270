#include "base/writer.h"

#include <fmt/format.h>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace tsukai {
namespace {

struct Job {
  Writer::Work work;
  std::function<void(Result<void>)> done;  // Called on the writer's thread.
};

}  // namespace

struct Writer::State {
  explicit State(Database given, WriterOptions limits)
      : database(std::move(given)), options(std::move(limits)) {}

  Database database;  // Touched by the thread alone.
  const WriterOptions options;

  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Job> queue;
  Counts counts;
  bool stopping = false;
  std::thread thread;

  // Answers at once when the queue is full.
  void add(Job job) {
    {
      std::lock_guard lock(mutex);
      if (queue.size() < options.queue_max) {
        queue.push_back(std::move(job));
        arrived.notify_one();
        return;
      }
    }
    job.done(fail(Code::kExhausted,
                  fmt::format("{} writes are waiting for the disk already", options.queue_max),
                  "the disk is too slow for this many runs; start fewer at once"));
  }

  void run() {
    for (;;) {
      std::vector<Job> batch;
      {
        std::unique_lock lock(mutex);
        arrived.wait(lock, [&] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        while (!queue.empty() && batch.size() < options.batch_max) {
          batch.push_back(std::move(queue.front()));
          queue.pop_front();
        }
      }
      commit(batch);
    }
  }

  void commit(std::vector<Job>& batch) {
    std::vector<std::optional<Error>> errors(batch.size());
    // Alone in its transaction, a piece of work needs no savepoint: what undoes it undoes the transaction.
    const bool alone = batch.size() == 1;
    auto committed = database.write([&]() -> Result<void> {
      if (alone) return batch[0].work(database);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        auto done = database.write([&] { return batch[i].work(database); });
        if (!done) errors[i] = std::move(done).error();
      }
      return {};
    });
    {
      std::lock_guard lock(mutex);
      counts.works += batch.size();
      ++counts.commits;
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (errors[i])
        batch[i].done(fail(std::move(*errors[i])));
      else
        batch[i].done(committed);
    }
  }
};

Writer::Writer(std::unique_ptr<State> state) : state_(std::move(state)) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Writer::~Writer() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->arrived.notify_one();
  }
  state_->thread.join();
}

Result<std::unique_ptr<Writer>> Writer::open(const std::string& path, WriterOptions options) {
  TSUKAI_TRY(auto database, Database::open(path, options.database));
  return std::unique_ptr<Writer>(
      new Writer(std::make_unique<State>(std::move(database), std::move(options))));
}

Task<void> Writer::write(Work work) {
  auto initiate = [](auto handler, State* state, Work what) {
    auto executor = asio::get_associated_executor(handler);
    auto guard = asio::make_work_guard(executor);  // The caller's loop must not run dry meanwhile.
    auto kept = std::make_shared<decltype(handler)>(std::move(handler));
    state->add(
        {std::move(what), [kept = std::move(kept), guard = std::move(guard)](Result<void> result) mutable {
           auto resume_on = guard.get_executor();
           asio::post(resume_on, [kept = std::move(kept), guard = std::move(guard),
                                  result = std::move(result)]() mutable { (*kept)(std::move(result)); });
         }});
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Result<void>)>(
      initiate, asio::use_awaitable, state_.get(), std::move(work));
}

Result<void> Writer::write_and_wait(Work work) {
  std::promise<Result<void>> promise;
  auto future = promise.get_future();
  state_->add({std::move(work), [&promise](Result<void> result) { promise.set_value(std::move(result)); }});
  return future.get();
}

Writer::Counts Writer::counts() const {
  std::lock_guard lock(state_->mutex);
  return state_->counts;
}

}  // namespace tsukai
