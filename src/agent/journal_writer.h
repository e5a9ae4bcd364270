// The journal for many runs at once on one event loop: appends of concurrent runs share commits
// (base/writer.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/journal.h"
#include "base/task.h"
#include "base/writer.h"

namespace tsukai::agent {

// The writes of Journal as tasks: the same contracts, durable on resumption. They never block the caller's
// thread. Reads go to a Journal over a connection of its own. The writer and the clock outlive it; so do they
// its tasks.
class JournalWriter {
 public:
  // Creates or migrates the tables; blocks the calling thread while it does.
  static Result<std::unique_ptr<JournalWriter>> open(Writer& writer, const Clock& clock);

  Task<std::string> start_run(std::string agent, std::string task, std::string user, JsonValue payload);
  Task<Row> append(std::string run, Kind kind, std::string step_key, int attempt, JsonValue payload);
  Task<std::vector<Row>> append_all(std::string run, std::vector<Entry> entries);
  Task<void> finish_run(std::string run, RunState state, std::string answer, JsonValue payload);
  // Anything else of Journal (leases, approvals, signals), on the writer's thread, in one transaction.
  Task<void> with(std::function<Result<void>(Journal&)> body);

 private:
  explicit JournalWriter(Writer& writer) : writer_(writer) {}

  Writer& writer_;
  std::shared_ptr<Journal> journal_;  // Touched on the writer's thread alone.
};

}  // namespace tsukai::agent
