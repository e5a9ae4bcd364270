// How far a run is: a fold over its journal rows. The live loop, resume, replay and `runs show` all know a
// run through this one function, so that what is not in the journal can't matter.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/journal.h"
#include "agent/observation.h"
#include "agent/totals.h"
#include "infer/model.h"
#include "planner/graph.h"
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
  int attempts = 0;      // Dispatches so far.
  std::string task;      // Its server made a task of the last one: who asks for that gets the result.
  bool asked = false;    // APPROVAL_ASKED is durable.
  bool allowed = false;  // APPROVAL_GIVEN is durable and allows it.
  bool denied = false;   // APPROVAL_GIVEN is durable and denies it: `denial` says who and why.
  std::string denial;
  // What its server asked a person before it answers (mcp::ToolResult::asked), and the answers; null:
  // nothing.
  JsonValue question, answers;
  // Where a secret stood in the question it is sealed (redaction.h), and this is the sha256 of what it was;
  // else "".
  std::string sealed_sha256;
  // The same of a server that holds its call open meanwhile, in the process that made it: once it is answered
  // `held` is null again and `held_answers` is not.
  JsonValue held, held_answers;
  bool waits_for_answer() const { return !held.is_null() || (!question.is_null() && answers.is_null()); }
  const JsonValue& open_question() const { return held.is_null() ? question : held; }
  Outcome outcome = Outcome::kDone;
  std::string observation;
  // A step of a plan: the key of the call that made the plan, and the step's id. Its arguments hold
  // references until it is intended.
  std::string parent;
  std::string plan_id;
  std::size_t message = 0;  // Its observation's place in Progress::messages; 0: not there.
  bool asks = false;        // A question to the model rather than a tool.
  JsonValue child;          // Of a task for another agent: its CHILD_STARTED; null before.
};

// One turn of the model that has its MODEL_RESULT.
struct StepProgress {
  planner::NoteKind note = planner::NoteKind::kNone;
  infer::FinishReason finish = infer::FinishReason::kStop;
  std::string text;
  std::vector<CallProgress> calls;  // The model's own first, in order; then the steps of their plans.
  std::map<std::string, planner::Plan> plans;  // By the key of the call that made it.
  std::set<std::string> whole;                 // Of the plans, those written to their ends, by the same key.
  bool by_file = false;                        // The agent file's own steps: no model took this turn.

  // What has become of the steps of a plan, by id.
  std::map<std::string, planner::StepState> states(const std::string& parent) const;
};

// The result of a plan's step, for later steps to refer to.
struct StepResult {
  std::string step;  // Tool and arguments as the plan had them: the same step is never done twice.
  std::string text;
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
  std::string newest_task;       // Of a person: the first one, or what was said to go on with.
  infer::Messages messages;      // All the model was told and said, in order.
  infer::Transcript transcript;  // The same as text and tokens; so_far() while a turn is open.
  std::vector<StepProgress> steps;
  std::optional<OpenModelCall> open;
  // Of the turn that is being written: the steps of its plans that are complete. Becomes part of the turn.
  std::optional<StepProgress> draft;
  std::map<std::string, OpenModelCall> questions;  // Of plans, asked and not answered, by step key.
  std::map<std::string, std::string>
      long_results;                           // Whole, of what the model was shown a part of; by step key.
  std::map<std::string, StepResult> results;  // Of all plans, by id.
  std::vector<std::string> found_tools;       // By find_tools, as models know them, in the order of finding.
  std::vector<std::string> later_tools;       // That came after the run began, in the order of telling.
  Totals totals;
  // For the planner, kept up row by row. Limits, time spent and the settings are added by the caller.
  planner::Situation situation;
  bool recalled = false;
  bool finished = false;
  bool cancel_asked = false;    // By a signal.
  std::string opening;          // The first message to the model as it was, once a summary stands behind it.
  std::string said;             // By a person, for the model's next turn.
  std::string aborted;          // By whom and what, when a person gave up an unknown call.
  std::int64_t active_ms = 0;   // Wall time in which some process worked on it, and held no question open.
  std::int64_t last_at_ms = 0;  // Of the newest row.

  // Takes the next row. kCorrupt when it does not fit what came before.
  Result<void> apply(const Row& row);
  // All rows of a run, from the first.
  static Result<Progress> of(const std::vector<Row>& rows);

  // The transcript; never what an open turn's prompt adds to it.
  const infer::Transcript& so_far();

  // The model call of a MODEL_INTENT row just applied.
  const OpenModelCall& asked(const std::string& step_key) const;
  // Where in `messages` the first one to the model stands, and the newest turn of the model (its size when
  // there is none): a summary takes the place of what is between.
  std::size_t first_message() const;
  std::size_t newest_turn() const;
  // The newest turn, also one that is being written. REQUIRES: there is one.
  StepProgress& newest() { return draft ? *draft : steps.back(); }
  const StepProgress& newest() const { return draft ? *draft : steps.back(); }
  // The newest turn's call with this key, or nullptr.
  CallProgress* call_at(const std::string& step_key);

 private:
  Result<void> take_intent(const Row& row);
  Result<void> take_reply(const Row& row);
  Result<void> take_call(const Row& row);
  void take_result(const Row& row, CallProgress& call);
  Result<void> take_plan(const Row& row);
  Result<void> take_plan_step(const Row& row, const Json& json);
  void add_plan_call(const std::string& plan, const planner::PlanStep& step);
  Result<void> take_compaction(const Row& row);
  void take_summary(const std::string& summary, bool handles);
  Result<OpenModelCall> opened(const Row& row) const;
  void take_back();
  Result<void> take_answer(const Row& row, CallProgress& call);
  Result<void> take_signal(const Row& row);
  void take_new_tools(const Json& news);
  void take_question(const std::string& signal, const Json& payload);
  void settle(CallProgress& call, Outcome outcome, std::string observation, double ms);

  std::set<std::string> held_;  // Calls whose servers hold them open for a person's answer.
  bool lent_ = false;           // The transcript is the beginning of the open turn's prompt.
  std::int64_t unread_ = 0;     // How many of its last tokens the model has not read yet.
};

// "step-3", "step-3/call-1"; both counted from 1.
std::string step_key(std::size_t step);
std::string call_key(std::size_t step, std::size_t call);

// The signal by which servers' new tools come into a run: "tools", as RUN_STARTED has them, and the "text"
// that the model is told; where no model is, the key of the step "before" which they came.
inline constexpr std::string_view kToolsSignal = "tools";

// Signals of a server's question to a person ("call", "asked"; "held": its call is still in flight) and of
// the answers to it ("call", "answers", "by").
inline constexpr std::string_view kQuestionSignal = "question", kAnswerSignal = "answer";

// The tool a model makes plans with, and the name of a plan's question in events.
inline constexpr std::string_view kPlanTool = "plan";
inline constexpr std::string_view kQuestion = "prompt";

}  // namespace tsukai::agent
