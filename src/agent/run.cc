#include "agent/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/crash_point.h"
#include "agent/recall.h"
#include "agent/records.h"
#include "agent/run_loop.h"

namespace tsukai::agent {

Task<void> Run::begin() {
  began_ms_ = parts_.clock.steady_ms();
  if (parts_.file.output_schema) {
    auto compiled = JsonSchema::compile(**parts_.file.output_schema);
    if (!compiled) co_return fail(std::move(compiled).error().in("output.schema"));
    output_ = *std::move(compiled);
  }
  choose_tools_shown();
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
  crash_point("before", "RUN_STARTED");
  if (!parts_.parent.run.empty())
    payload["parent"] = {{"run", parts_.parent.run}, {"step_key", parts_.parent.step_key}};
  TSUKAI_CO_TRY(
      id_, co_await journaled<std::string>([agent = parts_.file.name, task = parts_.task, user = parts_.user,
                                            id = parts_.run_id, payload](Journal& journal) {
        return id.empty() ? journal.start_run(agent, task, user, payload)
                          : journal.start_run_as(id, agent, task, user, payload);
      }));
  crash_point("after", "RUN_STARTED");
  TSUKAI_CO_TRY_VOID(note(Kind::kRunStarted, "", payload));

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
  co_return Result<void>();
}

Task<void> Run::restore(std::string id) {
  id_ = id;
  crash_point("before", "LEASE_TAKEN");
  TSUKAI_CO_TRY_VOID(
      co_await journaled<Lease>([id](Journal& journal) { return journal.take_lease(id, kLeaseMs); }));
  crash_point("after", "LEASE_TAKEN");
  TSUKAI_CO_TRY(const auto rows, parts_.journal.rows(id_));
  TSUKAI_CO_TRY(progress_, Progress::of(rows));
  if (auto questions = check_questions(); !questions) {
    // It waits on, for whoever sets right what is wrong.
    (void)co_await journaled_void([id](Journal& journal) { return journal.release_lease(id); });
    co_return fail(std::move(questions).error().in("run " + id_));
  }
  choose_tools_shown();
  progress_.last_at_ms = parts_.clock.wall_ms();
  began_ms_ = parts_.clock.steady_ms() - progress_.active_ms;
  if (parts_.file.output_schema) {
    TSUKAI_CO_TRY(output_, JsonSchema::compile(**parts_.file.output_schema));
  }
  TSUKAI_CO_TRY_VOID(
      co_await journaled_void([id](Journal& journal) { return journal.set_state(id, RunState::kRunning); }));
  tell("run_started", {{"run_id", id_},
                       {"agent", parts_.file.name},
                       {"task", progress_.task},
                       {"user", parts_.user},
                       {"model", model_record(parts_.model.description())},
                       {"database", parts_.database_path},
                       {"resumed_at_step", step_number() + 1}});
  co_return Result<void>();
}

Result<void> Run::recall() {
  if (parts_.memory == nullptr || parts_.file.memory_recall == 0) return {};
  if (progress_.recalled || progress_.open || !progress_.steps.empty()) return {};
  auto found =
      parts_.memory->search(parts_.task, recall_scope(parts_.file, parts_.user), parts_.file.memory_recall);
  if (!found) {
    // A task can be done without memories; a run that dies of them helps nobody.
    tell("notice", {{"message", "memory could not be searched: " + found.error().text()}});
    return {};
  }
  Json payload =
      recalled_record(*found, parts_.toolbox.redaction().text(opening_message(parts_.task, *found)));
  TSUKAI_TRY_VOID(stage(Kind::kRecalled, "", payload));
  tell("recalled", {{"episodes", payload["episodes"]}});
  return {};
}

const planner::Situation& Run::situation() {
  auto& situation = progress_.situation;
  const auto& budget = parts_.file.budget;
  situation.limits = {budget.steps, budget.tool_calls, budget.tokens, budget.seconds * 1000, budget.usd};
  situation.spent.ms = elapsed_ms();
  situation.tool_choice = parts_.file.tool_choice;
  situation.tool_choice_first_only = parts_.file.tool_choice_first_only;
  situation.has_tools = !parts_.toolbox.definitions().empty();
  situation.said = progress_.said;
  situation.answer_faults.clear();
  if (output_ && !progress_.steps.empty() && progress_.steps.back().calls.empty()) {
    auto answer = parse_json(progress_.steps.back().text);
    if (!answer)
      situation.answer_faults = answer.error().message();
    else
      situation.answer_faults = fmt::format("{}", fmt::join(output_->check(*answer), "; "));
  }
  return situation;
}

Task<RunOutcome> Run::start() {
  TSUKAI_CO_TRY_VOID(co_await begin());
  co_return co_await loop();
}

Task<RunOutcome> Run::resume(std::string id) {
  TSUKAI_CO_TRY_VOID(co_await restore(std::move(id)));
  co_return co_await loop();
}

// A look from outside, once in a while; at once when signals_ms_ is 0.
Task<std::optional<Ending>> Run::outside() {
  const auto now = parts_.clock.steady_ms();
  if (signals_ms_ == 0 || now - signals_ms_ >= kSignalsEveryMs) {
    signals_ms_ = std::max<std::int64_t>(1, now);
    TSUKAI_CO_TRY_VOID(co_await flush());
    TSUKAI_CO_TRY(const auto signals, co_await journaled<std::vector<Signal>>([run = id_](Journal& journal) {
                    return journal.take_signals(run);
                  }));
    if (!signals.empty()) crash_point("after", name(Kind::kSignal));
    for (const auto& signal : signals) {
      TSUKAI_CO_TRY_VOID(note(Kind::kSignal, "", {{"name", signal.name}, {"payload", *signal.payload}}));
    }
    if (!signals.empty()) take_words();
  }
  if (progress_.cancel_asked) co_return Ending{RunState::kCancelled, {}, "cancelled by a signal"};
  if (!progress_.aborted.empty()) co_return Ending{RunState::kFailed, {}, progress_.aborted};
  co_return std::nullopt;
}

Task<RunOutcome> Run::loop() {
  // Asked for at each arrow instead of thrown, so that the journal is always closed.
  co_await asio::this_coro::throw_if_cancelled(false);
  if (parts_.questions != nullptr) parts_.questions->enter(*this);
  auto ending = co_await steps();
  co_await end_flight();
  if (parts_.questions != nullptr) parts_.questions->leave(*this);
  if (!ending) co_return fail(std::move(ending).error());
  if (ending->state == RunState::kWaiting) co_return co_await pause(*std::move(ending));
  co_return co_await close(*std::move(ending));
}

Task<Ending> Run::steps() {
  TSUKAI_CO_TRY_VOID(recall());
  TSUKAI_CO_TRY_VOID(plan_of_file());
  if (progress_.draft) TSUKAI_CO_TRY_VOID(interrupt("the process ended"));
  for (;;) {
    if (co_await was_cancelled()) co_return Ending{RunState::kCancelled, {}, "cancelled"};
    TSUKAI_CO_TRY(auto ending, co_await outside());
    if (!ending) ending = end_of_steps();
    if (ending) co_return *std::move(ending);
    if (loose_steps()) {
      TSUKAI_CO_TRY(ending, co_await dispatch());
      if (ending) co_return *std::move(ending);
      continue;
    }
    if (const auto said = parts_.said.find(step_number()); said != parts_.said.end()) {
      progress_.said = said->second;
      parts_.said.erase(said);
    }
    auto next = planner::next_step(situation());
    if (auto* question = std::get_if<planner::AskModel>(&next)) {
      TSUKAI_CO_TRY_VOID(take_arrivals(*question));
      TSUKAI_CO_TRY(ending, co_await ask_model(std::move(*question)));
    } else if (std::holds_alternative<planner::Dispatch>(next)) {
      TSUKAI_CO_TRY(ending, co_await dispatch());
    } else if (auto* finish = std::get_if<planner::Finish>(&next)) {
      ending = Ending{RunState::kDone, std::move(finish->answer), {}};
    } else {
      auto& stop = std::get<planner::Stop>(next);
      ending = Ending{stop.stopped ? RunState::kStopped : RunState::kFailed, std::move(stop.answer),
                      std::move(stop.reason)};
    }
    if (ending) co_return *std::move(ending);
  }
}

Result<void> Run::remember(const Ending& ending) {
  if (parts_.memory == nullptr || ending.answer.empty()) return {};
  if (ending.state != RunState::kDone && ending.state != RunState::kStopped) return {};
  crash_point("before", "episode");
  auto added = parts_.memory->add(episode_of(progress_, parts_.file, parts_.user, id_, ending.answer,
                                             name(ending.state), parts_.clock.wall_ms()));
  if (!added) tell("notice", {{"message", "this run could not be remembered: " + added.error().text()}});
  crash_point("after", "episode");
  return {};
}

Task<RunOutcome> Run::close(Ending ending) {
  TSUKAI_CO_TRY_VOID(co_await flush());
  TSUKAI_CO_TRY_VOID(co_await close_children());
  TSUKAI_CO_TRY_VOID(remember(ending));
  RunOutcome outcome;
  outcome.run_id = id_;
  outcome.state = ending.state;
  outcome.answer = ending.answer.empty() ? ending.reason : ending.answer;
  outcome.reason = ending.reason;
  const Json totals = progress_.totals.json(elapsed_ms());
  outcome.totals = totals;
  const Json payload = {{"state", name(ending.state)},
                        {"answer", ending.answer},
                        {"reason", ending.reason},
                        {"totals", totals}};
  crash_point("before", "RUN_DONE");
  TSUKAI_CO_TRY_VOID(co_await journaled_void(
      [run = id_, state = ending.state, answer = outcome.answer, payload](Journal& journal) {
        return journal.finish_run(run, state, answer, payload);
      }));
  crash_point("after", "RUN_DONE");
  tell("run_done", {{"run_id", id_},
                    {"state", name(ending.state)},
                    {"answer", ending.answer},
                    {"reason", ending.reason},
                    {"totals", totals}});
  co_return outcome;
}

Task<RunOutcome> Run::pause(Ending ending) {
  TSUKAI_CO_TRY_VOID(co_await flush());
  TSUKAI_CO_TRY_VOID(co_await journaled_void([run = id_](Journal& journal) -> Result<void> {
    TSUKAI_TRY_VOID(journal.set_state(run, RunState::kWaiting));
    return journal.release_lease(run);
  }));
  const Json totals = progress_.totals.json(elapsed_ms());
  tell("run_done", {{"run_id", id_},
                    {"state", name(ending.state)},
                    {"answer", ""},
                    {"reason", ending.reason},
                    {"totals", totals}});
  RunOutcome outcome;
  outcome.run_id = id_;
  outcome.state = ending.state;
  outcome.reason = ending.reason;
  outcome.answer = std::move(ending.reason);
  outcome.totals = totals;
  co_return outcome;
}

Task<RunOutcome> execute_run(RunParts parts) {
  Run run(std::move(parts));
  co_return co_await run.start();
}

Task<RunOutcome> continue_run(RunParts parts, std::string id) {
  Run run(std::move(parts));
  co_return co_await run.resume(std::move(id));
}

}  // namespace tsukai::agent
