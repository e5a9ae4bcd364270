// Whole runs over failing disks and power cuts: journal, memory and the effects of tools, together.
#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "agent/decisions.h"
#include "agent/journal_store.h"
#include "agent/progress.h"
#include "agent/runtime.h"
#include "memory/memory.h"
#include "support/await.h"
#include "support/fake_server.h"
#include "support/fault_vfs.h"
#include "support/scratch_dir.h"
#include "support/stateless_model.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// As long as it lives, every database that names no VFS of its own is opened with this one.
struct DiskOfAll {
  FaultVfs vfs;
  DiskOfAll() { sqlite3_vfs_register(sqlite3_vfs_find(vfs.name().c_str()), 1); }
};

// An empty database with the tables of journal and memory, as one file.
const std::string& empty_database() {
  static const std::string bytes = [] {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    JournalStore store(path);
    REQUIRE(memory::Memory::open(store.database, store.clock));
    REQUIRE(store.database.checkpoint());
    return read_file(path);
  }();
  return bytes;
}

FakeTurn turn_of(std::size_t n) {
  if (n == 0) return calls("shop__order", {{"what", "beans"}});
  if (n == 1) return calls_all({{"shop__order", {{"what", "milk"}}}, {"shop__look", Json::object()}});
  return says("all ordered");
}

// What tools did outlives every disk.
struct Shop {
  FakeServers servers;
  std::map<std::string, int> ordered;

  Shop() {
    servers.add("shop", "order", [this](Json arguments) {
      ++ordered[string_at(arguments, "what")];
      return answer_text("ordered " + string_at(arguments, "what"));
    });
    servers.add("shop", "look", [](Json) { return answer_text("7 left"); });
    servers["shop"].tools.back().annotations = mcp::ToolAnnotations{.read_only = true};
  }
};

AgentFile shopper() {
  AgentFile file;
  file.name = "shopper";
  file.model = "fake.gguf";
  file.memory_recall = 2;
  file.memory_scope = {"user"};
  file.budget.tokens = 1'000'000;
  mcp::ServerConfig shop;
  shop.name = "shop";
  shop.command = "shop";
  shop.trusted = true;
  file.servers = {shop};
  return file;
}

struct World {
  std::string path;
  Shop& shop;
  FakeClock clock;
  std::vector<std::string> told;  // Calls whose results somebody was shown.

  World(std::string database, Shop& where) : path(std::move(database)), shop(where) {}

  RuntimeOptions options() {
    RuntimeOptions options;
    options.database_path = path;
    options.user = "mika";
    options.clock = &clock;
    options.connect = [this](mcp::ServerConfig config, mcp::ClientOptions) {
      return shop.servers.connect(std::move(config));
    };
    options.on_event = [this](const Event& event) {
      if (event.type == "tool_result") told.push_back(string_at(*event.data, "call_id"));
    };
    return options;
  }
  static OpenModel model() {
    return [](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
      return std::make_unique<StatelessModel>(turn_of);
    };
  }
  Result<RunOutcome> run() { return await(run_agent(shopper(), "order", options(), model())); }

  // On a disk that works: goes on with what there is, as often as it takes, and settles what is unknown by
  // what really happened. Nothing when there is no run.
  std::optional<RunSummary> carry_on() {
    for (int i = 0; i < 8; ++i) {
      clock.advance(kLeaseMs + 1);
      JournalStore store(path);
      auto summary = store.journal->find("last");
      if (!summary) return std::nullopt;
      if (summary->state != RunState::kRunning && summary->state != RunState::kWaiting) return *summary;
      const auto rows = store.journal->rows(summary->id).value();
      auto progress = Progress::of(rows).value();
      for (const auto& call :
           progress.steps.empty() ? std::vector<CallProgress>{} : progress.steps.back().calls) {
        if (call.stage != CallProgress::Stage::kUnknown) continue;
        CHECK(call.call.name == "shop__order");  // Looking again is safe.
        const auto what = string_at(*call.call.arguments, "what");
        REQUIRE(resolve_call(*store.journal, summary->id, call.step_key,
                             shop.ordered[what] > 0 ? Resolution::kDone : Resolution::kRetry,
                             "ordered " + what, "mika"));
      }
      const auto outcome = await(resume_run("last", options(), model()));
      REQUIRE_MESSAGE(outcome, outcome.error().text());
    }
    FAIL("the run does not end");
    return std::nullopt;
  }

