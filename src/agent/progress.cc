#include "agent/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

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
    if (last_at_ms > 0 && row.kind != Kind::kLeaseTaken) active_ms += row.at_ms - last_at_ms;
    last_at_ms = row.at_ms;
  }
  switch (row.kind) {
    case Kind::kRunStarted: {
      task = string_at(payload, "task");
      const auto system = string_at(payload, "system");
      if (!system.empty()) messages.push_back(message(infer::Role::kSystem, system));
      messages.push_back(message(infer::Role::kUser, task));
      return {};
    }
    case Kind::kRecalled:
      if (messages.empty() || !steps.empty()) return misfit(row, "memory is recalled before the first step");
      messages.back().text = string_at(payload, "message");
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
      return take_call(row);
    case Kind::kSignal:
      return take_signal(row);
    case Kind::kCancelled:
    case Kind::kRunDone:
      finished = true;
      return {};
    default:  // Leases, timers and erasure change nothing that the loop decides by.
      return {};
  }
  return {};
}

Result<void> Progress::take_intent(const Row& row) {
  const Json& payload = *row.payload;
  // An intent after an intent: the first attempt had no result. The prompt is rebuilt from the same
  // transcript.
  OpenModelCall call;
  call.step_key = row.step_key;
  call.prompt.kept_bytes = static_cast<std::size_t>(integer_at(payload, "kept_bytes"));
  call.prompt.kept_tokens = static_cast<std::size_t>(integer_at(payload, "kept_tokens"));
  if (call.prompt.kept_bytes > transcript.text.size() || call.prompt.kept_tokens > transcript.tokens.size()) {
    return misfit(row, "it keeps more than the transcript holds");
  }
  call.prompt.text = transcript.text.substr(0, call.prompt.kept_bytes) + text_at(payload, "text");
  call.prompt.tokens.assign(transcript.tokens.begin(),
                            transcript.tokens.begin() + static_cast<std::ptrdiff_t>(call.prompt.kept_tokens));
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
  open = std::move(call);
  return {};
}

Result<void> Progress::take_reply(const Row& row) {
  if (!open) return misfit(row, "there is no MODEL_INTENT before it");
  TSUKAI_TRY(auto reply, reply_from(*row.payload));
  said.clear();
  if (!open->note_text.empty()) messages.push_back(message(infer::Role::kUser, open->note_text));
  StepProgress step{.note = open->note, .finish = reply.finish, .text = reply.message.text};
  for (std::size_t i = 0; i < reply.message.calls.size(); ++i) {
    step.calls.push_back({.call = reply.message.calls[i], .step_key = call_key(steps.size() + 1, i + 1)});
  }
  std::int64_t new_tokens = -1;
  if (!open->prompt.tokens.empty()) {
    new_tokens = static_cast<std::int64_t>(open->prompt.tokens.size() - open->prompt.kept_tokens);
    // The last token of a turn is produced but never read until the next one: it is new there.
    if (open->prompt.kept_tokens > 0 && open->prompt.kept_tokens == transcript.tokens.size()) ++new_tokens;
  }
  totals.add_model_call(reply.usage, new_tokens, number_at(*row.payload, "ms"));
  transcript.text = std::move(open->prompt.text) + reply.text;
  transcript.tokens = std::move(open->prompt.tokens);
  transcript.tokens.insert(transcript.tokens.end(), reply.tokens.begin(), reply.tokens.end());
  messages.push_back(std::move(reply.message));
  planner::Turn turn{.note = step.note, .finish = step.finish, .text = step.text};
  for (const auto& each : step.calls)
    turn.calls.push_back({.call = each.call.name + " " + each.call.arguments.print()});
  situation.turns.push_back(std::move(turn));
  situation.spent.tokens = totals.tokens_spent();
  steps.push_back(std::move(step));
  open.reset();
  return {};
}

CallProgress* Progress::call_at(const std::string& key) {
  if (steps.empty()) return nullptr;
  auto& calls = steps.back().calls;
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
      break;
    case Kind::kToolStarted:
      call->stage = CallProgress::Stage::kStarted;
      ++call->attempts;
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
    default:
      settle(*call, outcome_named(string_at(*row.payload, "outcome")), string_at(*row.payload, "observation"),
             number_at(*row.payload, "ms"));
  }
  return {};
}

// A person's word about the run: {"name": "say", "payload": {"text"}} or {"name": "cancel"} or {"name":
// "resolve", "payload": {"call", "action", "result", "by"}}.
Result<void> Progress::take_signal(const Row& row) {
  const auto signal = string_at(*row.payload, "name");
  if (signal == "cancel") cancel_asked = true;
  if (signal == "say") said += (said.empty() ? "" : "\n") + text_of(*row.payload);
  if (signal != "resolve") return {};
  const auto* wish = find(*row.payload, "payload");
  auto* call = wish == nullptr ? nullptr : call_at(string_at(*wish, "call"));
  // What names no unknown call came too late or twice: it stays in the journal and does nothing.
  if (call == nullptr || call->stage != CallProgress::Stage::kUnknown) return {};
  const auto action = string_at(*wish, "action");
  if (action == "retry") call->stage = CallProgress::Stage::kIntended;
  if (action == "abort")
    aborted = fmt::format("{} gave up on {}", string_at(*wish, "by", "a person"), call->step_key);
  if (action == "done") settle(*call, Outcome::kDone, string_at(*wish, "result"), 0);
  return {};
}

void Progress::settle(CallProgress& call, Outcome outcome, std::string observation, double ms) {
  call.stage = CallProgress::Stage::kSettled;
  call.outcome = outcome;
  call.observation = std::move(observation);
  totals.add_tool_call(outcome, ms);
  situation.spent.tool_calls = totals.tool_calls;
  const auto& calls = steps.back().calls;
  auto& told = situation.turns.back().calls[static_cast<std::size_t>(&call - calls.data())];
  told.settled = true;
  told.result = std::string(name(outcome)) + " " + call.observation;
  const auto settled = [](const auto& each) { return each.stage == CallProgress::Stage::kSettled; };
  if (!std::all_of(calls.begin(), calls.end(), settled)) return;
  // Results may arrive in any order; the model sees them in the order of its calls.
  for (const auto& each : calls) {
    auto answer = message(infer::Role::kTool, each.observation);
    answer.call_id = each.call.id;
    answer.tool_name = each.call.name;
    messages.push_back(std::move(answer));
  }
}

}  // namespace tsukai::agent
