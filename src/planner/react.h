// Deciding step by step: what a run does next, from what has happened so far. Pure: no I/O, no clock, no
// model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "infer/model.h"

namespace tsukai::planner {

// Why the loop spoke to the model between two turns.
enum class NoteKind {
  kNone,
  kLoop,     // The same calls gave the same results again and again.
  kCut,      // The turn was cut by its length.
  kEmpty,    // Neither text nor calls.
  kInvalid,  // The answer does not conform to the output schema.
  kLanding,  // The budget ends: finish with what there is.
  kSaid,     // A person's word, given from outside.
};
std::string_view name(NoteKind kind);  // "none", "loop", ...
NoteKind note_kind_named(std::string_view name);

// One call of a turn and what came of it. `result` identifies the observation: equal results are equal
// strings.
struct CallOutcome {
  std::string call;    // name and canonical arguments
  std::string result;  // empty while the call has no result
  bool settled = false;
  bool invalid = false;  // Refused because it was no call at all: unknown tool, arguments against the schema.
};

// One turn of the model.
struct Turn {
  NoteKind note = NoteKind::kNone;  // What the loop said just before it.
  infer::FinishReason finish = infer::FinishReason::kStop;
  std::string text;
  std::vector<CallOutcome> calls;  // Empty when finish is kLength: a call cut short is never made.
  bool interrupted = false;        // It broke off while steps of its plan were being done already.
};

struct Limits {
  std::int64_t steps = 24;
  std::int64_t tool_calls = 40;
  std::int64_t tokens = 60'000;  // Prefilled + generated.
  std::int64_t ms = 300'000;
  double usd = 0;  // 0: no limit.
};

struct Spent {
  std::int64_t steps = 0;  // By the agents it started; its own are the turns.
  std::int64_t tool_calls = 0;
  std::int64_t tokens = 0;
  std::int64_t ms = 0;
  double usd = 0;
};

// All that decides. `answer_faults` says what is wrong with the newest turn's text under the output schema,
// in one line; empty: conforms, or there is no schema.
struct Situation {
  std::vector<Turn> turns;
  Limits limits;
  Spent spent;
  infer::ToolChoice tool_choice = infer::ToolChoice::kAuto;
  bool tool_choice_first_only = false;
  bool has_tools = true;
  std::string answer_faults;
  std::string said;  // By a person since the newest turn: the model has to hear it before anything ends.
};

// Ask the model for a turn. `note_text` (may be empty) is appended to the conversation first, as a user
// message.
struct AskModel {
  infer::ToolChoice tool_choice = infer::ToolChoice::kAuto;
  NoteKind note = NoteKind::kNone;
  std::string note_text;
};
// Make the calls of the newest turn; only the first `calls_allowed` of them, the budget has no room for the
// others.
struct Dispatch {
  std::size_t calls_allowed = 0;
};
// The newest turn's text is the answer.
struct Finish {
  std::string answer;
};
// No answer within the bounds. `stopped` tells a limit of the operator's (budget, loop) from a failure of the
// task. `answer` is the best text there is, maybe empty.
struct Stop {
  bool stopped = true;
  std::string reason;
  std::string answer;
};
using Next = std::variant<AskModel, Dispatch, Finish, Stop>;

// How often one run repairs an answer against the output schema, a cut turn and an empty turn, in a row.
inline constexpr int kAnswerRepairsMax = 2;
inline constexpr int kCutTurnsMax = 2;
inline constexpr int kEmptyTurnsMax = 2;
// So many turns running that broke off within their plans end the run.
inline constexpr int kInterruptedTurnsMax = 3;
// The same call with the same result in this many turns running is a loop; so is A-B-A-B.
inline constexpr std::size_t kSameTurnsMax = 3;
// So many turns running whose calls are all invalid end the run: the model can't write calls.
inline constexpr int kInvalidTurnsMax = 3;

Next next_step(const Situation& situation);

}  // namespace tsukai::planner
