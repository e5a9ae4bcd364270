#include "agent/runtime.h"

#include <fmt/format.h>
#include <malloc.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/child_runner.h"
#include "agent/progress.h"
#include "agent/records.h"
#include "agent/recovery.h"
#include "agent/run.h"
#include "agent/shared_servers.h"
#include "agent/toolbox.h"
#include "memory/memory.h"

namespace tsukai::agent {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// What a run stands on, in the order in which it is torn down last.
struct Ground {
  Database database;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<memory::Memory> memory;  // Null when the agent has none.
};

Result<std::unique_ptr<Ground>> open_ground(const std::string& path, const Clock& clock) {
  TSUKAI_TRY(auto database, Database::open(path));
  auto ground = std::make_unique<Ground>(Ground{std::move(database), nullptr, nullptr});
  TSUKAI_TRY(ground->journal, Journal::open(ground->database, clock));
  return ground;
}

}  // namespace

Result<std::string> default_database_path() {
  std::filesystem::path folder = environment("XDG_DATA_HOME");
  if (folder.empty()) {
    const auto home = environment("HOME");
    if (home.empty()) {
      return fail(Code::kInvalidArgument,
                  "neither XDG_DATA_HOME nor HOME is set, so there is no place for the database",
                  "name one with --db FILE");
    }
    folder = std::filesystem::path(home) / ".local" / "share";
  }
  folder /= "tsukai";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(Code::kTransport, fmt::format("{}: {}", folder.string(), error.message()),
                "name a database with --db FILE");
  }
  return (folder / "tsukai.db").string();
}

std::string default_user() {
  if (auto user = environment("TSUKAI_USER"); !user.empty()) return user;
  const auto* entry = getpwuid(geteuid());
  if (entry != nullptr && entry->pw_name != nullptr && *entry->pw_name != '\0') return entry->pw_name;
  auto user = environment("USER");
  return user.empty() ? fmt::format("uid-{}", geteuid()) : user;
}

namespace {

// Runs of this process that are being worked on; and how many have parked since memory was last given back.
std::atomic<int> runs_working = 0, runs_parked = 0;
constexpr int kParksPerTrim = 64;

struct Working {
  Working() { ++runs_working; }
  ~Working() { --runs_working; }
};

// A parked run is its rows alone. What the allocator keeps of it for later would otherwise stay with the
// process for as long as people take to decide.
void give_back_memory(RunState state) {
  const bool last = runs_working == 1;
  if (state != RunState::kWaiting) return;
  if (++runs_parked < kParksPerTrim && !last) return;
  runs_parked = 0;
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

// Opens what a run stands on and runs, or goes on with `resume` (what it knows in `started`).
Task<RunOutcome> run_on_ground(std::unique_ptr<Ground> ground, AgentFile file, std::string task,
                               RuntimeOptions options, OpenModel open_model, std::string resume,
                               JsonValue started) {
  // From here on cancellation is asked for where it matters, so that servers are closed and the journal is
  // too.
  co_await asio::this_coro::throw_if_cancelled(false);
  const Clock& clock = options.clock == nullptr ? system_clock() : *options.clock;
  if (file.memory_recall > 0) {
    TSUKAI_CO_TRY(ground->memory, memory::Memory::open(ground->database, clock));
  }
  TSUKAI_CO_TRY(auto model, open_model(file.model, options.threads));
  TSUKAI_CO_TRY(auto pins, ToolPins::open(ground->database, clock));

  // Servers are shared with the agents that this one starts, as far as they are the same.
  const ConnectServer own = options.connect ? options.connect : ConnectServer(&mcp::Client::connect);
  SharedServers shared(own);
  const bool alone = file.agents.empty();
  TSUKAI_CO_TRY(auto tools,
                toolbox_options(file, alone ? own : shared.connect(), *model, clock, options.on_event));
  ServerQuestions questions(file.policy, options.elicit, [tell = tools.tell](std::string text) {
    tell("notice", Json{{"message", std::move(text)}});
  });
  tools.pins = pins.get();
  tools.client_options = [&questions](const std::string& server) { return questions.options_for(server); };
  const auto database_words =
      options.database_path.empty() ? std::string() : " --db " + options.database_path;
  ChildRunner children({.database = ground->database,
                        .database_words = database_words,
                        .journal = *ground->journal,
                        .writer = options.writer,
                        .model = *model,
                        .model_name = file.model,
                        .threads = options.threads,
                        .open_model = open_model,
                        .connect = shared.connect(),
                        .pins = pins.get(),
                        .client_options = tools.client_options,
                        .questions = &questions,
                        .clock = clock});
  auto toolbox = co_await Toolbox::open(std::move(tools));
  if (!toolbox) {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await shared.close();
    co_return fail(std::move(toolbox).error());
  }

  RunParts parts{.file = std::move(file),
                 .task = std::move(task),
                 .user = options.user.empty() ? default_user() : options.user,
                 .database_path = ground->database.path(),
                 .database_words = database_words,
                 .journal = *ground->journal,
                 .writer = options.writer,
                 .memory = ground->memory.get(),
                 .model = *model,
                 .toolbox = **toolbox,
                 .clock = clock,
                 .on_event = options.on_event,
                 .children = &children,
                 .questions = &questions};
  Result<RunOutcome> outcome;
  if (resume.empty()) {
    outcome = co_await execute_run(parts);
  } else if (auto same = check_same(*started, *model, **toolbox); !same) {
    outcome = fail(std::move(same).error());
  } else {
    outcome = co_await continue_run(parts, resume);
  }
  while (options.decide && outcome && outcome->state == RunState::kWaiting) {
    const std::string run = outcome->run_id;
    const auto decided = co_await options.decide(*ground->journal, run);
    if (!decided || !*decided) break;
    outcome = co_await continue_run(parts, run);
  }
  // The run is over, cancelled or not; its servers still have to be reaped.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await (*toolbox)->shutdown();
  co_await shared.close();
  co_return outcome;
}

Task<RunOutcome> run_on(std::unique_ptr<Ground> ground, AgentFile file, std::string task,
                        RuntimeOptions options, OpenModel open_model, std::string resume, JsonValue started) {
  const Working working;
  auto outcome =
      co_await run_on_ground(std::move(ground), std::move(file), std::move(task), std::move(options),
                             std::move(open_model), std::move(resume), std::move(started));
  // By now all that the run stood on is gone.
  give_back_memory(outcome ? outcome->state : RunState::kFailed);
  co_return outcome;
}

std::size_t steps_of(const std::vector<Row>& rows) {
  return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [](const Row& row) { return row.kind == Kind::kModelResult; }));
}

