#include "agent/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/progress.h"
#include "agent/recall.h"
#include "agent/records.h"
#include "base/gate.h"
#include "base/hash.h"
#include "base/json_schema.h"
#include "base/text.h"
#include "planner/react.h"

namespace tsukai::agent {
namespace {

// Fewer tokens than this are no turn: the budget of tokens counts as used up.
constexpr std::int64_t kTurnTokensMin = 16;
// Of an observation, in events; the journal has it whole.
constexpr std::size_t kEventTextCharactersMax = 2'048;

double ms_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

// How a run ends.
struct Ending {
  RunState state = RunState::kFailed;
  std::string answer;  // The model's text; may be empty.
  std::string reason;  // Empty when done.
};

class Run {
 public:
  explicit Run(RunParts parts) : parts_(std::move(parts)) {}

  Task<RunOutcome> go();

 private:
  Result<void> begin();
  Result<void> recall();
  Result<void> remember(const Ending& ending);
  Result<RunOutcome> close(Ending ending);

  planner::Situation situation();
  Task<std::optional<Ending>> ask_model(planner::AskModel question);
  infer::ChatRequest request_for(const planner::AskModel& question) const;
  Task<std::optional<Ending>> dispatch(std::size_t calls_allowed);
  Task<void> work();
  Task<void> make_call(std::size_t index);
  Result<void> settle(std::size_t index, const Observation& observation);

  Result<void> record(Kind kind, const std::string& key, Json payload);
  void tell(const std::string& type, Json data);
  std::int64_t elapsed_ms() const { return parts_.clock.steady_ms() - began_ms_; }
  std::int64_t left_ms() const { return parts_.file.budget.seconds * 1000 - elapsed_ms(); }
  std::size_t step_number() const { return progress_.steps.size(); }
  std::vector<CallProgress>& calls() { return progress_.steps.back().calls; }