  void check_end(const RunSummary& summary) {
    CHECK(summary.state == RunState::kDone);
    CHECK(summary.answer == "all ordered");
    JournalStore store(path);
    CHECK(store.query("PRAGMA integrity_check", 1)[0][0] == "ok");
    CHECK(store.defects(summary.id).empty());
    CHECK(store.query("SELECT count(*) FROM run", 1)[0][0] == "1");
    CHECK(shop.ordered == std::map<std::string, int>{{"beans", 1}, {"milk", 1}});
    std::map<std::string, int> results;
    const auto rows = store.journal->rows(summary.id).value();
    for (const auto& row : rows) {
      if (row.kind == Kind::kToolResult) ++results[row.step_key];
      if (row.kind != Kind::kSignal) continue;
      const auto& word = (*row.payload)["payload"];
      if (string_at(word, "action") == "done") ++results[string_at(word, "call")];
    }
    for (const auto& call : told) CHECK(results[call] == 1);
    CHECK(results.size() == 3);
  }
};

}  // namespace

TEST_SUITE("agent/run/power") {
  TEST_CASE(
      "whichever write or sync of a run fails, once or for good, each effect happens once and it can go on") {
    for (const auto& [code, lasting] : {std::pair{SQLITE_IOERR, false}, std::pair{SQLITE_FULL, true}}) {
      int n = 1, forgotten = 0;
      for (bool injected = true; injected; ++n) {
        REQUIRE(n < 1000);
        CAPTURE(n);
        DiskOfAll disk;
        ScratchDir scratch;
        Shop shop;
        World world(scratch.write("a.db", empty_database()), shop);
        disk.vfs.fail_at(n, code, lasting);
        const auto outcome = world.run();
        injected = disk.vfs.failed();
        disk.vfs.fail_at(0, SQLITE_OK, false);
        // A run that says it is done is: all that may be missing is its memory, and a notice said so.
        if (outcome) CHECK(outcome->state == RunState::kDone);
        CHECK((outcome || injected));
        const auto summary = world.carry_on();
        if (!summary) {
          CHECK(shop.ordered.empty());
          continue;
        }
        world.check_end(*summary);
        JournalStore store(world.path);
        const auto episodes = store.query("SELECT count(*) FROM episode", 1)[0][0];
        CHECK((episodes == "1" || (injected && episodes == "0")));
        forgotten += episodes == "0" ? 1 : 0;
      }
      CHECK(n > 40);
      CHECK(forgotten < n / 2);
    }
  }

  TEST_CASE("a power cut after any write of a run loses nothing that was told and repeats no effect") {
    struct Cut {
      FaultVfs::Image image;
      std::map<std::string, int> ordered;
      std::vector<std::string> told;
    };
    std::vector<Cut> cuts;
    {
      DiskOfAll disk;
      ScratchDir scratch;
      Shop shop;
      Random random(11);
      World world(scratch.write("a.db", empty_database()), shop);
      disk.vfs.on_operation([&] { cuts.push_back({disk.vfs.power_cut(random), shop.ordered, world.told}); });
      REQUIRE(world.run()->state == RunState::kDone);
      disk.vfs.on_operation(nullptr);
    }
    CHECK(cuts.size() > 50);
    DiskOfAll quick;  // Needs no real sync.
    for (const auto& cut : cuts) {
      ScratchDir after;
      for (const auto& [name, bytes] : cut.image) after.write(name, bytes);
      Shop shop;
      shop.ordered = cut.ordered;
      World world(after / "a.db", shop);
      world.told = cut.told;
      const auto summary = world.carry_on();
      if (!summary) {
        CHECK(cut.ordered.empty());
        continue;
      }
      world.check_end(*summary);
      JournalStore store(world.path);
      CHECK(store.query("SELECT count(*) FROM episode", 1)[0][0] == "1");
    }
  }
}
