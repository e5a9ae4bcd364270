// Power cuts and failing disks. What was acknowledged must be there afterwards, in a chain that verifies.
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/journal_store.h"
#include "support/fault_vfs.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// Every row goes with a payload large enough for overflow pages now and then. Stops at the first error.
struct Workload {
  std::string run;
  std::int64_t acknowledged = 0;  // Rows.
  bool finished = false;

  // Nothing when all went well.
  std::optional<Error> go(Journal& journal, Database& database) {
    auto started = journal.start_run("a", "t", "u", {});
    if (!started) return started.error();
    run = *started;
    acknowledged = 1;
    for (int i = 0; i < 6; ++i) {
      const Json payload = {{"text", std::string(i % 2 == 0 ? 50 : 9000, static_cast<char>('a' + i))}};
      auto row = journal.append(run, i % 2 == 0 ? Kind::kToolIntent : Kind::kToolResult, "step", 1, payload);
      if (!row) return row.error();
      acknowledged = row->seq;
      if (i == 3) {
        if (auto done = database.checkpoint(); !done) return done.error();
      }
    }
    if (auto done = journal.finish_run(run, RunState::kDone, "answer", {}); !done) return done.error();
    ++acknowledged;
    finished = true;
    return std::nullopt;
  }
};

// An empty journal as one file. Made once: its tables and their syncs would be most of each trial's time.
const std::string& empty_journal() {
  static const std::string bytes = [] {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    JournalStore store(path);
    REQUIRE(store.database.checkpoint());
    return read_file(path);
  }();
  return bytes;
}

// What must hold in the file at `path`, whatever happened. Looking at it needs no real sync, so a FaultVfs
// that injects nothing opens it.
void check_survivors(const std::string& path, const Workload& work, int* unacknowledged = nullptr) {
  FaultVfs quick;
  JournalStore store(path, {.vfs = quick.name()});
  CHECK(store.query("PRAGMA integrity_check", 1)[0][0] == "ok");
  const auto runs = store.journal->list(10, std::nullopt).value();
  for (const auto& run : runs) {
    CHECK(store.defects(run.id).empty());
    if (run.id == work.run) CHECK(run.rows >= work.acknowledged);
  }
  if (work.acknowledged > 0)
    CHECK(std::any_of(runs.begin(), runs.end(), [&](const auto& run) { return run.id == work.run; }));
  if (work.finished) CHECK(store.journal->find(work.run)->state == RunState::kDone);
  if (unacknowledged != nullptr && !runs.empty() && runs[0].rows > work.acknowledged) ++*unacknowledged;
}

}  // namespace

TEST_SUITE("agent/journal/power") {
  TEST_CASE("G1-G4: a power cut after any write loses nothing acknowledged and leaves an intact journal") {
    ScratchDir scratch;
    const std::string path = scratch.write("a.db", empty_journal());
    FaultVfs vfs;
    Random random(7);
    Workload work;
    struct Cut {
      Workload work;
      FaultVfs::Image image;
    };
    std::vector<Cut> cuts;
    {
      JournalStore store(path, {.vfs = vfs.name()});
      vfs.on_operation([&] {
        for (int i = 0; i < 2; ++i) cuts.push_back({work, vfs.power_cut(random)});
      });
      const auto error = work.go(*store.journal, store.database);
      CHECK_MESSAGE(!error, (error ? error->text() : ""));
      vfs.on_operation(nullptr);
    }
    CHECK(cuts.size() > 100);
    int unacknowledged = 0;
    for (const Cut& cut : cuts) {
      ScratchDir after;
      for (const auto& [name, bytes] : cut.image) after.write(name, bytes);
      check_survivors(after / "a.db", cut.work, &unacknowledged);
    }
    CHECK(unacknowledged > 0);  // The cuts do fall between a commit and its acknowledgement.
  }

  TEST_CASE("a database whose syncs do nothing does lose acknowledged rows: the model can tell") {
    ScratchDir scratch;
    const std::string path = scratch.write("a.db", empty_journal());
    FaultVfs vfs;
    Random random(7);
    bool lost = false;
    JournalStore store(path, {.vfs = vfs.name()});
    store.execute("PRAGMA synchronous=OFF");
    Workload work;
    std::vector<std::pair<std::int64_t, FaultVfs::Image>> cuts;
    vfs.on_operation([&] { cuts.emplace_back(work.acknowledged, vfs.power_cut(random)); });
    (void)work.go(*store.journal, store.database);
    vfs.on_operation(nullptr);
    for (const auto& [acknowledged, image] : cuts) {
      ScratchDir after;
      for (const auto& [name, bytes] : image) after.write(name, bytes);
      FaultVfs quick;
      auto database = Database::open(after / "a.db", {.vfs = quick.name()});
      FakeClock clock;
      auto journal = database ? Journal::open(*database, clock) : fail(database.error());
      auto runs = journal ? (*journal)->list(1, std::nullopt) : fail(journal.error());
      if (!runs || (acknowledged > 0 && (runs->empty() || runs->at(0).rows < acknowledged))) lost = true;
    }
    CHECK(lost);
  }

  TEST_CASE("whichever write or sync fails, once or for good, the journal stays intact and goes on") {
    for (const int code : {SQLITE_IOERR, SQLITE_FULL}) {
      for (const bool lasting : {false, true}) {
        int n = 1;
        for (bool injected = true; injected; ++n) {
          REQUIRE(n < 500);
          ScratchDir scratch;
          const std::string path = scratch.write("a.db", empty_journal());
          FaultVfs vfs;
          Workload work;
          {
            JournalStore store(path, {.vfs = vfs.name()});
            vfs.fail_at(n, code, lasting);
            const auto error = work.go(*store.journal, store.database);
            injected = vfs.failed();
            CAPTURE(n);
            CHECK(error.has_value() == injected);
            if (error) CHECK((error->code() == Code::kTransport || error->code() == Code::kExhausted));
            vfs.fail_at(0, SQLITE_OK, false);
            // The same connection goes on when the disk does.
            if (!work.run.empty() && !work.finished) {
              const auto rows = store.journal->rows(work.run).value();
              CHECK(static_cast<std::int64_t>(rows.size()) >= work.acknowledged);
              if (rows.back().kind != Kind::kRunDone)
                store.append(work.run, Kind::kToolResult, "again", {{"text", "x"}});
            }
          }
          check_survivors(path, work);
        }
        CHECK(n > 20);
      }
    }
  }

  TEST_CASE("G4: whatever text an observation holds comes back byte for byte") {
    JournalStore store;
    const std::string run = store.start();
    std::string all;
    for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
    const Json payload = {{"text", all + "\"\\/\u2028 咖啡 🙂"},
                          {"", nullptr},
                          {"n", 1e308},
                          {"i", INT64_MIN},
                          {"u", UINT64_MAX},
                          {"deep", {{{{{}}}}}}};
    store.append(run, Kind::kToolResult, "s", payload);
    CHECK(store.journal->rows(run)->back().payload.get() == payload);
    CHECK(store.defects(run).empty());
  }
}
