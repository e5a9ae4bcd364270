// Kills a run at every named place and at random instants, resumes it, and counts what its tools did.
//   crash_driver [--random N] [--seed S]
// Each trial forks a process that works on a run of 12 steps whose tools append a line to a file. The child
// is killed (SIGKILL by itself at a named place, or by the parent at a random instant), further children
// resume the run, a person is played where it waits. In the end every effect must be there exactly once, and
// the answer must be the same.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <set>

#include "agent/decisions.h"
#include "agent/progress.h"
#include "agent/runtime.h"
#include "base/random.h"
#include "support/await.h"
#include "support/fake_server.h"
#include "support/scratch_dir.h"
#include "support/stateless_model.h"

namespace tsukai::agent {
namespace {

constexpr int kResumesMax = 64;  // Beyond this a trial is stuck.

// One trial's files.
struct Place {
  ScratchDir folder;
  std::string database() const { return folder / "tsukai.db"; }
  std::string effects() const { return folder / "effects"; }
};

// Lines of the effects file, each a tool's effect: "order 3", "pay 4 KEY".
std::map<std::string, int> count_effects(const std::string& path) {
  std::map<std::string, int> counts;
  std::istringstream in(read_file(path));
  for (std::string line; std::getline(in, line);) ++counts[line];
  return counts;
}

Task<mcp::ToolResult> take_effect(std::string path, std::string line, bool keyed) {
  // A server that takes keys does a thing once, whatever happens.
  if (!keyed || count_effects(path)[line] == 0) {
    const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    const auto bytes = line + "\n";
    if (file < 0 || ::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      co_return fail(Code::kTransport, "the effect could not be written");
    }
    ::close(file);
  }
  // Between the effect and its answer other things run, as they do with a real server.
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(1)));
  co_return text_result("ok " + line);
}

// What the model does in its n-th turn: 12 turns of one to three calls, unkeyed, keyed and read-only ones,
// and a plan.
FakeTurn turn_of(std::size_t n) {
  if (n >= 12) return says("finished");
  const auto order = std::pair<std::string, Json>{"shop__order", {{"n", n}}};
  const auto pay = std::pair<std::string, Json>{"shop__pay", {{"n", n}}};
  const auto look = std::pair<std::string, Json>{"shop__look", {{"n", n}}};
  const auto step = [&](const char* id, const char* tool) {
    return Json{{"id", id}, {"tool", tool}, {"arguments", {{"n", n}}}};
  };
  if (n == 9) {
    auto last = step("b", "shop__pay");
    last["needs"] = {"a", "c"};
    return calls("plan", {{"steps", {step("a", "shop__order"), step("c", "shop__look"), last}}});
  }
  switch (n % 4) {
    case 0:
      return calls_all({order});
    case 1:
      return calls_all({pay});
    case 2:
      return calls_all({look, order, pay});
    default:
      return n == 7 ? calls_all({{"shop__refund", {{"n", n}}}}) : calls_all({look});
  }
}

void add_tools(FakeServers& servers, const std::string& effects) {
  const auto line = [](const Json& arguments, const std::string& what) {
    return fmt::format("{} {}", what, integer_at(arguments, "n"));
  };
  servers.add("shop", "order",
              [=](Json arguments) { return take_effect(effects, line(arguments, "order"), false); });
  servers.add("shop", "refund",
              [=](Json arguments) { return take_effect(effects, line(arguments, "refund"), false); });
  const Json keyed = {{"type", "object"}, {"properties", {{"idempotency_key", {{"type", "string"}}}}}};
  servers.add(
      "shop", "pay", [=](Json arguments) { return take_effect(effects, line(arguments, "pay"), true); },
      keyed);
  servers.add("shop", "look", [](Json) { return answer_text("7 left"); });
  servers["shop"].tools.back().annotations = mcp::ToolAnnotations{.read_only = true};
}

// The child's work: begins a run, or goes on with the one there is.
int work(const std::string& database, const std::string& effects) {
  FakeServers servers;
  add_tools(servers, effects);
  RuntimeOptions options;
  options.database_path = database;
  options.user = "mika";
  options.connect = [&](mcp::ServerConfig config, mcp::ClientOptions) {
    return servers.connect(std::move(config));
  };
  const OpenModel open = [](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
    return std::make_unique<StatelessModel>(turn_of);
  };
  AgentFile file;
  file.name = "crasher";
  file.model = "stateless.gguf";
  file.memory_recall = 2;
  file.memory_scope = {"user"};
  file.budget.tokens = 10'000'000;
  file.planner = Planner::kAuto;
  file.policy = {{PolicyRule::Action::kAsk, "shop.refund", 1}};
  mcp::ServerConfig shop;
  shop.name = "shop";
  shop.command = "shop";
  shop.trusted = true;
  file.servers = {shop};
  auto outcome = await(resume_run("last", options, open));
  if (!outcome && outcome.error().code() == Code::kNotFound)
    outcome = await(run_agent(file, "twelve steps", options, open));
  // Killed after its end, before it could say so: there is nothing left to resume.
  if (!outcome && outcome.error().message().find("has ended (done)") != std::string::npos) return 0;
  if (!outcome) {
    fmt::print(stderr, "  {}\n", outcome.error().text());
    return 3;
  }
  return outcome->state == RunState::kDone ? 0 : outcome->state == RunState::kWaiting ? 5 : 1;
}

struct Tally {
  int trials = 0, kills = 0, duplicated = 0, lost = 0, unknown = 0, unexpected_unknown = 0, broken = 0;
};

