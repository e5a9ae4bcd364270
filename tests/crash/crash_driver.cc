// Kills a run at every named place and at random instants, resumes it, and compares what is left with a run
// that nobody killed.
//   crash_driver [--random N] [--seed S] [--brief]     --brief: one place a cell of the matrix, not all of
//   them
// The run: twelve steps against the program tsukai-shop (shop_task.h), whose ledger counts the effects; once
// with tools that take idempotency keys, once with tools that do not. It works in processes of its own, which
// kill themselves at a named place (agent/crash_point.h) or are killed at a random instant; further processes
// resume it, and a person is played where it waits.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "agent/progress.h"
#include "base/random.h"
#include "crash/crash_trial.h"

namespace tsukai::agent {
namespace {

constexpr int kResumesMax = 64;  // Beyond this a trial is stuck.

// What the run is doing when it is killed. Columns of the matrix.
enum Situation {
  kModelCall,
  kToolCall,
  kParallel,
  kPlanned,
  kApproval,
  kSubAgent,
  kSampling,
  kMemory,
  kLife,
  kSituations
};
constexpr const char* kSituationNames[kSituations] = {"model call", "tool call",    "parallel calls",
                                                      "plan",       "approval",     "sub-agent",
                                                      "sampling",   "memory write", "start and end"};

// A place to be killed at, named as in the environment, of the nth process that works on the run.
struct Kill {
  std::size_t process = 0;
  std::string place;  // "after-TOOL_STARTED:2"
};

// What nobody killed, and where it could have been.
struct Whole {
  Left left;
  std::vector<Trial::Written> rows;
  std::int64_t process_us = 0;  // The longest that a process of it took.
};

// Works on a trial to its end. False, and told: it did not come to one.
bool finish(Trial& trial, const std::string& what, const std::vector<Kill>& kills,
            const std::vector<std::int64_t>& kills_us, Tally& tally) {
  std::size_t killed = 0;
  for (std::size_t i = 0; i < kResumesMax; ++i) {
    const auto kill = std::find_if(kills.begin(), kills.end(), [&](const Kill& k) { return k.process == i; });
    const int status =
        trial.work(kill == kills.end() ? "" : kill->place, i < kills_us.size() ? kills_us[i] : -1);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      ++tally.kills;
      ++killed;
      continue;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      if (killed >= kills.size()) return true;
      fmt::print("  {}: the place was never passed\n", what);
      return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 5) break;
    if (auto said = trial.be_the_person(); !said) {
      fmt::print("  {}: {}\n", what, said.error().text());
      return false;
    }
  }
  fmt::print("  {}: the run did not end\n", what);
  return false;
}

// One run from its start to its end, killed as told. Gives how many calls a person had to settle.
int run_trial(const Start& start, Tools tools, const Whole& whole, const std::string& what,
              const std::vector<Kill>& kills, const std::vector<std::int64_t>& kills_us, Tally& tally) {
  Trial trial(start, tools, what);
  ++tally.trials;
  if (!finish(trial, what, kills, kills_us, tally)) {
    ++tally.broken;
    return trial.unknown();
  }
  tally.unknown += trial.unknown();
  if (auto compared = trial.compare(whole.left, tally); !compared) {
    ++tally.broken;
    fmt::print("  {}: {}\n", what, compared.error().text());
  }
  return trial.unknown();
}

Result<Whole> run_whole(const Start& start, Tools tools) {
  Trial trial(start, tools, "nobody is killed");
  Whole whole;
  for (int i = 0; i < 3; ++i) {  // It waits once, for the approval.
    const auto began = std::chrono::steady_clock::now();
    const int status = trial.work("", -1);
    const auto took = std::chrono::steady_clock::now() - began;
    whole.process_us = std::max<std::int64_t>(
        whole.process_us, std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    if (status == 0) break;
    TSUKAI_TRY_VOID(trial.be_the_person());
  }
  TSUKAI_TRY(whole.left, trial.left());
  TSUKAI_TRY(whole.rows, trial.rows());
  return whole;
}

// Which situation a row of the whole run shows, if it shows one.
std::optional<Situation> situation_of(const Trial::Written& written) {
  if (written.by_child) return kSubAgent;
  const Row& row = written.row;
  const auto of_turn = [&](std::size_t n) { return row.step_key.starts_with(step_key(n + 1) + "/"); };
  switch (row.kind) {
    case Kind::kRunStarted:
    case Kind::kRecalled:
    case Kind::kRunDone:
      return kLife;
    case Kind::kModelIntent:
    case Kind::kModelResult:
      return row.step_key == step_key(kSingleCall + 1) ? std::optional(kModelCall) : std::nullopt;
    case Kind::kChildStarted:
    case Kind::kChildDone:
      return kSubAgent;
    case Kind::kSamplingIntent:
    case Kind::kSamplingResult:
      return kSampling;
    case Kind::kPlan:
    case Kind::kApprovalAsked:
    case Kind::kApprovalGiven:
    case Kind::kToolIntent:
    case Kind::kToolStarted:
    case Kind::kToolResult:
      if (row.kind == Kind::kPlan || of_turn(kMakesPlan)) return kPlanned;
      if (of_turn(kSingleCall)) return kToolCall;
      if (of_turn(kParallelCalls)) return kParallel;
      if (of_turn(kAsksFirst)) return kApproval;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// The places where a row of this kind is written in this situation, by process and by how often that process
// passes such a place.
std::vector<Kill> places(const Whole& whole, Kind kind, Situation situation) {
  std::vector<Kill> found;
  std::size_t process = 0;
  int passes = 0;
  for (const auto& written : whole.rows) {
    const Row& row = written.row;
    if (row.kind == Kind::kLeaseTaken) {
      ++process;
      passes = 0;
    }
    if (row.kind != kind) continue;
    ++passes;
    if (situation_of(written) == situation)
      found.push_back({process, fmt::format("{}:{}", name(kind), passes)});
  }
  return found;
}

// Why a row of this kind is never written in this situation.
const char* why_not(Situation situation) {
  switch (situation) {
    case kModelCall:
      return "a model call writes its intent and its result alone";
    case kToolCall:
    case kParallel:
      return "a call that is allowed writes its intent, its start and its result alone";
    case kPlanned:
      return "the calls of a plan are allowed ones; the plan itself is one row";
    case kApproval:
      return "a call that asks first writes the question, the answer, and what every call writes";
    case kSubAgent:
      return "a sub-agent's own run recalls nothing, makes no plan and asks nobody here";
    case kSampling:
      return "what a server asks of the model writes its question and its answer alone";
    case kMemory:
      return "remembering writes no row of the journal: one place before it, one after";
    default:
      return "a run's first and last rows, and what it recalls, belong to no call";
  }
}

class Matrix {
 public:
  Matrix(const Start& start, Tools tools, const Whole& whole, bool brief, Tally& tally)
      : start_(start), tools_(tools), whole_(whole), brief_(brief), tally_(tally) {}

  void run() {
    fmt::print("{} tools: trials a cell, + calls that a person settled; - can't occur{}\n{:<22}",
               name(tools_), brief_ ? "; . tried with the other tools" : "", "");
    for (const auto* situation : kSituationNames) fmt::print("{:>15}", situation);
    fmt::print("\n");
    for (const auto kind : {Kind::kRunStarted, Kind::kRecalled, Kind::kModelIntent, Kind::kModelResult,
                            Kind::kPlan, Kind::kApprovalAsked, Kind::kApprovalGiven, Kind::kToolIntent,
                            Kind::kToolStarted, Kind::kToolResult, Kind::kChildStarted, Kind::kChildDone,
                            Kind::kSamplingIntent, Kind::kSamplingResult, Kind::kRunDone}) {
      for (const char* when : {"before", "after"})
        row_of(when, name(kind), [&](Situation situation) { return places(whole_, kind, situation); });
    }
    for (const char* when : {"before", "after"})
      row_of(when, "episode", [&](Situation situation) {
        const std::size_t last = places(whole_, Kind::kRunDone, kLife).back().process;
        return situation == kMemory ? std::vector<Kill>{{last, "episode:1"}} : std::vector<Kill>{};
      });
    recovery();
  }

 private:
  template <typename Places>
  void row_of(const char* when, std::string_view kind, Places places_in) {
    fmt::print("{:<22}", fmt::format("{}-{}", when, kind));
    for (int i = 0; i < kSituations; ++i) {
      int trials = 0, settled = 0;
      const auto found = places_in(static_cast<Situation>(i));
      // In brief, every cell once: by turns with tools of the one kind and of the other.
      const bool mine = !brief_ || found.empty() || ++cells_ % 2 == (tools_ == Tools::kKeyed ? 0 : 1);
      for (auto kill : found) {
        if (!mine) break;
        kill.place = fmt::format("{}-{}", when, kill.place);
        settled += run_trial(start_, tools_, whole_, fmt::format("{} in {}", kill.place, kSituationNames[i]),
                             {kill}, {}, tally_);
        ++trials;
        if (brief_) break;
      }
      fmt::print("{:>15}", !mine          ? "."
                           : trials == 0  ? "-"
                           : settled == 0 ? std::to_string(trials)
                                          : fmt::format("{}+{}", trials, settled));
    }
    fmt::print("\n");
    std::fflush(stdout);
  }

  // Killed in a call, and again while what became of it is found out.
  void recovery() {
    const auto started = places(whole_, Kind::kToolStarted, kToolCall).front();
    const Kill in_call{started.process, "after-" + started.place};
    std::vector<const char*> again = {"before-LEASE_TAKEN", "after-LEASE_TAKEN"};
    if (tools_ == Tools::kUnkeyed) {
      again.insert(again.end(), {"before-TOOL_UNKNOWN", "after-TOOL_UNKNOWN"});
    } else {
      again.insert(again.end(), {"before-TOOL_STARTED", "after-TOOL_STARTED"});
    }
    for (const auto* place : again) {
      run_trial(start_, tools_, whole_, fmt::format("{} after {}", place, in_call.place),
                {in_call, {in_call.process + 1, place}}, {}, tally_);
    }
    // The process after the one that parks the call finds the person's word.
    if (tools_ == Tools::kUnkeyed)
      run_trial(start_, tools_, whole_, "after-SIGNAL after " + in_call.place,
                {in_call, {in_call.process + 2, "after-SIGNAL"}}, {}, tally_);
    fmt::print("killed again while recovering: {}{}\n", fmt::join(again, ", "),
               tools_ == Tools::kUnkeyed ? ", after-SIGNAL" : "");
  }

  const Start& start_;
  const Tools tools_;
  const Whole& whole_;
  const bool brief_;
  int cells_ = 0;
  Tally& tally_;
};

void explain() {
  fmt::print("can't occur (-):\n");
  for (int i = 0; i < kSituations; ++i)
    fmt::print("  {}: {}\n", kSituationNames[i], why_not(static_cast<Situation>(i)));
}

int run(int random_trials, std::uint64_t seed, bool brief) {
  auto start = Start::make();
  if (!start) {
    fmt::print(stderr, "{}\n", start.error().text());
    return 3;
  }
  Tally tally;
  Random random(seed);
  int at_places = 0;
  for (const auto tools : {Tools::kKeyed, Tools::kUnkeyed}) {
    auto whole = run_whole(**start, tools);
    if (!whole) {
      fmt::print(stderr, "{}\n", whole.error().text());
      return 1;
    }
    const int before = tally.trials;
    Matrix(**start, tools, *whole, brief, tally).run();
    at_places += tally.trials - before;
    // Every second trial at random has tools of this kind.
    for (int i = tools == Tools::kKeyed ? 0 : 1; i < random_trials; i += 2) {
      std::vector<std::int64_t> kills_us(1 + random.below(3));
      for (auto& at : kills_us)
        at = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(whole->process_us * 5 / 4)));
      run_trial(**start, tools, *whole, fmt::format("random trial {}", i + 1), {}, kills_us, tally);
    }
  }
  explain();
  fmt::print(
      "{} at named places, {} at random instants (seed {}), {} kills, {} runs did not end as they should\n"
      "{} trials, {} duplicated, {} lost, {} unknown ({})\n",
      at_places, random_trials, seed, tally.kills, tally.broken, tally.trials, tally.duplicated, tally.lost,
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
  bool brief = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--random") random_trials = std::atoi(value);
    if (flag == "--seed") seed = std::strtoull(value, nullptr, 10);
    brief = brief || flag == "--brief";
  }
  // What kill -9 leaves is the kernel's: memory shows it as well as a disk, and does not make anyone wait.
  if (brief && std::getenv("TMPDIR") == nullptr && ::access("/dev/shm", W_OK) == 0)
    ::setenv("TMPDIR", "/dev/shm", 1);
  // Servers of killed processes come to this one, so that it can wait for their end.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  return tsukai::agent::run(random_trials, seed, brief);
}
