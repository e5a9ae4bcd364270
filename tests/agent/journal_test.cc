#include "agent/journal.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/journal_store.h"
#include "base/random.h"
#include "support/fake_clock.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

using Store = JournalStore;

std::string a_short_run(Store& store, bool end = true) { return store.short_run(end); }

}  // namespace

TEST_SUITE("agent/journal") {
  TEST_CASE("rows come back in order, as they were given, chained") {
    Store store;
    const std::string run = a_short_run(store);
    const auto rows = store.journal->rows(run).value();
    REQUIRE(rows.size() == 5);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      CHECK(rows[i].seq == static_cast<std::int64_t>(i + 1));
      if (i > 0) CHECK(rows[i].prev_hash == rows[i - 1].hash);
    }
    CHECK(rows[0].kind == Kind::kRunStarted);
    CHECK(rows[0].payload->at("seed") == 7);
    CHECK(rows[2].kind == Kind::kToolIntent);
    CHECK(rows[2].step_key == "step-1/call-1");
    CHECK(rows[2].payload.print() == R"({"arguments":{"a":6,"b":7},"tool":"calculator"})");
    CHECK(rows[2].at_ms == rows[1].at_ms + 10);
    CHECK(rows[4].kind == Kind::kRunDone);
    CHECK(store.defects(run).empty());
  }

  TEST_CASE("the summary tells agent, task, user, state, times, answer and totals") {
    Store store;
    const std::string run = a_short_run(store);
    const auto summary = store.journal->find(run).value();
    CHECK(summary.agent == "day-out");
    CHECK(summary.task == "what is six by seven?");
    CHECK(summary.user == "mika");
    CHECK(summary.state == RunState::kDone);
    CHECK(summary.ended_ms == summary.started_ms + 30);
    CHECK(summary.rows == 5);
    CHECK(summary.answer == "forty-two");
    CHECK(summary.totals.print() == R"({"steps":1})");
  }

  TEST_CASE("every kind and every state has a name that leads back to it") {
    for (int i = 0; i <= static_cast<int>(Kind::kRunDone); ++i) {
      CHECK(kind_named(name(static_cast<Kind>(i))) == static_cast<Kind>(i));
    }
    for (int i = 0; i <= static_cast<int>(RunState::kCancelled); ++i) {
      CHECK(run_state_named(name(static_cast<RunState>(i))) == static_cast<RunState>(i));
    }
    CHECK_FALSE(kind_named("NONSENSE").has_value());
  }

  TEST_CASE("nothing can be added to a run that has ended, and it ends once") {
    for (const RunState end :
         {RunState::kDone, RunState::kFailed, RunState::kStopped, RunState::kCancelled}) {
      Store store;
      const std::string run = a_short_run(store, false);
      store.finish(run, end);
      const auto added = store.journal->append(run, Kind::kModelIntent, "step-2", 1, {});
      REQUIRE_FALSE(added.has_value());
      CHECK(added.error().code() == Code::kInvalidArgument);
      CHECK_FALSE(store.journal->finish_run(run, RunState::kDone, "again", {}).has_value());
      const auto rows = store.journal->rows(run).value();
      CHECK(rows.size() == 5);
      CHECK(rows.back().kind == (end == RunState::kCancelled ? Kind::kCancelled : Kind::kRunDone));
      CHECK(store.journal->find(run)->state == end);
      CHECK(store.defects(run).empty());
    }
  }

  TEST_CASE("first and last rows can't be appended by hand, running is no end, and a run must exist") {
    Store store;
    const std::string run = store.start();
    for (const Kind kind : {Kind::kRunStarted, Kind::kRunDone, Kind::kCancelled}) {
      CHECK(store.journal->append(run, kind, "", 1, {}).error().code() == Code::kInvalidArgument);
    }
    CHECK_FALSE(store.journal->finish_run(run, RunState::kRunning, "", {}).has_value());
    CHECK(store.journal->append("nosuchrun", Kind::kRecalled, "", 1, {}).error().code() == Code::kNotFound);
    CHECK(store.journal->rows("nosuchrun").error().code() == Code::kNotFound);
    CHECK(store.journal->verify("nosuchrun").error().code() == Code::kNotFound);
    CHECK(store.journal->rows(run)->size() == 1);
  }

  TEST_CASE("rows appended together are all there or none") {
    Store store;
    const std::string run = store.start();
    auto rows =
        store.journal->append_all(run, {{Kind::kToolIntent, "step-1/call-1", 1, Json{{"tool", "a"}}},
                                        {Kind::kToolIntent, "step-1/call-2", 1, Json{{"tool", "b"}}}});
    REQUIRE(rows.has_value());
    CHECK(rows->at(1).seq == 3);
    auto refused = store.journal->append_all(
        run, {{Kind::kToolStarted, "step-1/call-1", 1, Json{}}, {Kind::kRunDone, "", 1, Json{}}});
    CHECK_FALSE(refused.has_value());
    CHECK(store.journal->rows(run)->size() == 3);
    CHECK(store.defects(run).empty());
  }

  TEST_CASE("a payload or a step key beyond its limit is refused and nothing is written") {
    Store store;
    const std::string run = store.start();
    CHECK(store.journal->append(run, Kind::kToolResult, "s", 1, std::string(kPayloadBytesMax, 'x'))
              .error()
              .code() == Code::kExhausted);
    CHECK_FALSE(store.journal->append(run, Kind::kToolResult, std::string(kStepKeyBytesMax + 1, 'k'), 1, {})
                    .has_value());
    CHECK(store.journal->rows(run)->size() == 1);
    CHECK(store.query("SELECT count(*) FROM entry", 1)[0][0] == "1");
  }

  TEST_CASE("text that is not UTF-8 is kept readable and the chain still verifies") {
    Store store;
    const auto run = store.journal->start_run("a", "bad \xff byte", "u\xfe", Json{{"x", "\xff"}}).value();
    store.finish(run, RunState::kDone, "answer \xc3");
    CHECK(store.journal->find(run)->task == "bad \xef\xbf\xbd byte");
    CHECK(store.defects(run).empty());
  }

  TEST_CASE("a run is found by its id, a prefix only it has, or as the last") {
    Store store;
    CHECK(store.journal->find("last").error().code() == Code::kNotFound);
    CHECK(store.journal->find("abc").error().code() == Code::kNotFound);
    const std::string first = store.start("one"), second = store.start("two");
    CHECK(store.journal->find(first)->task == "one");
    CHECK(store.journal->find("last")->id == second);
    CHECK(store.journal->find(first.substr(0, 8))->id == first);
    auto slip = first;
    slip.back() = slip.back() == 'a' ? 'b' : 'a';
    const auto missing = store.journal->find(slip);
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().text().find(first) != std::string::npos);
    CHECK_FALSE(store.journal->find("").has_value());
    CHECK_FALSE(store.journal->find("%").has_value());
  }

  TEST_CASE("a prefix that several runs share names them") {
    Store store;
    for (int i = 0; i < 40; ++i) store.start();  // 32 letters: two must share their first
    std::set<char> seen;
    const auto runs = store.journal->list(100, std::nullopt).value();
    for (const auto& run : runs) {
      if (seen.insert(run.id[0]).second) continue;
      const auto found = store.journal->find(run.id.substr(0, 1));
      REQUIRE_FALSE(found.has_value());
      CHECK(found.error().code() == Code::kInvalidArgument);
      CHECK(found.error().text().find("several runs begin with") != std::string::npos);
      return;
    }
    FAIL("40 ids with distinct first letters");
  }

  TEST_CASE("the list is newest first and can be narrowed to a state") {
    Store store;
    const std::string first = store.start("one"), second = store.start("two"), third = store.start("three");
    store.finish(second, RunState::kFailed, "why");
    auto all = store.journal->list(2, std::nullopt).value();
    REQUIRE(all.size() == 2);
    CHECK(all[0].id == third);
    CHECK(all[1].id == second);
    auto failed = store.journal->list(10, RunState::kFailed).value();
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].answer == "why");
    CHECK(store.journal->list(10, RunState::kRunning)->size() == 2);
  }

  TEST_CASE("what was written is there after reopening") {
    ScratchDir scratch;
    std::string run;
    {
      Store store(scratch / "a.db");
      run = a_short_run(store);
    }
    Store store(scratch / "a.db");
    CHECK(store.journal->rows(run)->size() == 5);
    CHECK(store.defects(run).empty());
  }
}