// Plays the person: approves what is asked, and looks at what really happened to settle what is unknown.
Result<void> be_the_person(const Place& place, Tally& tally) {
  TSUKAI_TRY(auto database, Database::open(place.database()));
  TSUKAI_TRY(auto journal, Journal::open(database, system_clock()));
  TSUKAI_TRY(const auto run, journal->find("last"));
  TSUKAI_TRY(const auto pending, journal->pending_approvals(run.id));
  for (const auto& asked : pending) {
    TSUKAI_TRY_VOID(journal->give_approval(run.id, asked.step_key, true, "mika", "fine"));
  }
  TSUKAI_TRY(const auto rows, journal->rows(run.id));
  TSUKAI_TRY(auto progress, Progress::of(rows));
  if (progress.steps.empty()) return {};
  const auto counts = count_effects(place.effects());
  for (const auto& call : progress.steps.back().calls) {
    if (call.stage != CallProgress::Stage::kUnknown) continue;
    ++tally.unknown;
    const auto tool = call.call.name.substr(6);
    if (tool != "order" && tool != "refund") ++tally.unexpected_unknown;
    const auto line = fmt::format("{} {}", tool, integer_at(*call.call.arguments, "n"));
    const bool happened = counts.contains(line);
    TSUKAI_TRY_VOID(resolve_call(*journal, run.id, call.step_key,
                                 happened ? Resolution::kDone : Resolution::kRetry, "ok " + line, "mika"));
  }
  return {};
}

// Starts a child; `kill_after_us` < 0: it is left alone (but may kill itself at `crash_at`). Gives its wait
// status.
int run_child(const Place& place, const std::string& crash_at, long kill_after_us) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (crash_at.empty())
      ::unsetenv("TSUKAI_CRASH_AT");
    else
      ::setenv("TSUKAI_CRASH_AT", crash_at.c_str(), 1);
    ::_exit(work(place.database(), place.effects()));
  }
  if (kill_after_us >= 0) {
    ::usleep(static_cast<useconds_t>(kill_after_us));
    ::kill(child, SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

void check(const Place& place, const std::string& what, Tally& tally) {
  const auto counts = count_effects(place.effects());
  for (const auto& [line, count] : counts) {
    if (count > 1) {
      ++tally.duplicated;
      fmt::print("  {}: {} happened {} times\n", what, line, count);
    }
  }
  for (std::size_t n = 0; n < 12; ++n) {
    std::vector<std::string> tools;
    for (const auto& [name, arguments] : turn_of(n).calls) {
      if (name != "plan") tools.push_back(name);
      if (name != "plan") continue;
      for (const auto& step : arguments["steps"]) tools.push_back(string_at(step, "tool"));
    }
    for (const auto& tool : tools) {
      const auto line = fmt::format("{} {}", tool.substr(6), n);
      if (tool == "shop__look" || counts.contains(line)) continue;
      ++tally.lost;
      fmt::print("  {}: {} never happened\n", what, line);
    }
  }
  auto database = Database::open(place.database());
  auto journal = Journal::open(*database, system_clock());
  const auto run = (*journal)->find("last");
  const auto defects = (*journal)->verify(run->id);
  if (run->answer != "finished" || !defects || !defects->empty()) {
    ++tally.broken;
    fmt::print("  {}: run {} ended {} with \"{}\"\n", what, run->id, name(run->state), run->answer);
  }
}

// One run from its start to its end, killed as `crash_at` says or `kills` times at random.
void trial(const std::string& crash_at, int kills, Random& random, Tally& tally) {
  Place place;
  ++tally.trials;
  const auto what = crash_at.empty() ? fmt::format("trial {}", tally.trials) : crash_at;
  for (int i = 0; i < kResumesMax; ++i) {
    const bool first = i == 0;
    const long kill_after = crash_at.empty() && i < kills ? static_cast<long>(random.below(60'000)) : -1;
    const int status = run_child(place, first ? crash_at : "", kill_after);
    if (WIFSIGNALED(status)) {
      ++tally.kills;
      continue;
    }
    if (WEXITSTATUS(status) == 0) return check(place, what, tally);
    if (WEXITSTATUS(status) != 5) break;
    if (auto said = be_the_person(place, tally); !said) {
      fmt::print("  {}: {}\n", what, said.error().text());
      break;
    }
  }
  ++tally.broken;
  fmt::print("  {}: the run did not end\n", what);
}

int run(int random_trials, std::uint64_t seed) {
  Tally tally;
  Random random(seed);
  for (const auto* kind :
       {"RECALLED", "PLAN", "MODEL_INTENT", "MODEL_RESULT", "TOOL_INTENT", "TOOL_STARTED", "TOOL_RESULT",
        "APPROVAL_ASKED", "APPROVAL_GIVEN", "episode", "RUN_STARTED", "RUN_DONE"}) {
    for (const auto* when : {"before", "after"}) {
      for (int pass = 1; pass <= 5; ++pass)
        trial(fmt::format("{}-{}:{}", when, kind, pass), 0, random, tally);
    }
  }
  const int named = tally.trials;
  for (int i = 0; i < random_trials; ++i) trial("", 1 + static_cast<int>(random.below(3)), random, tally);
  fmt::print(
      "{} at named places, {} at random instants (seed {}), {} kills, {} runs did not end as they should\n"
      "{} trials, {} duplicated, {} lost, {} unknown ({})\n",
      named, random_trials, seed, tally.kills, tally.broken, tally.trials, tally.duplicated, tally.lost,
      tally.unknown,
      tally.unexpected_unknown == 0 ? "all expected"
                                    : fmt::format("{} NOT expected", tally.unexpected_unknown));
  return tally.duplicated + tally.lost + tally.unexpected_unknown + tally.broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tsukai::agent

int main(int argc, char** argv) {
  int random_trials = 100;
  std::uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--random") random_trials = std::atoi(argv[i + 1]);
    if (std::string_view(argv[i]) == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  return tsukai::agent::run(random_trials, seed);
}
