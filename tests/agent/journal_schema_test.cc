// How the journal's rows lie in the file, and how older files become so.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/journal_chain.h"
#include "agent/journal_store.h"
#include "base/hash.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

constexpr std::uintmax_t kWalHeaderBytes = 32, kWalFrameBytes = 24 + 4096;  // sqlite.org/fileformat2.html

std::uintmax_t frames(const std::string& path) {
  const auto bytes = std::filesystem::file_size(path + "-wal");
  return bytes < kWalHeaderBytes ? 0 : (bytes - kWalHeaderBytes) / kWalFrameBytes;
}

// The five rows of a step with one call, about as long as they are.
std::vector<Entry> rows_of_a_step(int step) {
  const auto key = fmt::format("step-{}", step), call = key + "/call-1";
  const auto of = [](std::size_t bytes) { return Json{{"text", std::string(bytes, 'x')}}; };
  return {{Kind::kModelIntent, key, 1, of(420)},
          {Kind::kModelResult, key, 1, of(510)},
          {Kind::kToolIntent, call, 1, of(70)},
          {Kind::kToolStarted, call, 1, Json::object()},
          {Kind::kToolResult, call, 1, of(160)}};
}

// A file of schema 1 after `change`, opened as it is today.
std::vector<std::string> defects_after(const std::string& change) {
  ScratchDir scratch;
  const std::string path = scratch / "old.db";
  {
    auto database = Database::open(path);
    REQUIRE(database->execute(read_file(TSUKAI_SOURCE_DIR "/tests/agent/fixtures/journal_schema1.sql")));
    REQUIRE(database->execute("PRAGMA foreign_keys=OFF;" + change));
  }
  JournalStore store(path);
  return store.defects("neawbpifdvw3");
}

}  // namespace

TEST_SUITE("agent/journal/schema") {
  TEST_CASE("steps of many runs that share a commit share its pages") {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    JournalStore store(path);
    constexpr int kRuns = 16, kSteps = 20;
    std::vector<std::string> runs;
    for (int i = 0; i < kRuns; ++i) runs.push_back(store.start());
    const auto before = frames(path);
    for (int step = 1; step <= kSteps; ++step) {
      REQUIRE(store.database.write([&]() -> Result<void> {
        for (const auto& run : runs) TSUKAI_TRY_VOID(store.journal->append_all(run, rows_of_a_step(step)));
        return {};
      }));
    }
    // A step's rows are two thirds of a page; where each run had pages of its own it was four and a half.
    CHECK(frames(path) - before < 3 * kRuns * kSteps);
    for (const auto& run : runs) CHECK(store.defects(run).empty());
  }

  TEST_CASE("what is hashed and stored is the canonical JSON, however it is put together") {
    for (const std::string& odd : {std::string("step-1/call-1"), std::string("\"\\\n\x7f\0", 5),
                                   std::string("é\xff"), std::string()}) {
      Row row;
      row.seq = 1'000'000;
      row.step_key = odd;
      row.attempt = -3;
      row.at_ms = 1'790'000'000'000;
      row.payload_sha256 = odd;
      row.prev_hash = std::string(600, 'f');
      CHECK(row_hash("neawbpifdvw3", row, odd) ==
            sha256_hex(print_json(Json::array({"neawbpifdvw3", row.seq, odd, row.step_key, row.attempt,
                                               row.at_ms, row.payload_sha256, row.prev_hash}))));
      const Json data = {{odd, {1, 2.5, nullptr, std::string(2000, 'x')}}}, columns = {{"task", odd}};
      CHECK(payload_body(data) == print_json({{"data", data}}));
      CHECK(payload_body(data, columns) == print_json({{"data", data}, {"run", columns}}));
    }
  }

  TEST_CASE("rows written together have salts of their own") {
    JournalStore store;
    const auto run = store.start();
    REQUIRE(store.journal->append_all(run, rows_of_a_step(1)));
    CHECK(store.query("SELECT count(DISTINCT salt), min(length(salt)), max(length(salt)) FROM entry", 3)[0] ==
          std::vector<std::string>{"6", "26", "26"});
  }

  TEST_CASE("an old journal that is damaged opens, and its damage is told as before") {
    CHECK(defects_after("").empty());
    CHECK(defects_after("UPDATE journal SET payload_id=2 WHERE seq=3").at(0).starts_with("row 3"));
    CHECK(defects_after("DELETE FROM payload WHERE id=3").at(0).starts_with("row 3"));
    CHECK(defects_after("DELETE FROM journal WHERE seq=3").at(0) == "row 3 is missing (the next is 4)");
    CHECK(
        defects_after("UPDATE journal SET run_id='nobody' WHERE seq=5").at(0).starts_with("run.rows says 5"));
    CHECK(defects_after("UPDATE payload SET body=NULL WHERE id=4").at(0).starts_with("row 4"));
  }
}
