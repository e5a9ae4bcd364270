// How far a run is: a fold over its journal rows. The live loop, resume, replay and `runs show` all know a
// run through this one function, so that what is not in the journal can't matter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/journal.h"
#include "agent/observation.h"
#include "agent/totals.h"
#include "infer/model.h"
#include "planner/react.h"

namespace tsukai::agent {

// A call of a turn, and how far it got.
struct CallProgress {
  enum class Stage {
    kPlanned,   // The model asked for it; nothing was journaled yet.
    kIntended,  // TOOL_INTENT is durable.
    kStarted,   // TOOL_STARTED is durable: it may have reached the server.
    kUnknown,   // TOOL_UNKNOWN is durable: the run waits for a person.
    kSettled,   // TOOL_RESULT is durable.
  } stage = Stage::kPlanned;
  infer::ToolCall call;
  std::string step_key;  // "step-2/call-1"
  int attempts = 0;      // TOOL_STARTED rows so far.
  bool asked = false;    // APPROVAL_ASKED is durable.
  bool allowed = false;  // APPROVAL_GIVEN is durable and allows it.
  bool denied = false;   // APPROVAL_GIVEN is durable and denies it: `denial` says who and why.
  std::string denial;
  Outcome outcome = Outcome::kDone;
  std::string observation;
};

// One turn of the model that has its MODEL_RESULT.
struct StepProgress {
  planner::NoteKind note = planner::NoteKind::kNone;
  infer::FinishReason finish = infer::FinishReason::kStop;
  std::string text;
  std::vector<CallProgress> calls;
};

// A model call without a result yet.
struct OpenModelCall {
  std::string step_key;
  infer::Prompt prompt;       // Rebuilt whole, exactly as the model was given it.
  std::string prompt_sha256;  // As journaled.
  planner::NoteKind note = planner::NoteKind::kNone;
  std::string note_text;
};

struct Progress {
  std::string task;
  std::vector<infer::Message> messages;  // All the model was told and said, in order.
  infer::Transcript transcript;          // The same as text and tokens.
  std::vector<StepProgress> steps;
  std::optional<OpenModelCall> open;
  Totals totals;
  // For the planner, kept up row by row. Limits, time spent and the settings are added by the caller.
  planner::Situation situation;
  bool recalled = false;
  bool finished = false;
  bool cancel_asked = false;    // By a signal.
  std::string said;             // By a person, for the model's next turn.
  std::string aborted;          // By whom and what, when a person gave up an unknown call.
  std::int64_t active_ms = 0;   // Wall time in which some process worked on it.
  std::int64_t last_at_ms = 0;  // Of the newest row.

  // Takes the next row. kCorrupt when it does not fit what came before.
  Result<void> apply(const Row& row);
  // All rows of a run, from the first.
  static Result<Progress> of(const std::vector<Row>& rows);

  // The newest step's call with this key, or nullptr.
  CallProgress* call_at(const std::string& step_key);

 private:
  Result<void> take_intent(const Row& row);
  Result<void> take_reply(const Row& row);
  Result<void> take_call(const Row& row);
  Result<void> take_signal(const Row& row);
  void settle(CallProgress& call, Outcome outcome, std::string observation, double ms);
};

// "step-3", "step-3/call-1"; both counted from 1.
std::string step_key(std::size_t step);
std::string call_key(std::size_t step, std::size_t call);

}  // namespace tsukai::agent
