// A thread that owns the write connection of a database and commits the work of many callers together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/database.h"
#include "base/task.h"

namespace tsukai {

struct WriterOptions {
  std::size_t queue_max = 4096;  // Work waiting; beyond it write() answers kExhausted at once.
  std::size_t batch_max = 256;   // Work in one transaction.
  DatabaseOptions database;
};

// Group commit: with synchronous=FULL one commit costs one fsync (about 4 ms on a virtual disk) whether it
// holds one caller's work or a hundred's. What arrives while a commit is on its way forms the next
// transaction; nothing is ever delayed to make a batch larger. Each piece of work is a savepoint: when it
// fails, it alone is undone. Thread-safe. Destroy it only when nobody awaits it any more and before the
// io_contexts of its callers.
class Writer {
 public:
  // Runs on the writer's thread within a transaction. It must not throw and must not wait for anything.
  using Work = std::function<Result<void>(Database& database)>;

  static Result<std::unique_ptr<Writer>> open(const std::string& path, WriterOptions options = {});
  ~Writer();  // Finishes what is queued.
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Resumes on the caller's executor when the work is durable or has failed. Not to be cancelled half-way: a
  // cancelled caller still learns the outcome, within one or two commits. REQUIRES: the executor's context is
  // destroyed after this writer, or after a later write_and_wait(): its thread may still be in post().
  Task<void> write(Work work);
  // The same for a caller without an event loop: blocks its thread.
  Result<void> write_and_wait(Work work);

  struct Counts {
    std::uint64_t works = 0;    // Pieces of work done, failed ones included.
    std::uint64_t commits = 0;  // Transactions.
  };
  Counts counts() const;

 private:
  struct State;
  explicit Writer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tsukai