  RunParts parts_;
  std::string id_;
  Progress progress_;
  std::int64_t began_ms_ = 0;
  std::optional<JsonSchema> output_;
  std::vector<std::size_t> queue_;    // Calls of this turn that wait for a worker, in reverse order.
  std::optional<Error> call_failed_;  // The journal's, while calls ran side by side.
};

asio::awaitable<bool> was_cancelled() {
  co_return (co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none;
}

void Run::tell(const std::string& type, Json data) {
  if (parts_.on_event) parts_.on_event({type, parts_.clock.wall_ms(), std::move(data)});
}

Result<void> Run::record(Kind kind, const std::string& key, Json payload) {
  TSUKAI_TRY(const auto row, parts_.journal.append(id_, kind, key, 1, payload));
  return progress_.apply(row);
}

Result<void> Run::begin() {
  began_ms_ = parts_.clock.steady_ms();
  if (parts_.file.output_schema) {
    auto compiled = JsonSchema::compile(**parts_.file.output_schema);
    if (!compiled) return fail(std::move(compiled).error().in("output.schema"));
    output_ = *std::move(compiled);
  }
  const auto& redaction = parts_.toolbox.redaction();
  Json payload = {{"format", 1},
                  {"tsukai", TSUKAI_VERSION},
                  {"task", parts_.task},
                  {"user", parts_.user},
                  {"system", redaction.text(parts_.file.instructions)},
                  {"agent", agent_record(parts_.file, redaction)},
                  {"model", model_record(parts_.model.description())},
                  {"tools", tools_record(parts_.toolbox.tools())},
                  {"seed", parts_.file.sampling.seed}};
  TSUKAI_TRY(id_, parts_.journal.start_run(parts_.file.name, parts_.task, parts_.user, payload));
  Row row;
  row.seq = 1;
  row.payload = payload;
  TSUKAI_TRY_VOID(progress_.apply(row));

  Json names = Json::array();
  for (const auto& tool : parts_.toolbox.tools()) names.push_back(tool.qualified);
  tell("run_started", {{"run_id", id_},
                       {"agent", parts_.file.name},
                       {"task", parts_.task},
                       {"user", parts_.user},
                       {"model", payload["model"]},
                       {"database", parts_.database_path},
                       {"tools", names},
                       {"seed", parts_.file.sampling.seed},
                       {"budget", payload["agent"]["budget"]}});
  return {};
}

Result<void> Run::recall() {
  if (parts_.memory == nullptr || parts_.file.memory_recall == 0) return {};
  auto found =
      parts_.memory->search(parts_.task, recall_scope(parts_.file, parts_.user), parts_.file.memory_recall);
  if (!found) {
    // A task can be done without memories; a run that dies of them helps nobody.
    tell("notice", {{"message", "memory could not be searched: " + found.error().text()}});
    return {};
  }
  Json payload =
      recalled_record(*found, parts_.toolbox.redaction().text(opening_message(parts_.task, *found)));
  TSUKAI_TRY_VOID(record(Kind::kRecalled, "", payload));
  tell("recalled", {{"episodes", payload["episodes"]}});
  return {};
}

planner::Situation Run::situation() {
  auto situation = progress_.situation();
  const auto& budget = parts_.file.budget;
  situation.limits = {budget.steps, budget.tool_calls, budget.tokens, budget.seconds * 1000};
  situation.spent.ms = elapsed_ms();
  situation.tool_choice = parts_.file.tool_choice;
  situation.tool_choice_first_only = parts_.file.tool_choice_first_only;
  situation.has_tools = !parts_.toolbox.definitions().empty();
  if (output_ && !progress_.steps.empty() && progress_.steps.back().calls.empty()) {
    auto answer = parse_json(progress_.steps.back().text);
    if (!answer)
      situation.answer_faults = answer.error().message();
    else
      situation.answer_faults = fmt::format("{}", fmt::join(output_->check(*answer), "; "));
  }
  return situation;
}

Task<RunOutcome> Run::go() {
  // Asked for at each arrow instead of thrown, so that the journal is always closed.
  co_await asio::this_coro::throw_if_cancelled(false);
  TSUKAI_CO_TRY_VOID(begin());
  TSUKAI_CO_TRY_VOID(recall());
  std::optional<Ending> ending;
  while (!ending) {
    if (co_await was_cancelled()) {
      ending = Ending{RunState::kCancelled, {}, "cancelled"};
      break;
    }
    auto next = planner::next_step(situation());
    if (auto* question = std::get_if<planner::AskModel>(&next)) {
      TSUKAI_CO_TRY(ending, co_await ask_model(std::move(*question)));
    } else if (auto* calls = std::get_if<planner::Dispatch>(&next)) {
      TSUKAI_CO_TRY(ending, co_await dispatch(calls->calls_allowed));
    } else if (auto* finish = std::get_if<planner::Finish>(&next)) {
      ending = Ending{RunState::kDone, std::move(finish->answer), {}};
    } else {
      auto& stop = std::get<planner::Stop>(next);
      ending = Ending{stop.stopped ? RunState::kStopped : RunState::kFailed, std::move(stop.answer),
                      std::move(stop.reason)};
    }
  }
  co_return close(*std::move(ending));
}

infer::ChatRequest Run::request_for(const planner::AskModel& question) const {
  infer::ChatRequest request;
  request.messages = progress_.messages;
  if (!question.note_text.empty()) {
    infer::Message note;
    note.role = infer::Role::kUser;
    note.text = question.note_text;
    request.messages.push_back(std::move(note));
  }
  request.tools = parts_.toolbox.definitions();
  request.tool_choice = question.tool_choice;
  request.output_schema = parts_.file.output_schema;
  request.sampling = parts_.file.sampling;
  // Each turn has its own, so that two turns from equal prompts need not be equal; greedy decoding does not
  // look at it.
  request.sampling.seed += step_number();
  request.tokens_max = parts_.file.tokens_per_step;
  request.calls_max = parts_.file.calls_per_step;
  return request;
}

Task<std::optional<Ending>> Run::ask_model(planner::AskModel question) {
  auto request = request_for(question);
  const auto left = parts_.file.budget.tokens - progress_.totals.tokens_spent();
  request.tokens_max = std::min(request.tokens_max, static_cast<std::size_t>(std::max(left, kTurnTokensMin)));
  auto prompt = parts_.model.render(request, progress_.transcript);
  if (!prompt) {
    const bool full = prompt.error().code() == Code::kExhausted;
    co_return Ending{full ? RunState::kStopped : RunState::kFailed, {}, "model: " + prompt.error().text()};
  }
  TSUKAI_CHECK(
      prompt->kept_bytes <= progress_.transcript.text.size() && prompt->kept_bytes <= prompt->text.size() &&
          prompt->text.compare(0, prompt->kept_bytes, progress_.transcript.text, 0, prompt->kept_bytes) == 0,
      "a prompt keeps exactly the bytes it says");
  const auto new_tokens = static_cast<std::int64_t>(prompt->tokens.size() - prompt->kept_tokens);
  if (new_tokens + kTurnTokensMin > left) {
    co_return Ending{
        RunState::kStopped,
        {},
        fmt::format("the budget of {} tokens is used up: the next prompt needs {} more, {} are left",
                    parts_.file.budget.tokens, new_tokens, std::max<std::int64_t>(0, left))};
  }
  request.tokens_max = std::min(request.tokens_max, static_cast<std::size_t>(left - new_tokens));

  const auto number = step_number() + 1;
  const auto key = step_key(number);
  auto intent = intent_record(request, *prompt, question.note, question.note_text);
  TSUKAI_CO_TRY_VOID(record(Kind::kModelIntent, key, intent));
  if (question.note != planner::NoteKind::kNone)
    tell("notice", {{"message", "to the model: " + question.note_text}});
  tell("step_started", {{"step", number},
                        {"tool_choice", intent["tool_choice"]},
                        {"prompt_tokens", prompt->tokens.size()},
                        {"new_tokens", new_tokens}});
  const auto began = std::chrono::steady_clock::now();
  const infer::OnText on_text = [this, number](std::string_view piece) {
    tell("text", {{"step", number}, {"text", repaired_utf8(piece)}});
  };
  const auto limit_ms = std::max<std::int64_t>(1, left_ms());
  auto generating = parts_.model.generate(std::move(request), *std::move(prompt), on_text);
  auto reply =
      co_await with_deadline(std::move(generating), std::chrono::milliseconds(limit_ms), "the model");
  if (!reply) {
    if (co_await was_cancelled()) co_return Ending{RunState::kCancelled, {}, "cancelled"};
    if (reply.error().code() == Code::kTimeout && ms_since(began) >= static_cast<double>(limit_ms)) {
      co_return Ending{
          RunState::kStopped, {}, fmt::format("the budget of {} s is used up", parts_.file.budget.seconds)};
    }
    co_return Ending{RunState::kFailed, {}, "model: " + reply.error().text()};
  }
  // A call cut short is never made, whatever the model's host makes of it.
  if (reply->finish == infer::FinishReason::kLength) reply->message.calls.clear();
  const auto took = ms_since(began);
  TSUKAI_CO_TRY_VOID(record(Kind::kModelResult, key, reply_record(*reply, took)));
  tell("step_done", {{"step", number},
                     {"finish", name(reply->finish)},
                     {"usage", usage_json(reply->usage)},
                     {"prefix_hit_ratio", prefix_hit_ratio(reply->usage)},
                     {"took_ms", took}});
  co_return std::nullopt;
}

Task<std::optional<Ending>> Run::dispatch(std::size_t calls_allowed) {
  queue_.clear();
  std::vector<std::pair<std::size_t, Observation>> refused;
  for (std::size_t i = 0; i < calls().size(); ++i) {
    const auto& each = calls()[i];
    const auto* tool = parts_.toolbox.find(each.call.name);
    tell("tool_call", {{"step", step_number()},
                       {"call_id", each.step_key},
                       {"server", tool == nullptr ? "" : parts_.file.servers[tool->server].name},
                       {"tool", tool == nullptr ? each.call.name : tool->tool.name},
                       {"arguments", *each.call.arguments}});
    if (auto refusal = parts_.toolbox.refusal(each.call)) {
      TSUKAI_CO_TRY_VOID(
          settle(i, observe_failure(refusal->outcome, refusal->message, parts_.toolbox.redaction())));
    } else if (queue_.size() >= calls_allowed) {
      const auto message =
          fmt::format("not called: the budget of {} tool calls is used up", parts_.file.budget.tool_calls);
      TSUKAI_CO_TRY_VOID(
          settle(i, observe_failure(Outcome::kOverBudget, message, parts_.toolbox.redaction())));
    } else {
      queue_.push_back(i);
    }
  }
  // All intents of the turn are durable before the first dispatch.
  for (const auto index : queue_) {
    const auto& each = calls()[index];
    auto payload = call_record(each.call);
    payload["tool"] = parts_.toolbox.find(each.call.name)->qualified;
    TSUKAI_CO_TRY_VOID(record(Kind::kToolIntent, each.step_key, std::move(payload)));
  }
  std::reverse(queue_.begin(), queue_.end());
  Gate gate(co_await asio::this_coro::executor);
  const auto workers = std::min(queue_.size(), kParallelCallsMax);
  for (std::size_t i = 0; i < workers; ++i) gate.spawn(work());
  co_await gate.drained();
  if (co_await was_cancelled()) {
    queue_.clear();
    co_await gate.close();
    co_return Ending{RunState::kCancelled, {}, "cancelled"};
  }
  if (call_failed_) co_return fail(*call_failed_);
  co_return std::nullopt;
}

Task<void> Run::work() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!queue_.empty() && !call_failed_ && !co_await was_cancelled()) {
    const auto index = queue_.back();
    queue_.pop_back();
    if (auto made = co_await make_call(index); !made) call_failed_ = made.error();
  }
  co_return Result<void>();
}

Task<void> Run::make_call(std::size_t index) {
  const auto call = calls()[index].call;
  TSUKAI_CO_TRY_VOID(record(Kind::kToolStarted, calls()[index].step_key, Json::object()));
  auto observation = co_await parts_.toolbox.call(call, left_ms());
  // Nobody knows whether a cancelled call took effect: no result is claimed for it.
  if (observation.outcome == Outcome::kCancelled) co_return Result<void>();
  co_return settle(index, observation);
}

Result<void> Run::settle(std::size_t index, const Observation& observation) {
  const auto each = calls()[index];
  TSUKAI_TRY_VOID(record(Kind::kToolResult, each.step_key, observation_record(each.call, observation)));
  const auto* tool = parts_.toolbox.find(each.call.name);
  tell("tool_result", {{"step", step_number()},
                       {"call_id", each.step_key},
                       {"server", tool == nullptr ? "" : parts_.file.servers[tool->server].name},
                       {"tool", tool == nullptr ? each.call.name : tool->tool.name},
                       {"text", bounded(observation.text, kEventTextCharactersMax)},
                       {"is_error", observation.outcome != Outcome::kDone},
                       {"outcome", name(observation.outcome)},
                       {"bytes", observation.bytes_whole},
                       {"took_ms", observation.ms}});
  return {};
}

Result<void> Run::remember(const Ending& ending) {
  if (parts_.memory == nullptr || ending.answer.empty()) return {};
  if (ending.state != RunState::kDone && ending.state != RunState::kStopped) return {};
  auto added = parts_.memory->add(episode_of(progress_, parts_.file, parts_.user, id_, ending.answer,
                                             name(ending.state), parts_.clock.wall_ms()));
  if (!added) tell("notice", {{"message", "this run could not be remembered: " + added.error().text()}});
  return {};
}

Result<RunOutcome> Run::close(Ending ending) {
  TSUKAI_TRY_VOID(remember(ending));
  RunOutcome outcome;
  outcome.run_id = id_;
  outcome.state = ending.state;
  outcome.answer = ending.answer.empty() ? ending.reason : ending.answer;
  const Json totals = progress_.totals.json(elapsed_ms());
  outcome.totals = totals;
  const Json payload = {{"state", name(ending.state)},
                        {"answer", ending.answer},
                        {"reason", ending.reason},
                        {"totals", totals}};
  TSUKAI_TRY_VOID(parts_.journal.finish_run(id_, ending.state, outcome.answer, payload));
  tell("run_done", {{"run_id", id_},
                    {"state", name(ending.state)},
                    {"answer", ending.answer},
                    {"reason", ending.reason},
                    {"totals", totals}});
  return outcome;
}

}  // namespace

Task<RunOutcome> execute_run(RunParts parts) {
  Run run(std::move(parts));
  co_return co_await run.go();
}

}  // namespace tsukai::agent
