#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/journal_chain.h"
#include "agent/journal_store.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// Where `needle` stands in any file of the folder.
std::vector<std::string> files_with(const ScratchDir& scratch, const std::string& needle) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) {
    if (read_file(entry.path().string()).find(needle) != std::string::npos)
      found.push_back(entry.path().filename());
  }
  return found;
}

}  // namespace

TEST_SUITE("agent/journal/erase") {
  TEST_CASE("after erasing, no byte of what was said is in any file, and the chain still verifies") {
    ScratchDir scratch;
    const std::string secret = "xyzzy-4711-plugh";
    JournalStore store(scratch / "a.db");
    const std::string other = store.short_run();
    const std::string run = store.start("please pay " + secret);
    store.append(run, Kind::kModelIntent, "step-1", {{"text", "small " + secret}});
    std::string large;
    for (int i = 0; i < 2000; ++i) large += secret + std::to_string(i);
    store.append(run, Kind::kToolResult, "step-1/call-1", {{"text", large}});  // On overflow pages.
    REQUIRE(store.journal->ask_approval(run, "step-2/call-1", "shop.pay", Json{{"card", secret}}, secret)
                .has_value());
    REQUIRE(store.journal->send_signal(run, "note", secret).has_value());
    store.finish(run, RunState::kDone, "paid with " + secret);
    CHECK_FALSE(files_with(scratch, secret).empty());

    REQUIRE(store.journal->erase(run, "mika", "asked to").has_value());
    CHECK(files_with(scratch, secret) == std::vector<std::string>{});
    CHECK(store.defects(run).empty());
    const auto rows = store.journal->rows(run).value();
    CHECK(rows.size() == 6);
    CHECK(rows[2].erased);
    CHECK(rows[2].payload.is_null());
    CHECK(rows.back().kind == Kind::kErased);
    CHECK(rows.back().payload->at("by") == "mika");
    CHECK(store.journal->find(run)->task.empty());
    CHECK(store.journal->find(run)->state == RunState::kDone);
    // The neighbour is as it was.
    CHECK(store.journal->find(other)->answer == "forty-two");
    CHECK(store.defects(other).empty());
  }

  TEST_CASE("a payload that vanished without an ERASED row is a defect; so is a change after erasing") {
    JournalStore store;
    const std::string run = store.short_run();
    REQUIRE(store.journal->erase(run, "mika", "").has_value());
    REQUIRE(store.journal->erase(run, "jun", "again").has_value());
    CHECK(store.defects(run).empty());
    store.execute("UPDATE entry SET body=NULL, salt='' WHERE id=(SELECT max(id) FROM entry)");
    CHECK(store.defects(run).at(0) == "row 7: the payload's body is gone");
    store.execute("UPDATE entry SET kind='RECALLED' WHERE id=3");
    CHECK(store.defects(run).at(0).starts_with("row 3"));
  }

  TEST_CASE("a run that goes on is not erased") {
    JournalStore store;
    const std::string run = store.short_run(false);
    CHECK(store.journal->erase(run, "mika", "").error().code() == Code::kInvalidArgument);
    CHECK(store.journal->rows(run)->at(1).erased == false);
  }
}

TEST_SUITE("agent/journal/prune") {
  TEST_CASE("old ended runs go; young and unfinished ones stay") {
    JournalStore store;
    const std::string old_one = store.short_run(), unfinished = store.short_run(false);
    store.clock.advance(100'000);
    const std::string young = store.short_run();
    CHECK(store.journal->prune({.age_ms_max = 50'000}).value() == std::vector<std::string>{old_one});
    CHECK(store.journal->find(old_one).error().code() == Code::kNotFound);
    CHECK(store.defects(unfinished).empty());
    CHECK(store.defects(young).empty());
    CHECK(store.query("SELECT count(*) FROM entry", 1)[0][0] == "9");
    CHECK(store.journal->prune({}).value().empty());
  }

  TEST_CASE("beyond the size the oldest ended runs go first, only as many as needed") {
    JournalStore store;
    std::vector<std::string> runs;
    for (int i = 0; i < 4; ++i) {
      runs.push_back(store.start());
      store.append(runs.back(), Kind::kToolResult, "s", {{"text", std::string(10'000, 'x')}});
      store.finish(runs.back());
    }
    CHECK(store.journal->prune({.bytes_max = 25'000}).value() == std::vector<std::string>{runs[0], runs[1]});
    CHECK(store.journal->list(10, std::nullopt)->size() == 2);
  }
}

TEST_SUITE("agent/journal/export") {
  TEST_CASE("the chain can be checked from an export alone") {
    JournalStore store;
    const std::string run = store.short_run();
    const Json exported = store.journal->export_run(run).value();
    CHECK(exported["format"] == "tsukai-run");
    CHECK(exported["run"]["task"] == "what is six by seven?");
    CHECK(exported["defects"].empty());
    REQUIRE(exported["rows"].size() == 5);
    std::string prev = chain_start(run);
    for (const auto& entry : exported["rows"]) {
      CHECK(payload_hash(entry["salt"].get<std::string>(), print_json(entry["body"])) ==
            entry["payload_sha256"].get<std::string>());
      Row row;
      row.seq = entry["seq"];
      row.step_key = entry["step_key"];
      row.attempt = entry["attempt"];
      row.at_ms = entry["at_ms"];
      row.payload_sha256 = entry["payload_sha256"];
      row.prev_hash = prev;
      CHECK(row_hash(run, row, entry["kind"].get<std::string>()) == entry["hash"].get<std::string>());
      prev = entry["hash"];
    }
    CHECK(prev == exported["run"]["head"].get<std::string>());
  }

  TEST_CASE("an export of a damaged or erased run says so") {
    JournalStore store;
    const std::string run = store.short_run();
    store.execute("UPDATE entry SET attempt=2 WHERE id=2");
    CHECK(store.journal->export_run(run).value()["defects"].size() >= 1);
    store.execute("UPDATE entry SET attempt=1 WHERE id=2");
    REQUIRE(store.journal->erase(run, "mika", "").has_value());
    CHECK(store.journal->export_run(run).value()["rows"][1]["erased"] == true);
    CHECK(store.journal->export_run("nosuch").error().code() == Code::kNotFound);
  }
}
