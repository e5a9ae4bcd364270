#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/crash_point.h"
#include "agent/find_tools.h"
#include "agent/records.h"
#include "agent/recovery.h"
#include "agent/run_loop.h"
#include "base/gate.h"
#include "base/hash.h"

namespace tsukai::agent {
namespace {

// Of an observation, in events; the journal has it whole.
constexpr std::size_t kEventTextBytesMax = 2'048;

}  // namespace

Json Run::call_named(const CallProgress& call) const {
  const auto* tool = parts_.toolbox.find(call.call.name);
  return {{"step", step_of_calls()},
          {"call_id", call.step_key},
          {"server", tool == nullptr ? "" : tool->server_name},
          {"tool", tool == nullptr ? call.call.name : tool->tool.name}};
}

void Run::forget_fates() {
  fates_.clear();
  reserved_.clear();
  waits_below_.clear();
  waits_told_.clear();
}

std::size_t Run::count(Fate fate) const {
  return static_cast<std::size_t>(std::count(fates_.begin(), fates_.end(), fate));
}

asio::awaitable<void> Run::open_flight() {
  if (gate_) co_return;
  auto executor = co_await asio::this_coro::executor;
  landed_.emplace(executor, asio::steady_timer::time_point::max());
  gate_.emplace(executor);
}

// Nobody knows whether a cancelled call took effect: no result is claimed for it.
asio::awaitable<void> Run::end_flight() {
  if (gate_ && gate_->alive() > 0) co_await gate_->close();
  gate_.reset();
}

void Run::landed(std::size_t index) {
  fates_[index] = Fate::kOver;
  landed_any_ = true;
  landed_->cancel();
}

// Until a call lands, or it is time to look whether somebody outside wants something.
asio::awaitable<void> Run::wait_for_landing() {
  if (landed_any_) co_return;
  boost::system::error_code error;
  landed_->expires_after(std::chrono::milliseconds(something_waits() ? kWordsEveryMs : kSignalsEveryMs));
  co_await landed_->async_wait(asio::redirect_error(asio::use_awaitable, error));
}

std::size_t Run::index_of(const std::string& key) const {
  const auto found = std::find_if(calls().begin(), calls().end(),
                                  [&](const CallProgress& call) { return call.step_key == key; });
  return static_cast<std::size_t>(found - calls().begin());
}

Task<std::optional<Ending>> Run::dispatch() {
  if (!std::exchange(fates_kept_, false)) forget_fates();
  call_failed_.reset();
  co_await open_flight();
  for (;;) {
    landed_any_ = false;
    if (auto admitted = co_await admit(); !admitted) call_failed_ = admitted.error();
    if (call_failed_ || co_await was_cancelled()) break;
    if (count(Fate::kFlying) == 0) break;
    // What has its result is durable while others are still on their way.
    if (auto flushed = co_await flush(); !flushed) call_failed_ = flushed.error();
    if (call_failed_) break;
    if (auto heard = co_await wait_for_news(); !heard) call_failed_ = heard.error();
    if (call_failed_ || co_await was_cancelled()) break;
    auto asked = co_await outside();
    if (!asked) call_failed_ = asked.error();
    if (call_failed_) break;
    if (*asked) {
      co_await end_flight();
      co_return *std::move(asked);
    }
  }
  const bool cancelled = co_await was_cancelled();  // Asked before close(), which puts cancellation off.
  co_await end_flight();
  if (call_failed_) co_return fail(*call_failed_);
  if (cancelled) co_return Ending{RunState::kCancelled, {}, "cancelled"};
  if (count(Fate::kWaits) == 0) {
    if (shown_waiting_.value_or(false)) TSUKAI_CO_TRY_VOID(co_await show_state());
    co_return std::nullopt;
  }
  co_return Ending{RunState::kWaiting, {}, waiting_reason()};
}

std::string Run::waiting_reason() const {
  std::string reason = "waiting for a person:";
  for (std::size_t i = 0; i < calls().size(); ++i) {
    if (fates_[i] != Fate::kWaits) continue;
    const auto& call = calls()[i];
    if (const auto below = waits_below_.find(call.step_key); below != waits_below_.end()) {
      reason += fmt::format("\n  {} {}, in run {}: {}", call.step_key, call.call.name,
                            string_at(*call.child, "run"), below->second);
      continue;
    }
    reason += fmt::format("\n  {} {}: {}", call.step_key, call.call.name, how_to_decide(call));
  }
  return reason;
}

// Rows that belong together become durable together: results that came in, intents of what is new, starts of
// what begins now. One commit, then the dispatch.
Task<void> Run::admit() {
  // Again while something changed: a step that is over may let others begin, or end its plan.
  for (bool more = true; more;) {
    more = false;
    for (std::size_t i = 0; i < calls().size(); ++i) {
      fates_.resize(calls().size(), Fate::kNew);
      if (fates_[i] != Fate::kNew) continue;
      const auto before = calls().size();
      Fate fate = Fate::kOver;
      if (calls()[i].stage != CallProgress::Stage::kSettled) {
        TSUKAI_CO_TRY(fate, co_await consider(i));
      }
      fates_.resize(calls().size(), Fate::kNew);
      fates_[i] = fate;
      more = more || fate != Fate::kNew || calls().size() != before;
    }
  }
  TSUKAI_CO_TRY_VOID(intend());
  std::vector<std::size_t> starting;
  for (std::size_t i = 0; i < calls().size(); ++i) {
    if (fates_[i] != Fate::kGo) continue;
    if (!may_start(i)) break;  // In the order of the calls: one that runs alone waits for those before it.
    if (calls()[i].asks) {
      TSUKAI_CO_TRY_VOID(begin_question(i));
      if (fates_[i] == Fate::kOver) continue;
    } else if (is_for_agent(calls()[i])) {
      TSUKAI_CO_TRY_VOID(begin_child(i));
      if (fates_[i] == Fate::kOver) continue;
    } else if (calls()[i].task.empty() || calls()[i].stage != CallProgress::Stage::kStarted) {
      TSUKAI_CO_TRY_VOID(
          stage(Kind::kToolStarted, calls()[i].step_key, Json::object(), calls()[i].attempts + 1));
    }
    fates_[i] = Fate::kFlying;
    starting.push_back(i);
  }
  if (starting.empty()) co_return Result<void>();
  TSUKAI_CO_TRY_VOID(co_await flush());
  if (co_await was_cancelled()) co_return Result<void>();
  for (const auto index : starting) {
    if (calls()[index].asks)
      gate_->spawn(ask_question(index));
    else if (is_for_agent(calls()[index]))
      gate_->spawn(await_child(calls()[index].step_key));
    else
      gate_->spawn(make_call(calls()[index].step_key));
  }
  co_return Result<void>();
}

bool Run::may_start(std::size_t index) const {
  if (waits_for_agents(index)) return false;
  const auto* tool = parts_.toolbox.find(calls()[index].call.name);
  std::size_t flying = 0, at_server = 0;
  for (std::size_t i = 0; i < calls().size(); ++i) {
    if (fates_[i] != Fate::kFlying) continue;
    ++flying;
    const auto* other = parts_.toolbox.find(calls()[i].call.name);
    if (other == nullptr) continue;
    if (other->destructive()) return false;
    at_server += tool != nullptr && other->server == tool->server ? 1 : 0;
  }
  if (tool != nullptr && tool->destructive()) return flying == 0;
  return flying < parts_.file.parallel_calls && at_server < parts_.file.parallel_calls_per_server;
}

bool Run::room_in_budget() const {
  const auto going = static_cast<std::int64_t>(count(Fate::kGo) + count(Fate::kFlying));
  // Agents at work stand among these; what they may call themselves is taken off as well.
  return left().tool_calls - going > 0;
}

void Run::announce(std::size_t index) {
  if (!parts_.on_event) return;
  auto told = call_named(calls()[index]);
  told["arguments"] = *calls()[index].call.arguments;
  tell_soon("tool_call", std::move(told));
}

Task<Run::Fate> Run::consider(std::size_t index) {
  if (makes_plan(calls()[index])) co_return consider_plan(index);
  if (!calls()[index].parent.empty()) {
    TSUKAI_CO_TRY(const auto fate, consider_step(index));
    if (fate != Fate::kGo) co_return fate;
    TSUKAI_CO_TRY_VOID(take_arrivals_for(index));
  }
  const bool planned = calls()[index].stage == CallProgress::Stage::kPlanned;
  if (planned && !reserved_.empty() && !calls()[index].asks && !room_in_budget()) co_return Fate::kNew;
  announce(index);
  if (reads_result(calls()[index].call)) co_return read_result(index);
  if (finds_tools() && calls()[index].call.name == kFindTools) co_return find_tools(index);
  const auto& each = calls()[index];  // Nothing is awaited while it is looked at.
  if (each.asks) co_return Fate::kGo;
  const auto& redaction = parts_.toolbox.redaction();
  if (each.stage == CallProgress::Stage::kUnknown || each.waits_for_answer()) co_return Fate::kWaits;
  const auto* tool = parts_.toolbox.find(each.call.name);
  if (each.stage == CallProgress::Stage::kStarted) {
    if (tool != nullptr && tool->agent) co_return Fate::kGo;  // Its run goes on where it was.
    // Some process died, or lost the run, between TOOL_STARTED and TOOL_RESULT.
    if (tool != nullptr && recovery_of(each, *tool, parts_.toolbox.trusted(*tool)) != Recovery::kUnknown)
      co_return Fate::kGo;
    TSUKAI_CO_TRY_VOID(stage(Kind::kToolUnknown, each.step_key, call_record(each.call), each.attempts));
    co_return Fate::kWaits;
  }
  if (auto hint = not_found_yet(each.call); !hint.empty()) {
    TSUKAI_CO_TRY_VOID(settle(index, observe_failure(Outcome::kInvalid, hint, redaction)));
    co_return Fate::kOver;
  }
  if (auto refusal = parts_.toolbox.refusal(each.call)) {
    TSUKAI_CO_TRY_VOID(settle(index, observe_failure(refusal->outcome, refusal->message, redaction)));
    co_return Fate::kOver;
  }
  if (!room_in_budget()) {
    const auto message =
        fmt::format("not called: the budget of {} tool calls is used up", parts_.file.budget.tool_calls);
    TSUKAI_CO_TRY_VOID(settle(index, observe_failure(Outcome::kOverBudget, message, redaction)));
    co_return Fate::kOver;
  }
  auto rule = parts_.toolbox.approval_rule(each.call);
  if (rule.empty() || each.allowed) co_return Fate::kGo;
  co_return co_await approve(index, std::move(rule));
}

Task<Run::Fate> Run::approve(std::size_t index, std::string rule) {
  const auto each = calls()[index];
  const auto qualified = parts_.toolbox.find(each.call.name)->qualified;
  // The journal writes rows of its own here: what is staged stands before them.
  TSUKAI_CO_TRY_VOID(co_await flush());
  if (!each.asked) {
    crash_point("before", name(Kind::kApprovalAsked));
    TSUKAI_CO_TRY(const auto asked, co_await journaled<Approval>([=, run = id_](Journal& journal) {
                    return journal.ask_approval(run, each.step_key, qualified, *each.call.arguments, rule);
                  }));
    crash_point("after", name(Kind::kApprovalAsked));
    TSUKAI_CO_TRY_VOID(note(Kind::kApprovalAsked, each.step_key, {{"digest", asked.digest}}));
    tell("notice", {{"message", fmt::format("{} {} needs approval ({})", each.step_key, qualified, rule)}});
  }
  if (!each.denied) {
    crash_point("before", name(Kind::kApprovalGiven));
    TSUKAI_CO_TRY(const auto given,
                  co_await journaled<std::optional<Approval>>([=, run = id_](Journal& journal) {
                    return journal.use_approval(run, each.step_key, qualified, *each.call.arguments);
                  }));
    if (!given) co_return Fate::kWaits;
    const bool allowed = given->decision == Approval::Decision::kAllowed;
    shown_waiting_.reset();  // The journal has said of itself whether the run waits.
    TSUKAI_CO_TRY_VOID(note(Kind::kApprovalGiven, each.step_key,
                            {{"allowed", allowed}, {"by", given->by}, {"reason", given->reason}}));
    crash_point("after", name(Kind::kApprovalGiven));
    if (allowed) co_return Fate::kGo;
  }
  TSUKAI_CO_TRY_VOID(
      settle(index, observe_failure(Outcome::kDenied, calls()[index].denial, parts_.toolbox.redaction())));
  co_return Fate::kOver;
}

// All intents of a turn are durable, at once, before the first dispatch.
Result<void> Run::intend() {
  for (std::size_t i = 0; i < calls().size(); ++i) {
    const auto& each = calls()[i];
    if (fates_[i] != Fate::kGo || each.asks || is_for_agent(each) ||
        each.stage != CallProgress::Stage::kPlanned)
      continue;
    auto payload = call_record(each.call);
    payload["tool"] = parts_.toolbox.find(each.call.name)->qualified;
    TSUKAI_TRY_VOID(stage(Kind::kToolIntent, each.step_key, std::move(payload)));
  }
  return {};
}

// The server wants its state back byte for byte, and may have put a secret of ours into it.
Json Run::question_record(const CallProgress& call, const Json& asked) const {
  Json record = {{"call", call.step_key}, {"asked", asked}};
  auto sealed = parts_.toolbox.redaction().sealed(asked);
  if (sealed == asked) return record;
  record["asked"] = std::move(sealed);
  record["sealed_sha256"] = sha256_hex(print_json(asked));
  return record;
}

Result<JsonValue> Run::question_of(const CallProgress& call) const {
  if (call.sealed_sha256.empty()) return call.question;
  auto asked = parts_.toolbox.redaction().unsealed(*call.question);
  if (asked && sha256_hex(print_json(*asked)) != call.sealed_sha256)
    asked = fail(Code::kInvalidArgument, "a secret in it is another one now");
  if (!asked) {
    return fail(Code::kInvalidArgument,
                fmt::format("the server of {} can't be given back what it wants to go on with: {}",
                            call.step_key, asked.error().message()),
                "set it as it was when the run began to wait, or cancel the run: tsukai runs cancel " + id_);
  }
  return JsonValue(*std::move(asked));
}

// Before a run goes on: whether what its servers asked can be gone on with.
Result<void> Run::check_questions() const {
  if (progress_.steps.empty() && !progress_.draft) return {};
  for (const auto& call : calls()) {
    if (call.stage == CallProgress::Stage::kSettled) continue;
    if (auto question = question_of(call); !question) return fail(std::move(question).error());
  }
  return {};
}

Task<void> Run::make_call(std::string step_key) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto each = calls()[index_of(step_key)];
  CallTask task{each.task, [this, step_key](const std::string& id) { became_task(step_key, id); },
                question_of(each).value_or(JsonValue()), each.answers,
                [this] {
                  const auto now = std::chrono::steady_clock::now().time_since_epoch();
                  return std::chrono::milliseconds(held_for_deadlines_.so_far(
                      std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
                }};
  auto observation = co_await parts_.toolbox.call(each.call, idempotency_key(id_, each.step_key),
                                                  each.step_key, left_ms(), std::move(task));
  // Calls stand elsewhere once the turn is whole.
  const auto index = index_of(step_key);
  landed(index);
  let_go(step_key);
  if (observation.task_lost) fates_[index] = Fate::kWaits;
  if (observation.outcome == Outcome::kCancelled) co_return Result<void>();
  if (!observation.asked.is_null()) {
    fates_[index] = Fate::kWaits;
    auto staged = stage(Kind::kSignal, "",
                        {{"name", kQuestionSignal}, {"payload", question_record(each, *observation.asked)}});
    if (!staged) call_failed_ = staged.error();
    co_return Result<void>();
  }
  if (observation.task_lost) {
    auto unknown = call_record(each.call);
    unknown["reason"] = observation.text;
    auto staged = stage(Kind::kToolUnknown, each.step_key, std::move(unknown), each.attempts);
    if (!staged) call_failed_ = staged.error();
    co_return Result<void>();
  }
  shorten(observation, each.step_key);
  if (auto settled = settle(index, observation); !settled) call_failed_ = settled.error();
  co_return Result<void>();
}

void Run::became_task(const std::string& step_key, const std::string& task) {
  const auto& each = calls()[index_of(step_key)];
  auto staged = stage(Kind::kToolStarted, each.step_key, Json{{"task", task}}, each.attempts);
  if (!staged) call_failed_ = staged.error();
  landed_any_ = true;
  landed_->cancel();
}

void Run::tell_result(const CallProgress& call, std::size_t bytes, double ms) {
  if (!parts_.on_event) return;
  auto told = call_named(call);
  told["text"] = bounded(call.observation, kEventTextBytesMax);
  told["is_error"] = call.outcome != Outcome::kDone;
  told["outcome"] = name(call.outcome);
  told["bytes"] = bytes;
  told["took_ms"] = ms;
  tell("tool_result", std::move(told));
}

Result<void> Run::settle(std::size_t index, const Observation& observation) {
  const auto& each = calls()[index];
  take_lent(each.step_key);
  TSUKAI_TRY_VOID(stage(Kind::kToolResult, each.step_key, observation_record(each.call, observation),
                        std::max(1, each.attempts)));
  tell_result(calls()[index], observation.bytes_whole, observation.ms);
  return {};
}

}  // namespace tsukai::agent
