// What the runtime itself costs: loop steps a second with a model that answers at once.
//   loop_bench [STEPS [ROUNDS [PART...]]]     PART: parked, memory, disk, recovery, plans; all when none is
//   named
// Prints steps/s with the journal in memory and on disk, beside durable commits/s of single rows on the same
// disk; 16 runs that share commits; processor time a step; how long a run of 10,000 rows takes to be taken up
// again; a plan of 8 independent calls of 200 ms; what 1,000 runs that wait for a person hold of memory.
// Medians of the rounds with their least and most, for the machine may be loaded.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "agent/journal_writer.h"
#include "agent/progress.h"
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

// Of all threads, or of the calling one (RUSAGE_THREAD).
double processor_seconds(int whose = RUSAGE_SELF) {
  rusage usage{};
  ::getrusage(whose, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void must(bool well, const std::string& why) {
  if (well) return;
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

// Calls shop__look in each turn but the last. Renders what is new alone, as a model does whose template never
// rewrites history; a token is a byte.
class BenchModel : public infer::ChatModel {
 public:
  // `at_once`: generate() does not suspend. Else it goes once through the event loop, as a real model's does.
  BenchModel(std::int64_t steps, bool at_once) : steps_(steps), at_once_(at_once) {
    description_ = {"bench", "bench", "none", "digest-of-bench", 1u << 30};
  }

  const infer::ModelDescription& description() const override { return description_; }
  Result<infer::Prompt> render(const infer::ChatRequest& request, const infer::Transcript& so_far) override {
    infer::Prompt prompt;
    prompt.kept_bytes = so_far.text.size();
    prompt.kept_tokens = so_far.tokens.size();
    prompt.text.reserve(prompt.kept_bytes + kNewBytes);
    prompt.text = so_far.text;
    for (auto i = rendered_; i < request.messages.size(); ++i) {
      const auto& message = request.messages[i];
      if (message.role != infer::Role::kAssistant) prompt.text += "<|" + message.text + "|>";
    }
    rendered_ = request.messages.size();
    prompt.tokens.reserve(prompt.text.size());
    prompt.tokens = so_far.tokens;
    prompt.tokens.insert(prompt.tokens.end(),
                         prompt.text.begin() + static_cast<std::ptrdiff_t>(prompt.kept_bytes),
                         prompt.text.end());
    return prompt;
  }
  Task<infer::ChatReply> generate(infer::ChatRequest, infer::Prompt prompt, infer::OnText) override {
    if (!at_once_) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    infer::ChatReply reply;
    reply.message.role = infer::Role::kAssistant;
    if (++turns_ < steps_) {
      reply.finish = infer::FinishReason::kCalls;
      reply.message.calls.push_back({fmt::format("call-{}", turns_), "shop__look", Json{{"n", turns_}}});
      reply.text = fmt::format("<call>shop__look{{\"n\":{}}}<|end|>", turns_);
    } else {
      reply.text = reply.message.text = "finished";
    }
    reply.message.raw = reply.text;
    reply.tokens.assign(reply.text.begin(), reply.text.end());
    reply.usage.prompt_tokens = static_cast<std::int64_t>(prompt.tokens.size());
    reply.usage.reused_tokens = static_cast<std::int64_t>(prompt.kept_tokens);
    reply.usage.prefilled_tokens = reply.usage.prompt_tokens - reply.usage.reused_tokens;
    reply.usage.generated_tokens = static_cast<std::int64_t>(reply.tokens.size());
    co_return reply;
  }
  std::vector<std::string> unsupported_keywords(const infer::ToolDefinition&) const override { return {}; }

 private:
  static constexpr std::size_t kNewBytes = 256;  // A prompt grows by less than this.
  const std::int64_t steps_;
  const bool at_once_;
  std::int64_t turns_ = 0;
  std::size_t rendered_ = 0;
  infer::ModelDescription description_;
};

// All that one run stands on, opened before the clock starts.
struct Bench {
  FakeServers servers;
  BenchModel model;
  AgentFile file;
  std::unique_ptr<Toolbox> toolbox;
  std::optional<Database> database;
  std::unique_ptr<Journal> journal;
  JournalWriter* writer;

  Bench(const std::string& path, std::int64_t steps, bool at_once, JournalWriter* shared)
      : model(steps, at_once), writer(shared) {
    servers.add("shop", "look", [](Json) { return answer_text("7 left"); });
    file.name = "bench";
    file.budget = {steps + 2, steps + 2, 1'000'000'000'000, 100'000};
    file.servers.emplace_back().name = "shop";
    ToolboxOptions tools;
    tools.servers = file.servers;
    tools.connect = [this](mcp::ServerConfig config, mcp::ClientOptions) {
      return servers.connect(std::move(config));
    };
    tools.unsupported_keywords = [](const infer::ToolDefinition&) { return std::vector<std::string>{}; };
    tools.tell = [](const std::string&, const JsonValue&) {};
    auto opened = await(Toolbox::open(std::move(tools)));
    must(opened.has_value(), "no toolbox");
    toolbox = *std::move(opened);
    auto file_opened = Database::open(path);
    must(file_opened.has_value(), "no database");
    database.emplace(*std::move(file_opened));
    auto journal_opened = Journal::open(*database, system_clock());
    must(journal_opened.has_value(), "no journal");
    journal = *std::move(journal_opened);
  }
  ~Bench() { (void)await(close(toolbox.get())); }
  static Task<void> close(Toolbox* toolbox) {
    co_await toolbox->shutdown();
    co_return Result<void>();
  }
  RunParts parts() {
    return {.file = file,
            .task = "bench",
            .user = "bench",
            .journal = *journal,
            .writer = writer,
            .model = model,
            .toolbox = *toolbox,
            .clock = system_clock()};
  }
};

struct Rate {
  double a_second = 0;
  double processor_us = 0;  // Of each.
  double loop_us = 0;       // Of it the event loop's thread, where the writer has its own;
  double a_commit = 0;      // and how many shared a commit.
};

Rate steps_a_second(const std::string& database_path, std::int64_t steps, bool at_once) {
  Bench bench(database_path, steps, at_once, nullptr);
  const auto began = std::chrono::steady_clock::now();
  const double processor = processor_seconds();
  const auto outcome = await(execute_run(bench.parts()));
  const double took = seconds_since(began);
  must(outcome && outcome->state == RunState::kDone, outcome ? outcome->answer : outcome.error().text());
  const auto count = static_cast<double>(steps);
  return {count / took, (processor_seconds() - processor) / count * 1e6};
}

Rate commits_a_second(const std::string& database_path, int commits) {
  auto database = Database::open(database_path);
  (void)database->execute("CREATE TABLE t(x TEXT) STRICT");
  const auto began = std::chrono::steady_clock::now();
  const double processor = processor_seconds();
  for (int i = 0; i < commits; ++i) {
    (void)database->write([&] { return database->execute("INSERT INTO t VALUES('one row')"); });
  }
  return {commits / seconds_since(began), (processor_seconds() - processor) / commits * 1e6};
}

// `runs` at once on one event loop, over one writer; steps/s of all together.
Rate steps_together(const std::string& database_path, std::int64_t steps, int runs) {
  auto writer = Writer::open(database_path);
  auto journal = JournalWriter::open(**writer, system_clock());
  std::vector<std::unique_ptr<Bench>> all;
  for (int i = 0; i < runs; ++i)
    all.push_back(std::make_unique<Bench>(database_path, steps, true, journal->get()));
  asio::io_context context;
  int done = 0;
  const auto before = (*writer)->counts();
  const auto began = std::chrono::steady_clock::now();
  const double processor = processor_seconds(), loop = processor_seconds(RUSAGE_THREAD);
  for (auto& bench : all) {
    asio::co_spawn(context, execute_run(bench->parts()),
                   [&](std::exception_ptr, const Result<RunOutcome>& outcome) {
                     must(outcome.has_value(), outcome ? "" : outcome.error().text());
                     ++done;
                   });
  }
  context.run();
  const double took = seconds_since(began);
  must(done == runs, "not all runs ended");
  const auto count = static_cast<double>(steps * runs);
  const auto after = (*writer)->counts();
  return {
      count / took, (processor_seconds() - processor) / count * 1e6,
      (processor_seconds(RUSAGE_THREAD) - loop) / count * 1e6,
      static_cast<double>(after.works - before.works) / static_cast<double>(after.commits - before.commits)};
}

// A run of about `rows` rows; its id.
std::string long_run(const std::string& database_path, std::int64_t rows) {
  Bench bench(database_path, rows / 5, true, nullptr);
  const auto outcome = await(execute_run(bench.parts()));
  must(outcome.has_value(), "the long run failed");
  return outcome->run_id;
}

// How long it takes to know again how far a run is (G11), reading and folding it over a connection of its
// own: on the clock, and of processor time.
std::pair<double, double> recovery_ms(const std::string& database_path, const std::string& run) {
  auto database = Database::open(database_path);
  auto journal = Journal::open(*database, system_clock());
  const auto began = std::chrono::steady_clock::now();
  const double processor = processor_seconds();
  const auto all = (*journal)->rows(run);
  must(all && all->size() >= 9'900, "too few rows");
  must(Progress::of(*all).has_value(), "the long run does not fold");
  return {seconds_since(began) * 1000, (processor_seconds() - processor) * 1000};
}

// Of the rounds.
struct Series {
  std::vector<double> values;
  void add(double value) { values.push_back(value); }
  std::string text(const char* format = "{:.0f}") const {
    auto sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const auto one = [&](double value) { return fmt::format(fmt::runtime(format), value); };
    return fmt::format("{} ({}..{})", one(sorted[sorted.size() / 2]), one(sorted.front()),
                       one(sorted.back()));
  }
};

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

// Since the process began.
double resident_most_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

// Waits until all runs of the measurement wait, then leaves them parked.
struct Hall {
  asio::steady_timer open;
  int waiting = 0;
  const int all;
  double resident_mb_then = 0;
  Hall(asio::io_context& context, int count)
      : open(context, asio::steady_timer::time_point::max()), all(count) {}

  Task<bool> wait() {
    if (++waiting == all) {
      resident_mb_then = resident_mb();
      open.cancel();
    } else {
      boost::system::error_code woken;
      co_await open.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
    co_return false;
  }
};

struct Parked {
  double mb = 0;          // Held once all wait and nobody is at hand.
  double at_hand_mb = 0;  // Held while all wait with a person at hand: model, servers and connection kept up.
};

// Memory that `count` runs hold that were started at once and wait for an approval.
Parked parked_mb(const std::string& database_path, int count) {
  auto writer = Writer::open(database_path);
  auto journal = JournalWriter::open(**writer, system_clock());
  FakeServers servers;
  servers.add("shop", "pay", [](Json) { return answer_text("paid"); });
  auto file = agent_of_shop();
  file.policy = {{PolicyRule::Action::kAsk, "shop.pay", 1}};
  auto options = options_for(database_path, servers);
  options.writer = journal->get();
  asio::io_context context;
  Hall hall(context, count);
  options.decide = [&hall](Journal&, std::string) { return hall.wait(); };
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
  return {resident_mb() - before, hall.resident_mb_then - before};
}

}  // namespace
}  // namespace tsukai::agent

int main(int argc, char** argv) {
  using namespace tsukai;
  using agent::Series;
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 200;
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  const auto wanted = [&](std::string_view part) {
    return argc <= 3 || std::find(argv + 3, argv + argc, part) != argv + argc;
  };
  if (wanted("parked")) {
    // First, while the process holds nothing else.
    ScratchDir folder;
    const auto parked = agent::parked_mb(folder / "parked.db", 1000);
    fmt::print(
        "1,000 runs waiting for a person: {:.0f} MB; {:.0f} MB with a person at hand, servers and model kept "
        "up; most ever {:.0f} MB\n",
        parked.mb, parked.at_hand_mb, agent::resident_most_mb());
  }
  fmt::print("{} steps of one call, median (least..most) of {} rounds\n", steps, rounds);
  if (wanted("memory")) {
    Series memory, memory_us;
    for (int round = 0; round < rounds; ++round) {
      const auto in_memory = agent::steps_a_second(":memory:", steps, true);
      memory.add(in_memory.a_second);
      memory_us.add(in_memory.processor_us);
    }
    fmt::print("journal in memory: {} steps/s, {} us of processor time a step\n", memory.text(),
               memory_us.text());
  }
  if (wanted("disk")) {
    Series disk, later, commits, ratio, together, together_one, together_commits;
    Series disk_us, later_us, commit_us, together_us, loop_us, a_commit;
    for (int round = 0; round < rounds; ++round) {
      ScratchDir folder;
      const auto on_disk = agent::steps_a_second(folder / "run.db", steps, true);
      const auto rows = agent::commits_a_second(folder / "rows.db", static_cast<int>(steps) * 4);
      const auto yielding = agent::steps_a_second(folder / "later.db", steps, false);
      const auto many = agent::steps_together(folder / "many.db", steps, 16);
      disk.add(on_disk.a_second);
      disk_us.add(on_disk.processor_us);
      commits.add(rows.a_second);
      commit_us.add(rows.processor_us);
      later.add(yielding.a_second / rows.a_second);
      later_us.add(yielding.processor_us);
      ratio.add(on_disk.a_second / rows.a_second);
      together.add(many.a_second);
      together_us.add(many.processor_us);
      loop_us.add(many.loop_us);
      a_commit.add(many.a_commit);
      together_one.add(many.a_second / on_disk.a_second);
      together_commits.add(many.a_second / rows.a_second);
    }
    fmt::print("single rows, synchronous=FULL: {} commits/s, {} us of processor time each\n", commits.text(),
               commit_us.text());
    fmt::print("journal on disk: {} steps/s, {} us of processor time a step; steps / commits {}\n",
               disk.text(), disk_us.text(), ratio.text("{:.2f}"));
    fmt::print(
        "  with a model that answers through the event loop (two commits a step): {} us; steps / commits "
        "{}\n",
        later_us.text(), later.text("{:.2f}"));
    fmt::print("16 runs together: {} steps/s, {} us of processor time a step; {} x one run, {} x commits\n",
               together.text(), together_us.text(), together_one.text("{:.1f}"),
               together_commits.text("{:.2f}"));
    fmt::print("  {} us of it on the event loop's thread; {} steps share a commit\n", loop_us.text(),
               a_commit.text("{:.1f}"));
  }
  ScratchDir folder;
  if (wanted("recovery")) {
    Series recovery, processor;
    const auto run = agent::long_run(folder / "long.db", 10'000);
    for (int round = 0; round < rounds; ++round) {
      const auto [ms, processor_ms] = agent::recovery_ms(folder / "long.db", run);
      recovery.add(ms);
      processor.add(processor_ms);
    }
    fmt::print("a run of 10,000 rows is taken up again in {} ms ({} ms of processor time)\n", recovery.text(),
               processor.text());
  }
  if (wanted("plans")) {
    fmt::print("calls of 200 ms: 8 independent ones {:.0f} ms, a diamond of 4 {:.0f} ms\n",
               agent::plan_ms(folder / "plan.db", false), agent::plan_ms(folder / "plan.db", true));
  }
}
