// Runs that older versions of the program recorded: they replay, and go on.
#include <doctest/doctest.h>

#include "agent/replay.h"
#include "agent/support/situation.h"

using namespace tsukai;
using namespace tsukai::agent;

TEST_SUITE("agent/journal/upgrade") {
  // The fixture was recorded by version 0.1.0: a run that was killed, resumed and approved, and one that
  // waits.
  TEST_CASE("G12: a run of version 0.1.0 replays byte for byte, and one that it left waiting goes on") {
    Situation s;
    s.tool("maps", "geo", [](Json arguments) { return answer_text("at " + arguments.dump()); });
    s.tool("shop", "pay", [](Json) { return fail_text("no money"); });
    {
      auto database = Database::open(s.database());
      const auto loaded =
          database->execute(read_file(TSUKAI_SOURCE_DIR "/tests/agent/fixtures/runs_version_0_1_0.sql"));
      REQUIRE_MESSAGE(loaded, loaded.error().text());
    }
    std::vector<RunSummary> runs;
    s.outside([&](Journal& journal, const std::string&) {
      runs = journal.list(10, std::nullopt).value();
      for (const auto& run : runs) CHECK(journal.verify(run.id)->empty());
      return 0;
    });
    REQUIRE(runs.size() == 2);
    CHECK(runs[1].state == RunState::kDone);
    const auto report = await(replay_run(s.rows(runs[1].id), nullptr));
    REQUIRE_MESSAGE(report, report.error().text());
    for (const auto& difference : report->differences) CHECK_MESSAGE(false, difference);
    CHECK(report->rows > 10);

    CHECK(runs[0].state == RunState::kWaiting);
    s.script.turns = {calls("maps__geo", {{"i", 2}}), says("done")};
    REQUIRE(s.outside([](Journal& journal, const std::string& run) {
      return journal.give_approval(run, "step-1/call-2", true, "boss", "fine");
    }));
    const auto outcome = s.resume();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->state == RunState::kDone);
    CHECK(outcome->answer == "done");
  }
}