TEST_SUITE("agent/journal/verify") {
  // Every byte of every value of every column, and numbers by one.
  TEST_CASE("any changed byte in any column is located") {
    for (const bool ended : {true, false}) {
      Store store;
      store.execute("PRAGMA foreign_keys=OFF");
      const std::string run = a_short_run(store, ended);
      const std::vector<std::pair<std::string, std::string>> texts = {{"run", "agent"},
                                                                      {"run", "task"},
                                                                      {"run", "user"},
                                                                      {"run", "head"},
                                                                      {"run", "answer"},
                                                                      {"run", "totals"},
                                                                      {"run", "id"},
                                                                      {"journal", "run_id"},
                                                                      {"entry", "kind"},
                                                                      {"entry", "step_key"},
                                                                      {"entry", "payload_sha256"},
                                                                      {"entry", "prev_hash"},
                                                                      {"entry", "hash"},
                                                                      {"entry", "salt"},
                                                                      {"entry", "body"}};
      const std::vector<std::pair<std::string, std::string>> numbers = {
          {"run", "started_ms"}, {"run", "ended_ms"}, {"run", "rows"},         {"journal", "seq"},
          {"entry", "attempt"},  {"entry", "at_ms"},  {"journal", "entry_id"}, {"entry", "id"}};
      int flips = 0;
      auto check = [&](const std::string& table, const std::string& column, const std::string& key,
                       const std::string& changed_sql) {
        store.execute("SAVEPOINT flip");
        store.execute(fmt::format("UPDATE {} SET {}={} WHERE {}", table, column, changed_sql, key));
        const auto defects = store.defects(run);
        CHECK_MESSAGE(!defects.empty(), fmt::format("{}.{} at {}", table, column, key));
        // Row by row, the defect names the row that was touched.
        if (table != "run" && column != "run_id" && column != "seq" && !defects.empty()) {
          const std::string seq = key.substr(key.rfind('=') + 1);
          CHECK_MESSAGE(defects[0].find("row " + seq) != std::string::npos, defects[0]);
        }
        store.execute("ROLLBACK TO flip");
        store.execute("RELEASE flip");
        ++flips;
      };
      auto key_of = [](const std::string& table) {
        return table == "journal" ? "seq" : table == "run" ? "n" : "id";
      };
      for (const auto& [table, column] : texts) {
        for (const auto& row :
             store.query(fmt::format("SELECT {}, {} FROM {}", key_of(table), column, table), 2)) {
          for (std::size_t i = 0; i < row[1].size(); ++i) {
            std::string changed = row[1];
            changed[i] = static_cast<char>(changed[i] ^ 1);
            std::string hex;
            for (const char c : changed) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
            check(table, column, fmt::format("{}={}", key_of(table), row[0]),
                  fmt::format("CAST(x'{}' AS TEXT)", hex));
          }
        }
      }
      for (const auto& [table, column] : numbers) {
        for (const auto& row : store.query(fmt::format("SELECT {} FROM {}", key_of(table), table), 1)) {
          check(table, column, fmt::format("{}={}", key_of(table), row[0]), column + "+1000");
        }
      }
      check("run", "state", "n=1", ended ? "'failed'" : "'done'");
      CHECK(flips > 1000);
      CHECK(store.defects(run).empty());
    }
  }

  // What lies on the disk, one bit at a time: every page but the lock's and the free ones, in steps that
  // reach all offsets of a page in the end.
  TEST_CASE("whichever byte of the file changes, a run is read as it was, or its damage is told") {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    std::string run;
    std::string printed;
    const auto print = [](const std::vector<Row>& rows, const RunSummary& summary) {
      std::string text =
          summary.task + summary.answer + std::string(name(summary.state)) + summary.totals.print();
      for (const auto& row : rows) {
        text += fmt::format("{} {} {} {} {} {} {}\n", row.seq, name(row.kind), row.step_key, row.attempt,
                            row.at_ms, row.payload.print(), row.hash);
      }
      return text;
    };
    {
      Store store(path);
      run = a_short_run(store);
      printed = print(store.journal->rows(run).value(), store.journal->find(run).value());
      REQUIRE(store.database.checkpoint());
    }
    const std::string whole = read_file(path);
    Random random(3);
    int flips = 0, told = 0, unseen = 0;
    for (std::size_t at = random.below(80); at < whole.size(); at += 1 + random.below(80)) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      scratch.write("a.db", bytes);
      std::filesystem::remove(path + "-wal");
      std::filesystem::remove(path + "-shm");
      ++flips;
      auto database = Database::open(path, {.read_only = true, .busy_timeout_ms = 50});
      FakeClock clock;
      auto journal = database ? Journal::open(*database, clock) : fail(database.error());
      if (!journal) {
        ++told;
        continue;
      }
      const auto rows = (*journal)->rows(run);
      const auto summary = (*journal)->find(run);
      const auto defects = (*journal)->verify(run);
      if (!rows || !summary || !defects || !defects->empty()) {
        ++told;
        continue;
      }
      CAPTURE(at);
      CHECK(print(*rows, *summary) == printed);
      ++unseen;
    }
    CHECK(flips > 1000);
    CHECK(told > 100);
    CHECK(unseen > 100);  // Free space, indexes, other tables.
  }

  TEST_CASE("a row cut out, moved or put behind is located") {
    Store store;
    const std::string run = a_short_run(store);
    auto after = [&](const std::string& sql) {
      store.execute("SAVEPOINT cut");
      store.execute(sql);
      auto defects = store.defects(run);
      store.execute("ROLLBACK TO cut");
      store.execute("RELEASE cut");
      return defects.empty() ? std::string("intact") : defects[0];
    };
    CHECK(after("DELETE FROM journal WHERE seq=3") == "row 3 is missing (the next is 4)");
    CHECK(after("DELETE FROM journal WHERE seq=1") == "row 1 is missing (the next is 2)");
    CHECK(after("DELETE FROM journal WHERE seq=5") == "run.rows says 5, but the last row is 4");
    CHECK(after("UPDATE journal SET entry_id=2 WHERE seq=3").starts_with("row 3: "));
    CHECK(after("DELETE FROM entry WHERE id=3") == "row 3: entry_id names no entry");
    CHECK(after("DELETE FROM entry WHERE id=5") == "row 5: entry_id names no entry");
    CHECK(after("UPDATE entry SET body=NULL WHERE id=3") == "row 3: the payload's body is gone");
    CHECK(after("INSERT INTO entry SELECT 6, kind, step_key, attempt, at_ms, payload_sha256, hash, hash, "
                "salt, body FROM entry WHERE id=5; INSERT INTO journal SELECT run_id, 6, 6 FROM journal "
                "WHERE seq=5")
              .starts_with("row 6"));
  }

  TEST_CASE("a row of another run can't be passed off as this run's") {
    Store store;
    const std::string mine = a_short_run(store), theirs = a_short_run(store);
    store.execute(fmt::format("DELETE FROM journal WHERE run_id='{}' AND seq=3", mine));
    store.execute(fmt::format("UPDATE journal SET run_id='{}' WHERE run_id='{}' AND seq=3", mine, theirs));
    CHECK(store.defects(mine).at(0).starts_with("row 3"));
    CHECK(store.defects(theirs).at(0) == "row 3 is missing (the next is 4)");
  }

  TEST_CASE("a damaged payload is reported by rows() as damage, not as content") {
    Store store;
    const std::string run = a_short_run(store);
    store.execute("UPDATE entry SET body='{\"data\":' WHERE id=2");
    const auto rows = store.journal->rows(run);
    REQUIRE_FALSE(rows.has_value());
    CHECK(rows.error().code() == Code::kCorrupt);
    CHECK(rows.error().text().find("row 2") != std::string::npos);
  }
}