// An approval is for one call of one run: a call that the old run did not make asks again.
std::vector<Row> without_open_approvals(const std::vector<Row>& rows) {
  std::set<std::string> settled;
  for (const auto& row : rows) {
    if (row.kind == Kind::kToolResult) settled.insert(row.step_key);
  }
  std::vector<Row> kept;
  for (const auto& row : rows) {
    const bool approval = row.kind == Kind::kApprovalAsked || row.kind == Kind::kApprovalGiven;
    if (!approval || settled.contains(row.step_key)) kept.push_back(row);
  }
  return kept;
}

// The rows that made the first `step` - 1 steps. Leases and people's signals belong to the old run alone.
// `at_end`: step may be the one after the last.
Result<std::vector<Row>> rows_before_step(const std::vector<Row>& rows, std::size_t step, bool at_end) {
  std::vector<Row> shared;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto& row = rows[i];
    if (row.erased)
      return fail(Code::kUnsupported,
                  fmt::format("journal row {} was erased, so the run can't be forked", row.seq));
    if (row.kind == Kind::kModelIntent && row.step_key == step_key(step))
      return without_open_approvals(shared);
    switch (row.kind) {
      case Kind::kRecalled:
      case Kind::kPlan:
      case Kind::kModelIntent:
      case Kind::kModelResult:
      case Kind::kToolIntent:
      case Kind::kToolStarted:
      case Kind::kToolResult:
      case Kind::kApprovalAsked:
      case Kind::kApprovalGiven:
      case Kind::kChildStarted:
      case Kind::kChildDone:
      case Kind::kCompacted:
        shared.push_back(row);
        break;
      case Kind::kSignal:
        if (string_at(*row.payload, "name") == kToolsSignal) shared.push_back(row);
        break;
      default:
        break;
    }
  }
  if (at_end && (step == 0 || step == steps_of(shared) + 1)) return without_open_approvals(shared);
  return fail(Code::kInvalidArgument, fmt::format("the run has no step {}", step),
              "see its steps: tsukai runs show RUN");
}

