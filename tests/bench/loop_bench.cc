// What the runtime itself costs: loop steps a second with a model that answers at once.
//   loop_bench [STEPS]
// Prints steps/s with the journal in memory and on disk, durable commits/s of single rows on the same disk,
// and their ratio.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

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

Task<RunOutcome> run_steps(std::string database_path, std::int64_t steps) {
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
                 .model = model,
                 .toolbox = *toolbox,
                 .clock = system_clock()};
  auto outcome = co_await execute_run(std::move(parts));
  co_await toolbox->shutdown();
  co_return outcome;
}

double steps_a_second(const std::string& database_path, std::int64_t steps) {
  const auto began = std::chrono::steady_clock::now();
  const auto outcome = await(run_steps(database_path, steps));
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

}  // namespace
}  // namespace tsukai::agent

int main(int argc, char** argv) {
  using namespace tsukai;
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 200;
  ScratchDir folder;
  const double memory = agent::steps_a_second(":memory:", steps);
  const double disk = agent::steps_a_second(folder / "run.db", steps);
  const double commits = agent::commits_a_second(folder / "rows.db", static_cast<int>(steps) * 4);
  fmt::print(
      "steps/s, {} steps of one call: journal in memory {:.0f}, on disk {:.0f}; single-row FULL commits/s "
      "{:.0f}; on disk / commits {:.2f}\n",
      steps, memory, disk, commits, disk / commits);
}
