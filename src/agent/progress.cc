#include "agent/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "agent/records.h"
#include "base/hash.h"

namespace tsukai::agent {
namespace {

tl::unexpected<Error> misfit(const Row& row, const std::string& what) {
  return fail(Code::kCorrupt, fmt::format("journal row {} ({}): {}", row.seq, name(row.kind), what));
}

infer::Message message(infer::Role role, std::string text) {
  infer::Message message;
  message.role = role;
  message.text = std::move(text);
  return message;
}

// A plan's step as the plan has it.
std::string described(const planner::PlanStep& step) {
  return step.tool + " " + step.arguments.print() + step.prompt;
}

// A result for other steps to refer to: what the tool answered as a value, where it did; else its whole text.
std::string whole_result(const Json& payload) {
  if (const auto* came = find(payload, "came"); came != nullptr && came->is_object()) {
    if (const auto* structured = find(*came, "structuredContent");
        structured != nullptr && !structured->is_null())
      return print_json(*structured);
    std::string text;
    if (const auto* content = find(*came, "content"); content != nullptr && content->is_array()) {
      for (const auto& block : *content) {
        if (string_at(block, "type") == "text") text += (text.empty() ? "" : "\n") + string_at(block, "text");
      }
    }
    if (!text.empty()) return text;
  }
  return string_at(payload, "observation");
}

// The text of a SIGNAL "say".
std::string text_of(const Json& payload) {
  const auto* said = find(payload, "payload");
  return said == nullptr ? std::string() : string_at(*said, "text");
}

}  // namespace

std::string step_key(std::size_t step) { return fmt::format("step-{}", step); }
std::string call_key(std::size_t step, std::size_t call) {
  return fmt::format("step-{}/call-{}", step, call);
}

Result<Progress> Progress::of(const std::vector<Row>& rows) {
  Progress progress;
  for (const auto& row : rows) TSUKAI_TRY_VOID(progress.apply(row));
  return progress;
}

Result<void> Progress::apply(const Row& row) {
  const Json& payload = *row.payload;
  // The time between an owner's last row and the next owner's lease was nobody's work.
  if (row.at_ms > 0) {
    if (last_at_ms > 0 && row.kind != Kind::kLeaseTaken && held_.empty()) active_ms += row.at_ms - last_at_ms;
    last_at_ms = row.at_ms;
  }
  switch (row.kind) {
    case Kind::kRunStarted: {
      newest_task = task = string_at(payload, "task");
      const auto system = string_at(payload, "system");
      if (!system.empty()) messages.push_back(message(infer::Role::kSystem, system));
      messages.push_back(message(infer::Role::kUser, task));
      return {};
    }
    case Kind::kRecalled:
      if (messages.empty() || !steps.empty()) return misfit(row, "memory is recalled before the first step");
      messages.set_text(messages.size() - 1, string_at(payload, "message"));
      recalled = true;
      return {};
    case Kind::kModelIntent:
      return take_intent(row);
    case Kind::kModelResult:
      return take_reply(row);
    case Kind::kToolIntent:
    case Kind::kToolStarted:
    case Kind::kToolUnknown:
    case Kind::kToolResult:
    case Kind::kApprovalAsked:
    case Kind::kApprovalGiven:
    case Kind::kChildStarted:
    case Kind::kChildDone:
      return take_call(row);
    case Kind::kPlan:
      return take_plan(row);
    case Kind::kSamplingIntent:
      ++totals.sampling.calls;
      situation.spent.steps = totals.steps_beside();
      return {};
    case Kind::kSamplingResult:
      if (const auto* usage = find(payload, "usage")) totals.add_sampling(usage_from(*usage));
      situation.spent.tokens = totals.tokens_spent();
      situation.spent.usd = totals.usd_spent();
      return {};
    case Kind::kCompacted:
      return take_compaction(row);
    case Kind::kSignal:
      return take_signal(row);
    case Kind::kLeaseTaken:
      // The process that held calls open is gone, and with it what their servers asked.
      for (const auto& key : std::exchange(held_, {})) {
        if (auto* call = call_at(key)) call->held = JsonValue();
      }
      return {};
    case Kind::kCancelled:
    case Kind::kRunDone:
      finished = true;
      return {};
    default:  // Timers and erasure change nothing that the loop decides by.
      return {};
  }
  return {};
}

Result<void> Progress::take_intent(const Row& row) {
  if (auto* question = call_at(row.step_key); question != nullptr && question->asks) {
    TSUKAI_TRY(auto call, opened(row));
    call.prompt.text.insert(0, transcript.text, 0, call.prompt.kept_bytes);
    call.prompt.tokens.insert(
        call.prompt.tokens.begin(), transcript.tokens.begin(),
        transcript.tokens.begin() + static_cast<std::ptrdiff_t>(call.prompt.kept_tokens));
    question->stage = CallProgress::Stage::kStarted;
    ++question->attempts;
    questions[row.step_key] = std::move(call);
    return {};
  }
  // An intent after an intent: the first attempt had no result. The prompt is rebuilt from the same
  // transcript.
  take_back();
  TSUKAI_TRY(auto call, opened(row));
  // The prompt of the turn before is part of it: moved there and back, not copied once a turn.
  if (call.prompt.kept_bytes == transcript.text.size() &&
      call.prompt.kept_tokens == transcript.tokens.size()) {
    transcript.text += call.prompt.text;
    transcript.tokens.insert(transcript.tokens.end(), call.prompt.tokens.begin(), call.prompt.tokens.end());
    call.prompt.text = std::exchange(transcript.text, {});
    call.prompt.tokens = std::exchange(transcript.tokens, {});
    lent_ = true;
  } else {
    call.prompt.text.insert(0, transcript.text, 0, call.prompt.kept_bytes);
    call.prompt.tokens.insert(
        call.prompt.tokens.begin(), transcript.tokens.begin(),
        transcript.tokens.begin() + static_cast<std::ptrdiff_t>(call.prompt.kept_tokens));
  }
  open = std::move(call);
  return {};
}

void Progress::take_back() {
  if (!lent_) return;
  lent_ = false;
  transcript.text = open->prompt.text.substr(0, open->prompt.kept_bytes);
  transcript.tokens.assign(
      open->prompt.tokens.begin(),
      open->prompt.tokens.begin() + static_cast<std::ptrdiff_t>(open->prompt.kept_tokens));
}

const infer::Transcript& Progress::so_far() {
  take_back();
  return transcript;
}

const OpenModelCall& Progress::asked(const std::string& key) const {
  const auto found = questions.find(key);
  return found == questions.end() ? *open : found->second;
}

// Its prompt holds what is new alone: what is kept of the transcript is for the caller to put before it.
Result<OpenModelCall> Progress::opened(const Row& row) const {
  const Json& payload = *row.payload;
  OpenModelCall call;
  call.step_key = row.step_key;
  call.prompt.kept_bytes = static_cast<std::size_t>(integer_at(payload, "kept_bytes"));
  call.prompt.kept_tokens = static_cast<std::size_t>(integer_at(payload, "kept_tokens"));
  if (call.prompt.kept_bytes > transcript.text.size() || call.prompt.kept_tokens > transcript.tokens.size()) {
    return misfit(row, "it keeps more than the transcript holds");
  }
  call.prompt.text = text_at(payload, "text");
  if (const auto* tokens = find(payload, "tokens"); tokens != nullptr && tokens->is_array()) {
    for (const auto& token : *tokens) {
      if (!token.is_number_integer()) return misfit(row, "a token is no number");
      call.prompt.tokens.push_back(token.get<infer::TokenId>());
    }
  }
  call.prompt_sha256 = string_at(payload, "prompt_sha256");
  if (const auto* note = find(payload, "note")) {
    call.note = planner::note_kind_named(string_at(*note, "kind"));
    call.note_text = string_at(*note, "text");
  }
  return call;
}

// A question of a plan has a conversation of its own: the run's does not grow.
Result<void> Progress::take_answer(const Row& row, CallProgress& call) {
  TSUKAI_TRY(const auto reply, reply_from(*row.payload));
  const auto& prompt = questions[row.step_key].prompt;
  const auto tokens = static_cast<std::int64_t>(prompt.tokens.size());
  totals.add_model_call(reply.usage, tokens == 0 ? -1 : tokens, number_at(*row.payload, "ms"));
  situation.spent.tokens = totals.tokens_spent();
  situation.spent.usd = totals.usd_spent();
  questions.erase(row.step_key);
  const bool cut = reply.finish == infer::FinishReason::kLength;
  settle(call, cut ? Outcome::kFailed : Outcome::kDone,
         cut ? "error: the answer was cut off by tokens_per_step: " + reply.message.text : reply.message.text,
         0);
  return {};
}

std::size_t Progress::first_message() const {
  return messages.empty() || messages.front().role == infer::Role::kUser ? 0 : 1;
}

std::size_t Progress::newest_turn() const {
  for (std::size_t i = messages.size(); i > 0; --i) {
    if (messages[i - 1].role == infer::Role::kAssistant) return i - 1;
  }
  return messages.size();
}

// All turns but the newest give way to a text behind the first message.
void Progress::take_summary(const std::string& summary, bool handles) {
  const auto first = first_message(), from = first + 1, to = newest_turn();
  if (to <= from || to >= messages.size()) return;
  if (opening.empty()) opening = messages[first].text;
  messages.set_text(first, opening + "\n\n" + summary);
  for (auto& step : steps) {
    for (auto& call : step.calls) {
      if (call.message == 0) continue;
      if (call.message >= to) {
        call.message -= to - from;
        continue;
      }
      if (handles) long_results.emplace(call.step_key, call.observation);
      call.message = 0;
    }
  }
  messages.erase(from, to);
}

// {"calls": step keys, "preview": bytes}: their observations are replaced by their beginnings. {"summary":
// text}: the turns before the newest are.
Result<void> Progress::take_compaction(const Row& row) {
  if (const auto summary = string_at(*row.payload, "summary"); !summary.empty()) {
    take_summary(summary, bool_at(*row.payload, "handles"));
    return {};
  }
  const auto* keys = find(*row.payload, "calls");
  if (keys == nullptr || !keys->is_array()) return misfit(row, "it names no calls");
  const auto bytes = static_cast<std::size_t>(integer_at(*row.payload, "preview"));
  for (auto& step : steps) {
    for (auto& call : step.calls) {
      if (call.message == 0 || std::find(keys->begin(), keys->end(), Json(call.step_key)) == keys->end())
        continue;
      auto text = messages[call.message].text;
      long_results.emplace(call.step_key, text);
      messages.set_text(call.message, bool_at(*row.payload, "handles")
                                          ? preview(std::move(text), bytes, call.step_key)
                                          : bounded(std::move(text), bytes));
    }
  }
  return {};
}

// {"plan", "by": "model" or "file"}, or {"step", "by"}: a step that was done before its plan was written to
// its end. The file's own steps make a turn that no model took.
Result<void> Progress::take_plan(const Row& row) {
  if (const auto* step = find(*row.payload, "step")) return take_plan_step(row, *step);
  const auto* json = find(*row.payload, "plan");
  if (json == nullptr) return misfit(row, "it holds no plan");
  std::set<std::string> known;
  for (const auto& [id, result] : results) known.insert(id);
  auto plan = planner::Plan::parse(*json, known);
  if (!plan) return misfit(row, plan.error().message());
  if (string_at(*row.payload, "by") == "file") {
    StepProgress step;
    step.by_file = true;
    step.calls.push_back({.call = {row.step_key, std::string(kPlanTool), *json}, .step_key = row.step_key});
    situation.turns.push_back({.calls = {{.call = std::string(kPlanTool)}}});
    steps.push_back(std::move(step));
  }
  if (call_at(row.step_key) == nullptr) return misfit(row, "the model made no call " + row.step_key);
  const auto& begun = steps.back().plans[row.step_key].steps;
  const auto same = [](const auto& a, const auto& b) { return plan_step_json(a) == plan_step_json(b); };
  if (begun.size() > plan->steps.size() || !std::equal(begun.begin(), begun.end(), plan->steps.begin(), same))
    return misfit(row, "it does not begin with the steps that were there");
  for (auto i = begun.size(); i < plan->steps.size(); ++i) add_plan_call(row.step_key, plan->steps[i]);
  steps.back().plans[row.step_key] = *std::move(plan);
  steps.back().whole.insert(row.step_key);
  return {};
}

Result<void> Progress::take_plan_step(const Row& row, const Json& json) {
  if (!open) return misfit(row, "no turn is being written");
  const auto slash = row.step_key.rfind('/');
  const auto key = row.step_key.substr(0, slash);
  if (slash == std::string::npos || !key.starts_with(open->step_key + "/"))
    return misfit(row, "it is no step of the turn being written");
  if (!draft) draft.emplace();
  auto& plan = draft->plans[key];
  auto step = planner::parse_plan_step(json, plan.steps.size() + 1);
  if (!step) return misfit(row, step.error().message());
  if (row.step_key != key + "/" + step->id || plan.find(step->id) != nullptr)
    return misfit(row, "its id is another's");
  plan.steps.push_back(*step);
  add_plan_call(key, *step);
  return {};
}

void Progress::add_plan_call(const std::string& plan, const planner::PlanStep& step) {
  CallProgress call{.call = {plan + "/" + step.id, step.tool, step.arguments}};
  call.step_key = call.call.id;
  call.parent = plan;
  call.plan_id = step.id;
  call.asks = !step.prompt.empty();
  if (call.asks) call.call.name = std::string(kQuestion);
  const auto before = results.find(step.id);
  if (before != results.end() && before->second.step == described(step)) {
    call.stage = CallProgress::Stage::kSettled;
    call.observation = before->second.text;
  }
  newest().calls.push_back(std::move(call));
}

std::map<std::string, planner::StepState> StepProgress::states(const std::string& parent) const {
  std::map<std::string, planner::StepState> states;
  for (const auto& call : calls) {
    if (call.parent != parent || call.stage != CallProgress::Stage::kSettled) continue;
    states[call.plan_id] = call.outcome == Outcome::kDone      ? planner::StepState::kDone
                           : call.outcome == Outcome::kSkipped ? planner::StepState::kSkipped
                                                               : planner::StepState::kFailed;
  }
  return states;
}

Result<void> Progress::take_reply(const Row& row) {
  if (questions.contains(row.step_key)) {
    auto* question = call_at(row.step_key);
    if (question == nullptr) return misfit(row, "no plan has the question " + row.step_key);
    return take_answer(row, *question);
  }
  if (!open) return misfit(row, "there is no MODEL_INTENT before it");
  TSUKAI_TRY(auto reply, reply_from(*row.payload));
  said.clear();
  if (!open->note_text.empty()) messages.push_back(message(infer::Role::kUser, open->note_text));
  StepProgress step{.note = open->note, .finish = reply.finish, .text = reply.message.text};
  for (std::size_t i = 0; i < reply.message.calls.size(); ++i) {
    step.calls.push_back({.call = reply.message.calls[i], .step_key = call_key(steps.size() + 1, i + 1)});
  }
  if (draft) {
    step.plans = std::move(draft->plans);
    std::move(draft->calls.begin(), draft->calls.end(), std::back_inserter(step.calls));
    draft.reset();
  }
  const bool interrupted = row.payload->contains("interrupted");
  if (interrupted) step.text.clear();
  std::int64_t new_tokens = -1;
  if (!open->prompt.tokens.empty()) {
    new_tokens = static_cast<std::int64_t>(open->prompt.tokens.size() - open->prompt.kept_tokens);
    // The last tokens of a turn are produced but never read until the next one: they are new there.
    const auto kept = static_cast<std::int64_t>(open->prompt.kept_tokens);
    const auto said = lent_ ? kept : static_cast<std::int64_t>(transcript.tokens.size());
    new_tokens += std::clamp<std::int64_t>(kept - (said - unread_), 0, kept);
  }
  totals.add_model_call(reply.usage, new_tokens, number_at(*row.payload, "ms"));
  lent_ = false;
  unread_ = reply.usage.unread_tokens;
  transcript.text = std::move(open->prompt.text) + reply.text;
  transcript.tokens = std::move(open->prompt.tokens);
  transcript.tokens.insert(transcript.tokens.end(), reply.tokens.begin(), reply.tokens.end());
  messages.push_back(std::move(reply.message));
  planner::Turn turn{.note = step.note, .finish = step.finish, .text = step.text};
  turn.interrupted = interrupted;
  for (const auto& each : step.calls)
    if (each.parent.empty())
      turn.calls.push_back({.call = each.call.name + " " + each.call.arguments.print()});
  situation.turns.push_back(std::move(turn));
  situation.spent.tokens = totals.tokens_spent();
  situation.spent.usd = totals.usd_spent();
  steps.push_back(std::move(step));
  open.reset();
  return {};
}

CallProgress* Progress::call_at(const std::string& key) {
  if (steps.empty() && !draft) return nullptr;
  auto& calls = newest().calls;
  const auto found =
      std::find_if(calls.begin(), calls.end(), [&](const auto& call) { return call.step_key == key; });
  return found == calls.end() ? nullptr : &*found;
}

Result<void> Progress::take_call(const Row& row) {
  auto* call = call_at(row.step_key);
  if (call == nullptr) return misfit(row, "the model made no call " + row.step_key);
  if (call->stage == CallProgress::Stage::kSettled)
    return misfit(row, row.step_key + " has its result already");
  switch (row.kind) {
    case Kind::kToolIntent:
      call->stage = CallProgress::Stage::kIntended;
      if (!call->parent.empty()) {
        if (const auto* arguments = find(*row.payload, "arguments")) call->call.arguments = *arguments;
      }
      break;
    case Kind::kToolStarted:
      // One more row for a dispatch says what its server made of it.
      call->task = string_at(*row.payload, "task");
      if (call->task.empty() || call->stage != CallProgress::Stage::kStarted) ++call->attempts;
      call->stage = CallProgress::Stage::kStarted;
      break;
    case Kind::kToolUnknown:
      call->stage = CallProgress::Stage::kUnknown;
      break;
    case Kind::kApprovalAsked:
      call->asked = true;
      break;
    case Kind::kApprovalGiven:
      call->allowed = bool_at(*row.payload, "allowed");
      call->denied = !call->allowed;
      call->denial = fmt::format("{} said no: {}", string_at(*row.payload, "by", "a person"),
                                 string_at(*row.payload, "reason", "no reason given"));
      break;
    case Kind::kChildStarted:
      call->stage = CallProgress::Stage::kStarted;
      ++call->attempts;
      call->child = row.payload;
      if (const auto* arguments = find(*row.payload, "arguments");
          arguments != nullptr && !call->parent.empty())
        call->call.arguments = *arguments;
      break;
    case Kind::kChildDone:
      if (const auto* spent = find(*row.payload, "totals")) totals.add_child(*spent);
      take_result(row, *call);
      break;
    default:
      take_result(row, *call);
  }
  return {};
}

void Progress::take_result(const Row& row, CallProgress& call) {
  settle(call, outcome_named(string_at(*row.payload, "outcome")), string_at(*row.payload, "observation"),
         number_at(*row.payload, "ms"));
  if (bool_at(*row.payload, "handle")) {
    const auto* came = find(*row.payload, "came");
    long_results[row.step_key] = came == nullptr ? std::string() : whole_text(*came);
  }
  if (const auto* found = find(*row.payload, "found"); found != nullptr && found->is_array()) {
    for (const auto& each : *found) {
      const auto name = each.is_string() ? each.get<std::string>() : std::string();
      const bool known = std::find(found_tools.begin(), found_tools.end(), name) != found_tools.end();
      if (!name.empty() && !known) found_tools.push_back(name);
    }
  }
  if (auto result = results.find(call.plan_id); result != results.end() && !call.parent.empty())
    result->second.text = whole_result(*row.payload);
}

// The newest message is either the model's, which nothing is added to, or no model was given it yet.
void Progress::take_new_tools(const Json& news) {
  if (const auto* tools = find(news, "tools"); tools != nullptr && tools->is_array()) {
    for (const auto& tool : *tools) later_tools.push_back(string_at(tool, "name"));
  }
  const auto text = string_at(news, "text");
  if (text.empty()) return;
  if (!messages.empty() && messages.back().role == infer::Role::kUser)
    messages.set_text(messages.size() - 1, messages.back().text + "\n\n" + text);
  else
    messages.push_back(message(infer::Role::kUser, text));
}

void Progress::take_question(const std::string& signal, const Json& payload) {
  auto* call = call_at(string_at(payload, "call"));
  if (call == nullptr || call->stage == CallProgress::Stage::kSettled) return;
  const bool held = bool_at(payload, "held") || !call->held.is_null();
  if (const auto* asked = find(payload, "asked"); held && signal == kQuestionSignal && asked != nullptr) {
    call->held = *asked;
    call->held_answers = JsonValue();
    held_.insert(call->step_key);
    return;
  }
  if (const auto* given = find(payload, "answers"); held && signal == kAnswerSignal && given != nullptr) {
    call->held = JsonValue();
    call->held_answers = *given;
    held_.erase(call->step_key);
    return;
  }
  if (const auto* asked = find(payload, "asked"); signal == kQuestionSignal && asked != nullptr) {
    call->question = *asked;
    call->sealed_sha256 = string_at(payload, "sealed_sha256");
    call->answers = JsonValue();
  }
  const auto* answers = find(payload, "answers");
  if (signal != kAnswerSignal || answers == nullptr || !call->waits_for_answer()) return;
  call->answers = *answers;
  // The server holds nothing: the call is made once more, with the answers and what it gave for going on.
  call->stage = CallProgress::Stage::kIntended;
}

// A person's word about the run: {"name": "say", "payload": {"text"}} or {"name": "cancel"} or {"name":
// "resolve", "payload": {"call", "action", "result", "by"}}; or what a server offers or asks.
Result<void> Progress::take_signal(const Row& row) {
  const auto signal = string_at(*row.payload, "name");
  if (signal == "cancel") cancel_asked = true;
  if (signal == "say") {
    newest_task = text_of(*row.payload);
    said += (said.empty() ? "" : "\n") + newest_task;
  }
  const auto* wish = find(*row.payload, "payload");
  if (signal == kToolsSignal && wish != nullptr) take_new_tools(*wish);
  if ((signal == kQuestionSignal || signal == kAnswerSignal) && wish != nullptr) take_question(signal, *wish);
  if (signal != "resolve") return {};
  auto* call = wish == nullptr ? nullptr : call_at(string_at(*wish, "call"));
  // What names no unknown call came too late or twice: it stays in the journal and does nothing.
  if (call == nullptr || call->stage != CallProgress::Stage::kUnknown) return {};
  const auto action = string_at(*wish, "action");
  if (action == "retry") {
    call->stage = CallProgress::Stage::kIntended;
    call->task.clear();
  }
  if (action == "abort")
    aborted = fmt::format("{} gave up on {}", string_at(*wish, "by", "a person"), call->step_key);
  if (action == "done") settle(*call, Outcome::kDone, string_at(*wish, "result"), 0);
  return {};
}

void Progress::settle(CallProgress& call, Outcome outcome, std::string observation, double ms) {
  call.stage = CallProgress::Stage::kSettled;
  if (held_.erase(call.step_key) > 0) call.held = JsonValue();
  call.outcome = outcome;
  call.observation = std::move(observation);
  auto& step = newest();
  const auto plan = step.plans.find(call.parent);
  if (plan != step.plans.end() && outcome == Outcome::kDone)
    results[call.plan_id] = {described(*plan->second.find(call.plan_id)), call.observation};
  // A plan is no call of a tool, nor is a question; their parts were counted.
  if (!call.asks && !step.plans.contains(call.step_key)) totals.add_tool_call(outcome, ms);
  situation.spent.steps = totals.steps_beside();
  situation.spent.tool_calls = totals.tool_calls_spent();
  situation.spent.tokens = totals.tokens_spent();
  situation.spent.usd = totals.usd_spent();
  auto& calls = step.calls;
  if (call.parent.empty()) {
    auto& told = situation.turns.back().calls[static_cast<std::size_t>(&call - calls.data())];
    told.settled = true;
    told.invalid = outcome == Outcome::kInvalid || outcome == Outcome::kUnknownTool;
    told.result = std::string(name(outcome)) + " " + call.observation;
  }
  const auto settled = [](const auto& each) { return each.stage == CallProgress::Stage::kSettled; };
  if (draft || step.by_file || !std::all_of(calls.begin(), calls.end(), settled)) return;
  // Results may arrive in any order; the model sees them in the order of its calls.
  for (auto& each : calls) {
    if (!each.parent.empty()) continue;
    auto answer = message(infer::Role::kTool, each.observation);
    answer.call_id = each.call.id;
    answer.tool_name = each.call.name;
    each.message = messages.size();
    messages.push_back(std::move(answer));
  }
}

}  // namespace tsukai::agent
