// The inside of a run (run.h), in three files: its life (run.cc), its model calls (run_model.cc), its tool
// calls (run_calls.cc). What it knows is a fold over journal rows; members beyond that are of this process
// alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/progress.h"
#include "agent/run.h"
#include "base/json_schema.h"
#include "planner/react.h"

namespace tsukai::agent {

// How a run ends, or pauses (kWaiting).
struct Ending {
  RunState state = RunState::kFailed;
  std::string answer;  // The model's text; may be empty.
  std::string reason;  // Empty when done.
};

class Run {
 public:
  explicit Run(RunParts parts) : parts_(std::move(parts)) {}

  Task<RunOutcome> start();
  Task<RunOutcome> resume(std::string id);

 private:
  Result<void> begin();
  Result<void> restore(const std::string& id);
  Task<RunOutcome> loop();
  // What somebody outside wants: cancel, or giving up an unknown call.
  Result<std::optional<Ending>> outside();
  Result<void> recall();
  Result<void> remember(const Ending& ending);
  Result<RunOutcome> close(Ending ending);
  Result<RunOutcome> pause(Ending ending);
  planner::Situation situation();

  Task<std::optional<Ending>> ask_model(planner::AskModel question);
  infer::ChatRequest request_for(const planner::AskModel& question) const;
  std::optional<Ending> room_for(const infer::Prompt& prompt, std::int64_t tokens_left) const;

  Task<std::optional<Ending>> dispatch(std::size_t calls_allowed);
  // What becomes of one call now.
  enum class Fate { kGo, kSettled, kWaits };
  Result<Fate> consider(std::size_t index, bool room);
  Result<Fate> approve(std::size_t index, const std::string& rule);
  Result<void> intend();
  Task<void> work();
  Task<void> make_call(std::size_t index);
  Result<void> settle(std::size_t index, const Observation& observation);

  // Appends a row, durably, and takes it into progress_.
  Result<void> record(Kind kind, const std::string& key, const Json& payload, int attempt = 1);
  // Takes in a row that the journal wrote of itself.
  Result<void> note(Kind kind, const std::string& key, Json payload);
  void tell(const std::string& type, Json data);
  std::int64_t elapsed_ms() const { return parts_.clock.steady_ms() - began_ms_; }
  std::int64_t left_ms() const { return parts_.file.budget.seconds * 1000 - elapsed_ms(); }
  std::size_t step_number() const { return progress_.steps.size(); }
  std::vector<CallProgress>& calls() { return progress_.steps.back().calls; }
  // Members that name a call in events.
  Json call_named(const CallProgress& call) const;

  RunParts parts_;
  std::string id_;
  Progress progress_;
  std::int64_t began_ms_ = 0;  // Steady clock, less the time that earlier owners worked.
  std::int64_t signals_ms_ = 0;
  std::optional<JsonSchema> output_;
  std::vector<std::size_t> queue_;    // Calls of this turn that wait for a worker, in reverse order.
  std::optional<Error> call_failed_;  // The journal's, while calls ran side by side.
};

// Whether the coroutine that asks was cancelled.
asio::awaitable<bool> was_cancelled();

}  // namespace tsukai::agent
