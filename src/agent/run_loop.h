// The inside of a run (run.h): its life (run.cc), its journal (run_journal.cc), its model calls
// (run_model.cc), its tool calls (run_calls.cc), its plans (run_plan.cc), also while they are written
// (run_stream.cc), tasks for other agents (run_children.cc), what it lends to its servers (run_lend.cc), new
// tools of servers (run_arrivals.cc), what people say meanwhile (run_words.cc). What it knows is a fold over
// journal rows; members beyond that are of this process alone.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/progress.h"
#include "agent/run.h"
#include "base/gate.h"
#include "base/json_schema.h"
#include "planner/plan_stream.h"
#include "planner/react.h"

namespace tsukai::agent {

// How often a run looks whether somebody outside has sent it a signal.
inline constexpr std::int64_t kSignalsEveryMs = 1'000;

// The same while its model writes a turn and nothing else goes on: somebody may be waiting for it to stop.
inline constexpr std::int64_t kTurnSignalsEveryMs = 250;

// The same while something waits for a person.
inline constexpr std::int64_t kWordsEveryMs = 250;

// How a run ends, or pauses (kWaiting).
struct Ending {
  RunState state = RunState::kFailed;
  std::string answer;  // The model's text; may be empty.
  std::string reason;  // Empty when done.
};

// The tool a model makes plans with, over these tools.
infer::ToolDefinition plan_tool(const std::vector<infer::ToolDefinition>& tools,
                                const infer::ChatModel& model);

class Run : private Lender {
 public:
  explicit Run(RunParts parts) : parts_(std::move(parts)) {}
  ~Run() override;
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Task<RunOutcome> start();
  Task<RunOutcome> resume(std::string id);

 private:
  Task<void> begin();
  Task<void> restore(std::string id);
  Task<RunOutcome> loop();
  // What somebody outside wants: cancel, or giving up an unknown call.
  Task<std::optional<Ending>> outside();
  Result<void> recall();
  Result<void> remember(const Ending& ending);
  Task<RunOutcome> close(Ending ending);
  Task<RunOutcome> pause(Ending ending);
  const planner::Situation& situation();

  Task<std::optional<Ending>> ask_model(planner::AskModel question);
  infer::ChatRequest request_for(const planner::AskModel& question);
  std::optional<Ending> room_for(const infer::Prompt& prompt, std::int64_t tokens_left) const;
  // A turn of the model, for as long as there is time and nobody outside wants the run to end (wished_).
  Task<infer::ChatReply> watched(Task<infer::ChatReply> turn, std::int64_t limit_ms);
  Task<void> watch(std::int64_t limit_ms);
  // The row of a turn that ends with the run: what was made of it counts, and none of its calls is made.
  Result<void> close_cut(infer::ChatReply reply, const std::string& why, double ms, int attempt);

  // Until there is an ending.
  Task<Ending> steps();
  // Makes the calls of the newest turn: each as soon as it may start, until none can.
  Task<std::optional<Ending>> dispatch();
  // What this process knows of a call of the newest turn.
  enum class Fate {
    kNew,     // Not looked at.
    kGo,      // To be made as soon as there is room for it.
    kFlying,  // Being made.
    kWaits,   // For a person.
    kOver,    // Has its result, or was cancelled.
  };
  Task<Fate> consider(std::size_t index);
  Task<Fate> approve(std::size_t index, std::string rule);
  // Looks at what is new and starts what there is room for.
  Task<void> admit();
  bool may_start(std::size_t index) const;
  void announce(std::size_t index);
  void tell_result(const CallProgress& call, std::size_t bytes, double ms);

  // Long results (run_results.cc): shown by their beginnings, read on, taken out of a full context.
  void offer_read_result(infer::ChatRequest& request) const;
  bool reads_result(const infer::ToolCall& call) const;
  Result<Fate> read_result(std::size_t index);
  void shorten(Observation& observation, const std::string& step_key) const;
  // False: there is nothing to take out.
  Result<bool> compact();
  Result<bool> sum_up();

  // Plans (run_plan.cc): the model's, made by calling kPlanTool, and the agent file's own steps.
  void offer_plan(infer::ChatRequest& request);
  bool wants_plan() const;
  infer::ToolDefinition plan_over_shown();
  infer::ToolDefinition plan_over_found();
  bool makes_plan(const CallProgress& call) const;
  Result<void> plan_of_file();
  Result<void> begin_plan(const std::string& key, const Json& json, const std::string& by);
  Result<Fate> consider_plan(std::size_t index);
  Result<Fate> consider_step(std::size_t index);
  bool held(std::size_t index, const planner::PlanStep& step) const;
  std::string plan_report(const std::string& plan) const;
  Result<void> begin_question(std::size_t index);
  Task<void> ask_question(std::size_t index);
  std::optional<Ending> end_of_steps() const;