// What the shared rows spent was another run's: the budget is for what comes after them.
Result<void> add_spent(Budget& budget, const Row& first, const std::vector<Row>& shared) {
  Progress before;
  TSUKAI_TRY_VOID(before.apply(first));
  for (const auto& row : shared) TSUKAI_TRY_VOID(before.apply(row));
  budget.steps += static_cast<std::int64_t>(before.steps.size()) + before.totals.children.steps;
  budget.tool_calls += before.totals.tool_calls_spent();
  budget.tokens += before.totals.tokens_spent();
  return {};
}

Result<std::unique_ptr<Ground>> ground_of(const RuntimeOptions& options) {
  auto path = options.database_path;
  if (path.empty()) {
    TSUKAI_TRY(path, default_database_path());
  }
  return open_ground(path, options.clock == nullptr ? system_clock() : *options.clock);
}

}  // namespace

Task<RunOutcome> run_agent(AgentFile file, std::string task, RuntimeOptions options, OpenModel open_model) {
  TSUKAI_CO_TRY(auto ground, ground_of(options));
  co_return co_await run_on(std::move(ground), std::move(file), std::move(task), std::move(options),
                            std::move(open_model), {}, {});
}

Task<RunOutcome> resume_run(std::string run, RuntimeOptions options, OpenModel open_model) {
  TSUKAI_CO_TRY(auto ground, ground_of(options));
  TSUKAI_CO_TRY(const auto summary, ground->journal->find(run));
  if (summary.state != RunState::kRunning && summary.state != RunState::kWaiting) {
    co_return fail(Code::kInvalidArgument,
                   fmt::format("run {} has ended ({})", summary.id, name(summary.state)));
  }
  TSUKAI_CO_TRY(const auto rows, ground->journal->rows(summary.id));
  const auto* record = find(*rows.front().payload, "agent");
  if (record == nullptr)
    co_return fail(Code::kCorrupt, fmt::format("run {}: its first row names no agent", summary.id));
  TSUKAI_CO_TRY(auto file, agent_from(*record));
  options.user = summary.user;
  co_return co_await run_on(std::move(ground), std::move(file), string_at(*rows.front().payload, "task"),
                            std::move(options), std::move(open_model), summary.id, known_from(rows));
}

Task<RunOutcome> fork_run(std::string run, std::size_t step, std::string say, RuntimeOptions options,
                          OpenModel open_model) {
  TSUKAI_CO_TRY(auto ground, ground_of(options));
  TSUKAI_CO_TRY(const auto summary, ground->journal->find(run));
  TSUKAI_CO_TRY(const auto rows, ground->journal->rows(summary.id));
  Json started = *rows.front().payload;
  const auto* record = find(started, "agent");
  if (record == nullptr)
    co_return fail(Code::kCorrupt, fmt::format("run {}: its first row names no agent", summary.id));
  TSUKAI_CO_TRY(auto file, agent_from(*record));
  TSUKAI_CO_TRY(const auto shared, rows_before_step(rows, step, !say.empty()));
  TSUKAI_CO_TRY_VOID(add_spent(file.budget, rows.front(), shared));
  started["agent"]["budget"]["steps"] = file.budget.steps;
  started["agent"]["budget"]["tool_calls"] = file.budget.tool_calls;
  started["agent"]["budget"]["tokens"] = file.budget.tokens;
  started["forked_from"] = {{"run", summary.id}, {"step", step == 0 ? steps_of(shared) + 1 : step}};
  const auto user = options.user.empty() ? default_user() : options.user;
  // Listed under what was said to it, not under what began the conversation.
  TSUKAI_CO_TRY(const auto id,
                ground->journal->start_run(summary.agent, say.empty() ? summary.task : say, user, started));
  std::vector<Entry> entries;
  for (const auto& row : shared) entries.push_back({row.kind, row.step_key, row.attempt, row.payload});
  if (!say.empty())
    entries.push_back({Kind::kSignal, "", 1, Json{{"name", "say"}, {"payload", {{"text", say}}}}});
  if (!entries.empty()) TSUKAI_CO_TRY_VOID(ground->journal->append_all(id, entries));
  TSUKAI_CO_TRY(const auto begun, ground->journal->rows(id));
  co_return co_await run_on(std::move(ground), std::move(file), string_at(started, "task"),
                            std::move(options), std::move(open_model), id, known_from(begun));
}

}  // namespace tsukai::agent
