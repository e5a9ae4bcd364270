// What the runtime itself costs: loop steps a second with a model that answers at once.
//   loop_bench [STEPS]
// Prints steps/s with the journal in memory and on disk, durable commits/s of single rows on the same disk
// and their ratio; 16 runs that share commits against one; a plan of 8 independent calls of 200 ms; what
// 1,000 runs that wait for a person hold of memory.
#include <fmt/format.h>

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "agent/journal_writer.h"
#include "agent/run.h"
#include "support/await.h"
#include "support/fake_server.h"
#include "support/scratch_dir.h"
#include "support/stateless_model.h"

namespace tsukai::agent {
namespace {

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

Task<RunOutcome> run_steps(std::string database_path, std::int64_t steps, JournalWriter* writer) {
  FakeServers servers;
  servers.add("shop", "look", [](Json) { return answer_text("7 left"); });
  StatelessModel model([steps](std::size_t n) {
    return static_cast<std::int64_t>(n) + 1 < steps ? calls("shop__look", {{"n", n}}) : says("finished");
  });
  AgentFile file;
  file.name = "bench";
  file.budget = {steps + 2, steps + 2, 1'000'000'000'000, 100'000};
  file.servers.emplace_back().name = "shop";
  ToolboxOptions tools;
  tools.servers = file.servers;
  tools.connect = [&](mcp::ServerConfig config, mcp::ClientOptions) {
    return servers.connect(std::move(config));
  };
  tools.unsupported_keywords = [](const infer::ToolDefinition&) { return std::vector<std::string>{}; };
  tools.tell = [](const std::string&, const JsonValue&) {};
  TSUKAI_CO_TRY(auto toolbox, co_await Toolbox::open(std::move(tools)));
  TSUKAI_CO_TRY(auto database, Database::open(database_path));
  TSUKAI_CO_TRY(auto journal, Journal::open(database, system_clock()));
  RunParts parts{.file = file,
                 .task = "bench",
                 .user = "bench",
                 .journal = *journal,
                 .writer = writer,
                 .model = model,
                 .toolbox = *toolbox,
                 .clock = system_clock()};
  auto outcome = co_await execute_run(std::move(parts));
  co_await toolbox->shutdown();
  co_return outcome;
}

double steps_a_second(const std::string& database_path, std::int64_t steps) {
  const auto began = std::chrono::steady_clock::now();
  const auto outcome = await(run_steps(database_path, steps, nullptr));
  const double took = seconds_since(began);
  if (!outcome || outcome->state != RunState::kDone) {
    fmt::print(stderr, "the run failed: {}\n", outcome ? outcome->answer : outcome.error().text());
    std::exit(1);
  }
  return static_cast<double>(steps) / took;
}

double commits_a_second(const std::string& database_path, int commits) {
  auto database = Database::open(database_path);
  (void)database->execute("CREATE TABLE t(x TEXT) STRICT");
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < commits; ++i) {
    (void)database->write([&] { return database->execute("INSERT INTO t VALUES('one row')"); });
  }
  return commits / seconds_since(began);
}

void must(bool well, const std::string& why) {
  if (well) return;
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

// `runs` at once on one event loop, over one writer; steps/s of all together.
double steps_together(const std::string& database_path, std::int64_t steps, int runs) {
  auto writer = Writer::open(database_path);
  auto journal = JournalWriter::open(**writer, system_clock());
  asio::io_context context;
  int done = 0;
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < runs; ++i) {
    asio::co_spawn(context, run_steps(database_path, steps, journal->get()),
                   [&](std::exception_ptr, const Result<RunOutcome>& outcome) {
                     must(outcome.has_value(), outcome ? "" : outcome.error().text());
                     ++done;
                   });
  }
  context.run();
  const double took = seconds_since(began);
  must(done == runs, "not all runs ended");
  return static_cast<double>(steps * runs) / took;
}

Task<mcp::ToolResult> slowly(Json) {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(200)));
  co_return text_result("ok");
}