TEST_SUITE("agent/journal/faults") {
  TEST_CASE("kill -9 between and within appends loses nothing acknowledged") {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    std::string run;
    {
      Store store(path);
      run = store.start();
      REQUIRE(store.journal->release_lease(run).has_value());
    }
    std::int64_t least = 1;
    for (int round = 0; round < 5; ++round) {
      int ends[2];
      REQUIRE(pipe(ends) == 0);
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        FakeClock clock;
        auto database = Database::open(path);
        auto journal = Journal::open(*database, clock);
        // The owner before was killed: nobody has to wait for its lease to end.
        if (!(*journal)->take_lease(run)) _exit(2);
        for (;;) {
          auto row =
              (*journal)->append(run, Kind::kToolResult, "s", 1, Json{{"text", std::string(3000, 'x')}});
          if (!row || write(ends[1], &row->seq, sizeof row->seq) != sizeof row->seq) _exit(1);
        }
      }
      close(ends[1]);
      std::int64_t acknowledged = 0;
      for (int i = 0; i < 3 + round; ++i)
        REQUIRE(read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged);
      kill(child, SIGKILL);
      while (read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
      }
      close(ends[0]);
      waitpid(child, nullptr, 0);
      Store store(path);
      const auto rows = store.journal->rows(run).value();
      CHECK(acknowledged > least);
      CHECK(static_cast<std::int64_t>(rows.size()) >= acknowledged);
      CHECK(static_cast<std::int64_t>(rows.size()) <= acknowledged + 1);
      CHECK(store.defects(run).empty());
      least = acknowledged;
    }
  }

  TEST_CASE("two processes appending at once keep every row, in chains that verify") {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    {
      Store store(path);
    }
    constexpr int kProcesses = 2, kAppends = 25;
    std::vector<pid_t> children;
    for (int p = 0; p < kProcesses; ++p) {
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        FakeClock clock;
        auto database = Database::open(path);
        auto journal = Journal::open(*database, clock);
        auto own = (*journal)->start_run("a", fmt::format("own {}", p), "u", {});
        if (!own) _exit(1);
        for (int i = 0; i < kAppends; ++i) {
          if (!(*journal)->append(*own, Kind::kRecalled, "", 1, Json{{"i", i}})) _exit(2);
        }
        _exit(0);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = 0;
      waitpid(child, &status, 0);
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 0);
    }
    Store store(path);
    const auto runs = store.journal->list(10, std::nullopt).value();
    CHECK(runs.size() == kProcesses);
    for (const auto& run : runs) {
      CHECK(run.rows == 1 + kAppends);
      CHECK(store.defects(run.id).empty());
    }
  }

  TEST_CASE("a damaged file gives an error, never an answer that looks right") {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    std::string run;
    {
      Store store(path);
      run = a_short_run(store);
      REQUIRE(store.database.checkpoint().has_value());
    }
    std::string bytes = read_file(path);
    const auto at = bytes.find("calculator");
    REQUIRE(at != std::string::npos);
    bytes[at] = 'C';
    scratch.write("a.db", bytes);
    Store store(path);
    CHECK(store.defects(run).at(0) == "row 3: the payload (body or salt) was changed");
  }

  TEST_CASE("a journal of schema 1 opens") {
    ScratchDir scratch;
    const std::string path = scratch / "old.db";
    {
      auto database = Database::open(path);
      REQUIRE(database->execute(read_file(TSUKAI_SOURCE_DIR "/tests/agent/fixtures/journal_schema1.sql"))
                  .has_value());
    }
    Store store(path);
    const auto summary = store.journal->find("last").value();
    CHECK(summary.task == "what is six by seven?");
    CHECK(store.journal->rows(summary.id)->size() == 5);
    CHECK(store.defects(summary.id).empty());
    const std::string run = a_short_run(store);
    CHECK(store.defects(run).empty());
  }
}
