// The tasks that a run gives to other agents (child_run.h).
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/child_run.h"
#include "agent/decisions.h"
#include "agent/records.h"
#include "agent/run_loop.h"

namespace tsukai::agent {

bool Run::is_for_agent(const CallProgress& call) const {
  const auto* tool = parts_.toolbox.find(call.call.name);
  return tool != nullptr && tool->agent;
}

// What this run may still spend, less what the agents at work may.
Budget Run::left() const {
  const auto& whole = parts_.file.budget;
  Budget left = whole;
  left.steps -= static_cast<std::int64_t>(step_number()) + progress_.totals.steps_beside();
  left.tool_calls -= progress_.totals.tool_calls_spent();
  left.tokens -= progress_.totals.tokens_spent() + lent_tokens_;
  left.seconds = std::max<std::int64_t>(0, left_ms()) / 1000;
  left.usd -= progress_.totals.usd_spent();
  for (const auto& [key, reserved] : reserved_) {
    left.steps -= reserved.steps;
    left.tool_calls -= reserved.tool_calls;
    left.tokens -= reserved.tokens;
    left.usd -= reserved.usd;
  }
  return left;
}

// What a task that has not begun would get, shared with those that may begin beside it.
Budget Run::child_share(std::size_t index) const {
  const auto& agents = parts_.file.agents;
  const auto& name = parts_.toolbox.find(calls()[index].call.name)->tool.name;
  const auto found =
      std::find_if(agents.begin(), agents.end(), [&](const auto& agent) { return agent.name == name; });
  TSUKAI_CHECK(found != agents.end(), "only agents of the file are offered");
  std::int64_t pending = 0;
  for (std::size_t i = 0; i < fates_.size(); ++i)
    pending += fates_[i] == Fate::kGo && is_for_agent(calls()[i]) ? 1 : 0;
  return child_budget(parts_.file.budget, left(), found->share, std::max<std::int64_t>(1, pending));
}

// What agents at work may spend is not there for others until they are done: these wait rather than be
// refused.
bool Run::waits_for_agents(std::size_t index) const {
  const auto& call = calls()[index];
  if (reserved_.empty() || call.stage == CallProgress::Stage::kStarted) return false;
  return call.asks || (is_for_agent(call) && spends_nothing(child_share(index)));
}

// Fate::kOver: nothing is left for it, and the model is told so.
Result<void> Run::begin_child(std::size_t index) {
  const auto each = calls()[index];
  const auto agent = parts_.toolbox.find(each.call.name)->tool.name;
  if (each.stage == CallProgress::Stage::kStarted) {  // By this process or one before it.
    if (const auto* budget = find(*each.child, "budget")) reserved_[each.step_key] = budget_from(*budget);
    return {};
  }
  const auto budget = child_share(index);
  if (spends_nothing(budget)) {
    fates_[index] = Fate::kOver;
    return settle(index, observe_failure(Outcome::kOverBudget,
                                         "not started: too little of the budget is left for another agent",
                                         parts_.toolbox.redaction()));
  }
  reserved_[each.step_key] = budget;
  auto payload = call_record(each.call);
  payload["agent"] = agent;
  payload["run"] = child_run_id(id_, each.step_key);
  payload["budget"] = budget_record(budget);
  TSUKAI_TRY_VOID(stage(Kind::kChildStarted, each.step_key, std::move(payload), each.attempts + 1));
  tell("child_started", {{"step", step_of_calls()},
                         {"call_id", each.step_key},
                         {"agent", agent},
                         {"run_id", child_run_id(id_, each.step_key)},
                         {"task", string_at(*each.call.arguments, kTaskArgument)},
                         {"budget", budget_record(budget)}});
  return {};
}

Task<void> Run::await_child(std::string step_key) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto each = calls()[index_of(step_key)];
  const auto agent = string_at(*each.child, "agent");
  ChildStart start{.run = string_at(*each.child, "run"),
                   .parent = id_,
                   .step_key = each.step_key,
                   .file = &parts_.file,
                   .agent = agent,
                   .arguments = each.call.arguments,
                   .budget = reserved_.at(step_key),
                   .user = parts_.user};
  if (const auto* arguments = find(*each.child, "arguments")) start.arguments = *arguments;
  if (parts_.on_event) {
    start.on_event = [this, agent, run = start.run, key = each.step_key](const Event& event) {
      parts_.on_event({"child", event.at_ms,
                       Json{{"agent", agent},
                            {"run_id", run},
                            {"call_id", key},
                            {"event", {{"type", event.type}, {"data", *event.data}}}}});
    };
  }
  const auto began = std::chrono::steady_clock::now();
  Result<RunOutcome> outcome = fail(Code::kInternal, "this run can start no other agents");
  if (parts_.children != nullptr) outcome = co_await parts_.children->run(std::move(start));
  const bool cancelled = co_await was_cancelled();
  // Calls stand elsewhere once the turn is whole.
  const auto index = index_of(step_key);
  landed(index);
  reserved_.erase(step_key);
  if (cancelled) co_return Result<void>();
  if (!outcome) {
    call_failed_ = std::move(outcome).error();
  } else if (outcome->state == RunState::kWaiting) {
    fates_[index] = Fate::kWaits;
    waits_below_[step_key] = outcome->reason;
  } else {
    const double ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
    if (auto done = end_child(index, *outcome, ms); !done) call_failed_ = done.error();
    // By somebody who may have meant this run as well: it looks before it goes on.
    if (outcome->state == RunState::kCancelled) signals_ms_ = 0;
  }
  co_return Result<void>();
}

Result<void> Run::end_child(std::size_t index, const RunOutcome& outcome, double ms) {
  const auto each = calls()[index];
  take_lent(each.step_key);
  const auto agent = string_at(*each.child, "agent");
  auto observation = child_observation(agent, outcome, parts_.toolbox.redaction());
  observation.ms = ms;
  shorten(observation, each.step_key);
  auto payload = observation_record(each.call, observation);
  payload["agent"] = agent;
  payload["run"] = string_at(*each.child, "run");
  payload["state"] = name(outcome.state);
  payload["answer"] = outcome.answer;
  payload["reason"] = outcome.reason;
  payload["totals"] = *outcome.totals;
  TSUKAI_TRY_VOID(stage(Kind::kChildDone, each.step_key, std::move(payload), std::max(1, each.attempts)));
  tell("child_done", {{"step", step_of_calls()},
                      {"call_id", each.step_key},
                      {"agent", agent},
                      {"run_id", string_at(*each.child, "run")},
                      {"state", name(outcome.state)},
                      {"reason", outcome.reason},
                      {"totals", *outcome.totals}});
  tell_result(calls()[index], observation.bytes_whole, ms);
  return {};
}

// An agent whose run waits for a person waits in vain once the run that started it is over.
Task<void> Run::close_children() {
  if (progress_.steps.empty() && !progress_.draft) co_return Result<void>();
  std::vector<std::string> open;
  for (const auto& each : calls()) {
    if (!each.child.is_null() && each.stage != CallProgress::Stage::kSettled)
      open.push_back(string_at(*each.child, "run"));
  }
  for (const auto& run : open) {
    auto closed = co_await journaled<bool>(
        [run, by = "the end of run " + id_](Journal& journal) { return cancel_run(journal, run, by); });
    // It never began, or has ended already.
    if (!closed && closed.error().code() != Code::kNotFound &&
        closed.error().code() != Code::kInvalidArgument)
      co_return fail(std::move(closed).error());
  }
  co_return Result<void>();
}

}  // namespace tsukai::agent