RuntimeOptions options_for(const std::string& database_path, FakeServers& servers) {
  RuntimeOptions options;
  options.database_path = database_path;
  options.user = "bench";
  options.connect = [&servers](mcp::ServerConfig config, mcp::ClientOptions) {
    return servers.connect(std::move(config));
  };
  return options;
}

OpenModel calling(const std::string& tool) {
  return [tool](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
    return std::make_unique<StatelessModel>([tool](std::size_t) { return calls(tool, Json::object()); });
  };
}

AgentFile agent_of_shop() {
  AgentFile file;
  file.name = "bench";
  file.model = "fake.gguf";
  file.servers.emplace_back().name = "shop";
  return file;
}

// Wall time of a plan of 8 independent calls, and of a diamond (its critical path is 3), of 200 ms each.
double plan_ms(const std::string& database_path, bool diamond) {
  FakeServers servers;
  servers.add("shop", "look", slowly);
  auto file = agent_of_shop();
  Json steps = Json::array();
  for (int i = 0; i < (diamond ? 4 : 8); ++i)
    steps.push_back({{"id", std::to_string(i)}, {"tool", "shop__look"}, {"arguments", Json::object()}});
  if (diamond) {
    steps[1]["needs"] = steps[2]["needs"] = {"0"};
    steps[3]["needs"] = {"1", "2"};
  }
  file.steps = Json{{"steps", steps}};
  const auto began = std::chrono::steady_clock::now();
  const auto outcome = await(run_agent(file, "bench", options_for(database_path, servers), calling("")));
  must(outcome && outcome->state == RunState::kDone, "the plan did not end well");
  return seconds_since(began) * 1000;
}

double resident_mb() {
  std::ifstream in("/proc/self/statm");
  long pages = 0, resident = 0;
  in >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

// Memory that `count` runs hold that were started at once and wait for an approval.
double parked_mb(const std::string& database_path, int count) {
  auto writer = Writer::open(database_path);
  auto journal = JournalWriter::open(**writer, system_clock());
  FakeServers servers;
  servers.add("shop", "pay", [](Json) { return answer_text("paid"); });
  auto file = agent_of_shop();
  file.policy = {{PolicyRule::Action::kAsk, "shop.pay", 1}};
  auto options = options_for(database_path, servers);
  options.writer = journal->get();
  asio::io_context context;
  std::vector<RunOutcome> waiting;
  const double before = resident_mb();
  for (int i = 0; i < count; ++i) {
    asio::co_spawn(context, run_agent(file, "bench", options, calling("shop__pay")),
                   [&](std::exception_ptr, Result<RunOutcome> outcome) {
                     must(outcome && outcome->state == RunState::kWaiting, "a run does not wait");
                     waiting.push_back(*std::move(outcome));
                   });
  }
  context.run();
  must(waiting.size() == static_cast<std::size_t>(count), "not all runs wait");
  return resident_mb() - before;
}

}  // namespace
}  // namespace tsukai::agent

int main(int argc, char** argv) {
  using namespace tsukai;
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 200;
  ScratchDir folder;
  const double memory = agent::steps_a_second(":memory:", steps);
  const double disk = agent::steps_a_second(folder / "run.db", steps);
  const double commits = agent::commits_a_second(folder / "rows.db", static_cast<int>(steps) * 4);
  const double together = agent::steps_together(folder / "many.db", steps, 16);
  fmt::print(
      "steps/s, {} steps of one call: journal in memory {:.0f}, on disk {:.0f}; single-row FULL commits/s "
      "{:.0f}; on disk / commits {:.2f}\n",
      steps, memory, disk, commits, disk / commits);
  fmt::print("16 runs together: {:.0f} steps/s, {:.1f} x one run\n", together, together / disk);
  fmt::print("calls of 200 ms: 8 independent ones {:.0f} ms, a diamond of 4 {:.0f} ms\n",
             agent::plan_ms(folder / "plan.db", false), agent::plan_ms(folder / "plan.db", true));
  fmt::print("1,000 runs waiting for a person: {:.0f} MB\n", agent::parked_mb(folder / "parked.db", 1000));
}