  // Tasks for other agents (run_children.cc).
  bool is_for_agent(const CallProgress& call) const;
  Budget left() const;
  Budget child_share(std::size_t index) const;
  bool waits_for_agents(std::size_t index) const;
  Result<void> begin_child(std::size_t index);
  Task<void> await_child(std::string step_key);
  Result<void> end_child(std::size_t index, const RunOutcome& outcome, double ms);
  Task<void> close_children();

  // Its model, for its servers (run_lend.cc).
  bool calls_server(const std::string& server) const override;
  const infer::ModelDescription& lent_model() const override { return parts_.model.description(); }
  Task<infer::ChatReply> lend(std::string server, infer::ChatRequest request) override;
  Result<std::int64_t> tokens_to_lend() const;

  // What people say while it is at work (run_words.cc).
  Task<JsonValue> hold_question(std::string server, JsonValue params) override;
  struct HeldQuestion;
  void let_go(const std::string& step_key);
  void begin_holding();
  void end_holding();
  void take_words();
  std::string how_to_decide(const CallProgress& call) const;
  bool something_waits() const;
  void tell_waits();
  Task<void> show_state();
  Task<void> look_for_words();
  Task<void> wait_for_news();
  void take_lent(const std::string& step_key);

  // Finding tools (run_find.cc), where their list is too long for the prompt.
  bool finds_tools() const { return parts_.file.tools_shown.value_or(kAllTools) < kAllTools; }
  void choose_tools_shown();
  std::vector<infer::ToolDefinition> known_tools() const;
  void offer_tools(infer::ChatRequest& request) const;
  // What is to be told of a call of a tool that was not found yet, or is none; "": it may be made.
  std::string not_found_yet(const infer::ToolCall& call) const;
  Result<Fate> find_tools(std::size_t index);

  // Tells the model of tools that are new (run_arrivals.cc).
  Result<void> take_arrivals(const planner::AskModel& question);
  // Lets a step of the file call a tool that came after the run began.
  Result<void> take_arrivals_for(std::size_t index);

  // Plans that are still being written (run_stream.cc): what is complete of them is done meanwhile.
  Task<infer::ChatReply> write_beside_steps(infer::ChatRequest request, infer::Prompt prompt,
                                            infer::OnText on_text, std::int64_t limit_ms);
  Task<void> write_turn(infer::ChatRequest request, infer::Prompt prompt, infer::OnText on_text,
                        std::int64_t limit_ms);
  bool may_stream(const infer::ChatRequest& request) const;
  bool take_piece(const infer::CallPiece& piece);
  Result<void> take_steps();
  Task<void> land_all();
  // Closes a turn that broke off after steps of its plan were begun: they stand, and it is not written again.
  Result<void> interrupt(const std::string& why, const infer::Usage& usage = {});
  // Whether steps of a plan that was cut off are still to be done, or given up.
  bool loose_steps() const;
  std::string loose_report() const;

  bool room_in_budget() const;
  Result<void> intend();
  // Calls are begun in one flight a turn; its end cancels what is left of it.
  asio::awaitable<void> open_flight();
  asio::awaitable<void> end_flight();
  asio::awaitable<void> wait_for_landing();
  void landed(std::size_t index);
  std::size_t index_of(const std::string& step_key) const;
  Task<void> make_call(std::string step_key);
  // What its server asked a person, for the journal; and as it came, to go on with.
  Json question_record(const CallProgress& call, const Json& asked) const;
  Result<JsonValue> question_of(const CallProgress& call) const;
  Result<void> check_questions() const;
  // The call has become a task of its server: written down at once, so that a later process asks for it.
  void became_task(const std::string& step_key, const std::string& task);
  Result<void> settle(std::size_t index, const Observation& observation);
  std::size_t count(Fate fate) const;
  void forget_fates();
  // The step that calls() belong to; the next one while its turn is being written.
  std::size_t step_of_calls() const { return step_number() + (progress_.draft ? 1 : 0); }
  std::string waiting_reason() const;

