#include "agent/child_runner.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/records.h"
#include "agent/recovery.h"

namespace tsukai::agent {
namespace {

RunOutcome could_not_start(const std::string& run, const Error& error) {
  RunOutcome outcome;
  outcome.run_id = run;
  outcome.state = RunState::kFailed;
  outcome.reason = "it could not start: " + error.text();
  outcome.answer = outcome.reason;
  outcome.totals = Json::object();
  return outcome;
}

}  // namespace

Result<ToolboxOptions> toolbox_options(const AgentFile& file, ConnectServer connect, infer::ChatModel& model,
                                       const Clock& clock, const OnEvent& on_event) {
  ToolboxOptions options;
  options.servers = file.servers;
  options.globs = file.tools;
  options.policy = file.policy;
  options.inherited = file.inherited;
  options.path = file.path;
  options.connect = std::move(connect);
  options.unsupported_keywords = [&model](const infer::ToolDefinition& tool) {
    return model.unsupported_keywords(tool);
  };
  options.tell = [&clock, on_event](std::string type, JsonValue data) {
    if (on_event) on_event({std::move(type), clock.wall_ms(), std::move(data)});
  };
  for (const auto& child : file.agents) {
    TSUKAI_TRY(auto tool, agent_tool(child));
    options.agents.push_back(std::move(tool));
  }
  options.agents_offered = file.budget.depth > 0;
  if (!file.agents.empty() && !options.agents_offered)
    options.tell("notice", Json{{"message", "no other agents are started: budget.depth is used up"}});
  return options;
}

Result<infer::ChatModel*> ChildRunner::model_of(const std::string& name) {
  if (name == ground_.model_name) return &ground_.model;
  if (const auto known = models_.find(name); known != models_.end()) return known->second;
  TSUKAI_TRY(auto fresh, ground_.open_model(name, ground_.threads));
  // One engine for the same weights, so that common prefixes are computed once.
  infer::ChatModel* model = nullptr;
  const auto same = [&](infer::ChatModel& other) {
    if (other.description().digest == fresh->description().digest) model = &other;
  };
  for (const auto& other : opened_) same(*other);
  same(ground_.model);
  if (model == nullptr) model = opened_.emplace_back(std::move(fresh)).get();
  models_[name] = model;
  return model;
}

Task<RunOutcome> ChildRunner::run(ChildStart start) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto rows = ground_.journal.rows(start.run);
  if (!rows && rows.error().code() == Code::kNotFound) co_return co_await begin(std::move(start));
  if (!rows) co_return fail(rows.error());
  TSUKAI_CO_TRY(auto summary, ground_.journal.find(start.run));
  co_return co_await go_on(std::move(start), std::move(summary));
}

Task<RunOutcome> ChildRunner::begin(ChildStart start) {
  const auto run = start.run;
  auto file = child_file(start);
  if (!file) co_return could_not_start(run, file.error());
  auto outcome = co_await work(*std::move(file), std::move(start), {}, {});
  // Once it stands in the journal, an error is the journal's own.
  if (outcome || outcome.error().code() == Code::kCancelled || ground_.journal.rows(run)) co_return outcome;
  co_return could_not_start(run, outcome.error());
}

Task<RunOutcome> ChildRunner::go_on(ChildStart start, RunSummary summary) {
  TSUKAI_CO_TRY(const auto rows, ground_.journal.rows(summary.id));
  if (summary.state != RunState::kRunning && summary.state != RunState::kWaiting) {
    RunOutcome outcome;
    outcome.run_id = summary.id;
    outcome.state = summary.state;
    outcome.totals = summary.totals;
    const auto& last = *rows.back().payload;
    outcome.reason = string_at(last, "reason");
    outcome.answer = summary.answer;
    co_return outcome;
  }
  const auto* record = find(*rows.front().payload, "agent");
  if (record == nullptr)
    co_return fail(Code::kCorrupt, fmt::format("run {}: its first row names no agent", summary.id));
  auto file = agent_from(*record);
  if (!file) co_return fail(std::move(file).error().in("run " + summary.id));
  start.user = summary.user;
  JsonValue started = known_from(rows);
  auto outcome = co_await work(*std::move(file), std::move(start), summary.id, std::move(started));
  if (!outcome) co_return fail(std::move(outcome).error().in(fmt::format("run {}", summary.id)));
  co_return outcome;
}

Task<RunOutcome> ChildRunner::work(AgentFile file, ChildStart start, std::string resume, JsonValue started) {
  TSUKAI_CO_TRY(auto* model, model_of(file.model));
  if (file.memory_recall > 0 && !memory_) {
    TSUKAI_CO_TRY(memory_, memory::Memory::open(ground_.database, ground_.clock));
  }
  TSUKAI_CO_TRY(auto options, toolbox_options(file, ground_.connect, *model, ground_.clock, start.on_event));
  options.pins = ground_.pins;
  options.client_options = ground_.client_options;
  TSUKAI_CO_TRY(auto toolbox, co_await Toolbox::open(std::move(options)));
  const bool remembers = file.memory_recall > 0;
  RunParts parts{.file = std::move(file),
                 .task = string_at(*start.arguments, kTaskArgument),
                 .user = start.user,
                 .database_path = ground_.database.path(),
                 .database_words = ground_.database_words,
                 .journal = ground_.journal,
                 .writer = ground_.writer,
                 .memory = remembers ? memory_.get() : nullptr,
                 .model = *model,
                 .toolbox = *toolbox,
                 .clock = ground_.clock,
                 .on_event = start.on_event,
                 .children = this,
                 .questions = ground_.questions,
                 .run_id = start.run,
                 .parent = {start.parent, start.step_key}};
  Result<RunOutcome> outcome;
  if (resume.empty())
    outcome = co_await execute_run(std::move(parts));
  else if (auto same = check_same(*started, *model, *toolbox); !same)
    outcome = fail(std::move(same).error());
  else
    outcome = co_await continue_run(std::move(parts), std::move(resume));
  // Its clients share their servers: this waits for nothing.
  co_await toolbox->shutdown();
  co_return outcome;
}

}  // namespace tsukai::agent
