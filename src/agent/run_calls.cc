#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/crash_point.h"
#include "agent/records.h"
#include "agent/recovery.h"
#include "agent/run_loop.h"
#include "base/gate.h"

namespace tsukai::agent {
namespace {

// Of an observation, in events; the journal has it whole.
constexpr std::size_t kEventTextBytesMax = 2'048;

}  // namespace

Json Run::call_named(const CallProgress& call) const {
  const auto* tool = parts_.toolbox.find(call.call.name);
  return {{"step", step_number()},
          {"call_id", call.step_key},
          {"server", tool == nullptr ? "" : tool->server_name},
          {"tool", tool == nullptr ? call.call.name : tool->tool.name}};
}

Task<std::optional<Ending>> Run::dispatch(std::size_t calls_allowed) {
  queue_.clear();
  std::vector<std::string> waiting;
  for (std::size_t i = 0; i < calls().size(); ++i) {
    if (calls()[i].stage == CallProgress::Stage::kSettled) continue;
    auto told = call_named(calls()[i]);
    told["arguments"] = *calls()[i].call.arguments;
    tell("tool_call", std::move(told));
    TSUKAI_CO_TRY(const auto fate, consider(i, queue_.size() < calls_allowed));
    if (fate == Fate::kGo) queue_.push_back(i);
    if (fate == Fate::kWaits) waiting.push_back(calls()[i].step_key);
  }
  TSUKAI_CO_TRY_VOID(intend());
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
  if (waiting.empty()) co_return std::nullopt;
  std::string reason = "waiting for a person:";
  for (const auto& key : waiting) {
    const auto* call = progress_.call_at(key);
    const auto verb = call->stage == CallProgress::Stage::kUnknown
                          ? fmt::format("tsukai runs resolve {} {} --done JSON | --retry | --abort", id_, key)
                          : fmt::format("tsukai runs approve {} {} [--deny]", id_, key);
    reason += fmt::format("\n  {} {}: {}", key, call->call.name, verb);
  }
  co_return Ending{RunState::kWaiting, {}, std::move(reason)};
}

Result<Run::Fate> Run::consider(std::size_t index, bool room) {
  const auto each = calls()[index];
  const auto& redaction = parts_.toolbox.redaction();
  if (each.stage == CallProgress::Stage::kUnknown) return Fate::kWaits;
  const auto* tool = parts_.toolbox.find(each.call.name);
  if (each.stage == CallProgress::Stage::kStarted) {
    // Some process died, or lost the run, between TOOL_STARTED and TOOL_RESULT.
    if (tool != nullptr && recovery_of(each, *tool, parts_.toolbox.trusted(*tool)) != Recovery::kUnknown)
      return Fate::kGo;
    TSUKAI_TRY_VOID(record(Kind::kToolUnknown, each.step_key, call_record(each.call), each.attempts));
    return Fate::kWaits;
  }
  if (auto refusal = parts_.toolbox.refusal(each.call)) {
    TSUKAI_TRY_VOID(settle(index, observe_failure(refusal->outcome, refusal->message, redaction)));
    return Fate::kSettled;
  }
  if (!room) {
    const auto message =
        fmt::format("not called: the budget of {} tool calls is used up", parts_.file.budget.tool_calls);
    TSUKAI_TRY_VOID(settle(index, observe_failure(Outcome::kOverBudget, message, redaction)));
    return Fate::kSettled;
  }
  const auto rule = parts_.toolbox.approval_rule(each.call);
  return rule.empty() || each.allowed ? Result<Fate>(Fate::kGo) : approve(index, rule);
}

Result<Run::Fate> Run::approve(std::size_t index, const std::string& rule) {
  const auto each = calls()[index];
  const auto& tool = *parts_.toolbox.find(each.call.name);
  if (!each.asked) {
    TSUKAI_TRY(const auto asked,
               parts_.journal.ask_approval(id_, each.step_key, tool.qualified, *each.call.arguments, rule));
    crash_point("after", name(Kind::kApprovalAsked));
    TSUKAI_TRY_VOID(note(Kind::kApprovalAsked, each.step_key, {{"digest", asked.digest}}));
    tell("notice",
         {{"message", fmt::format("{} {} needs approval ({})", each.step_key, tool.qualified, rule)}});
  }
  if (!each.denied) {
    TSUKAI_TRY(const auto given,
               parts_.journal.use_approval(id_, each.step_key, tool.qualified, *each.call.arguments));
    if (!given) return Fate::kWaits;
    const bool allowed = given->decision == Approval::Decision::kAllowed;
    TSUKAI_TRY_VOID(note(Kind::kApprovalGiven, each.step_key,
                         {{"allowed", allowed}, {"by", given->by}, {"reason", given->reason}}));
    crash_point("after", name(Kind::kApprovalGiven));
    if (allowed) return Fate::kGo;
  }
  TSUKAI_TRY_VOID(
      settle(index, observe_failure(Outcome::kDenied, calls()[index].denial, parts_.toolbox.redaction())));
  return Fate::kSettled;
}

// All intents of a turn are durable, at once, before the first dispatch.
Result<void> Run::intend() {
  std::vector<Entry> entries;
  for (const auto index : queue_) {
    const auto& each = calls()[index];
    if (each.stage != CallProgress::Stage::kPlanned) continue;
    auto payload = call_record(each.call);
    payload["tool"] = parts_.toolbox.find(each.call.name)->qualified;
    entries.push_back({Kind::kToolIntent, each.step_key, 1, std::move(payload)});
  }
  if (entries.empty()) return {};
  crash_point("before", name(Kind::kToolIntent));
  TSUKAI_TRY(const auto rows, parts_.journal.append_all(id_, entries));
  crash_point("after", name(Kind::kToolIntent));
  for (const auto& row : rows) TSUKAI_TRY_VOID(progress_.apply(row));
  return {};
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
  const auto each = calls()[index];
  TSUKAI_CO_TRY_VOID(record(Kind::kToolStarted, each.step_key, Json::object(), each.attempts + 1));
  auto observation =
      co_await parts_.toolbox.call(each.call, idempotency_key(id_, each.step_key), each.step_key, left_ms());
  // Nobody knows whether a cancelled call took effect: no result is claimed for it.
  if (observation.outcome == Outcome::kCancelled) co_return Result<void>();
  co_return settle(index, observation);
}

Result<void> Run::settle(std::size_t index, const Observation& observation) {
  const auto each = calls()[index];
  TSUKAI_TRY_VOID(record(Kind::kToolResult, each.step_key, observation_record(each.call, observation),
                         std::max(1, each.attempts)));
  auto told = call_named(each);
  told["text"] = bounded(observation.text, kEventTextBytesMax);
  told["is_error"] = observation.outcome != Outcome::kDone;
  told["outcome"] = name(observation.outcome);
  told["bytes"] = observation.bytes_whole;
  told["took_ms"] = observation.ms;
  tell("tool_result", std::move(told));
  return {};
}

}  // namespace tsukai::agent