  // Takes a row into progress_ at once; it is durable after the next flush(). All that depends on it being
  // durable (a dispatch, a model call, a word to the outside) comes after that.
  Result<void> stage(Kind kind, const std::string& key, Json payload, int attempt = 1);
  // One commit for all that is staged; then what was told behind it is told. One at a time.
  Task<void> flush();
  // The same, unless there is an answer already: then its rows come into the same commit.
  Task<void> flush_unless(std::shared_ptr<const bool> answered);
  // Takes in a row that the journal wrote of itself.
  Result<void> note(Kind kind, const std::string& key, Json payload);
  // Asks the journal, on whichever thread it lives.
  template <typename T>
  Task<T> journaled(std::function<Result<T>(Journal&)> ask) {
    if (parts_.writer == nullptr) co_return ask(parts_.journal);
    auto value = std::make_shared<std::optional<T>>();
    auto done = co_await parts_.writer->with([value, ask = std::move(ask)](Journal& journal) -> Result<void> {
      TSUKAI_TRY(*value, ask(journal));
      return {};
    });
    if (!done) co_return fail(std::move(done).error());
    co_return std::move(**value);
  }
  Task<void> journaled_void(std::function<Result<void>(Journal&)> ask);

  // Tells the watcher, once all that was staged before is durable.
  void tell(const std::string& type, Json data);
  // The same for what claims nothing (a turn is over, a call will be made): at once, in the order of telling.
  void tell_soon(const std::string& type, Json data);
  std::int64_t elapsed_ms() const {
    const auto now = parts_.clock.steady_ms();
    return now - began_ms_ - held_.so_far(now);
  }
  std::int64_t left_ms() const { return parts_.file.budget.seconds * 1000 - elapsed_ms(); }
  std::size_t step_number() const { return progress_.steps.size(); }
  std::vector<CallProgress>& calls() { return progress_.newest().calls; }
  const std::vector<CallProgress>& calls() const { return progress_.newest().calls; }
  // Members that name a call in events.
  Json call_named(const CallProgress& call) const;

  RunParts parts_;
  std::string id_;
  Progress progress_;
  std::int64_t began_ms_ = 0;  // Steady clock, less the time that earlier owners worked.
  std::int64_t signals_ms_ = 0;
  std::optional<JsonSchema> output_;

  // A row that waits for the next commit, or an event that waits for the rows before it.
  using Staged = std::variant<Entry, Event>;
  std::deque<Staged> staged_;
  bool flushing_ = false;
  std::size_t rows_staged_ = 0;

  std::vector<Fate> fates_;                         // Of the newest turn's calls.
  bool fates_kept_ = false;                         // They were begun while the turn was written.
  std::map<std::string, Budget> reserved_;          // Of the agents at work, by step key.
  std::map<std::string, std::string> waits_below_;  // What an agent's own run waits for, by step key.
  std::int64_t lent_tokens_ = 0;                    // Promised to servers whose answers are not there yet.
  // What servers ask people in calls that are in flight, by step key.
  std::map<std::string, std::shared_ptr<HeldQuestion>> questions_held_;
  // How long such questions were open: by the run's clock, and by that of deadlines.
  struct Pause {
    std::int64_t total_ms = 0, since_ms = -1;  // -1: none is.
    std::int64_t so_far(std::int64_t now) const { return total_ms + (since_ms < 0 ? 0 : now - since_ms); }
  } held_, held_for_deadlines_;
  std::set<std::string> waits_told_;           // Calls that wait for a person, as whoever watches was told.
  std::optional<bool> shown_waiting_;          // As table `run` has it; nothing: not known.
  std::optional<std::int64_t> words_version_;  // Of the file, when words were last looked for.
  const std::shared_ptr<bool> over_ = std::make_shared<bool>(false);  // This object is gone.
  std::optional<Error> call_failed_;  // The journal's, while calls ran side by side.
  std::optional<Ending> wished_;      // By somebody outside, while the model wrote.
  struct Question {
    infer::ChatRequest request;
    infer::Prompt prompt;
  };
  std::map<std::size_t, Question> questions_;  // Rendered, not yet asked; by the call's index.
  std::optional<infer::ToolDefinition> plan_tool_;
  std::optional<std::size_t> planned_over_;   // How many tools its grammar holds, where they may become more.
  std::optional<asio::steady_timer> landed_;  // Cancelled whenever a call lands, which wakes dispatch().
  bool landed_any_ = false;
  std::optional<Gate> gate_;
  struct Writing {
    std::map<std::size_t, planner::PlanStream> plans;                // By the call's place in the turn.
    std::deque<std::pair<std::string, planner::PlanStep>> complete;  // Not journaled yet, by the plan's key.
    std::optional<Result<infer::ChatReply>> reply;
  };
  std::optional<Writing> writing_;
};

}  // namespace tsukai::agent
