#include "agent/journal_writer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "agent/journal_store.h"
#include "support/await.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

Task<std::string> whole_run(JournalWriter& journal, int steps) {
  auto run = co_await journal.start_run("a", "t", "u", Json{{"seed", 1}});
  if (!run) co_return fail(std::move(run).error());
  for (int i = 0; i < steps; ++i) {
    auto row = co_await journal.append(*run, Kind::kToolResult, "s", 1, Json{{"i", i}});
    if (!row) co_return fail(std::move(row).error());
    if (row->seq != i + 2) co_return fail(Code::kInternal, "wrong seq");
  }
  auto done = co_await journal.finish_run(*run, RunState::kDone, "ok", Json{});
  if (!done) co_return fail(std::move(done).error());
  co_return *run;
}

}  // namespace

TEST_SUITE("agent/journal/writer") {
  TEST_CASE("runs side by side share commits, and each keeps its own intact chain") {
    ScratchDir scratch;
    constexpr int kRuns = 16, kSteps = 20;
    std::vector<std::string> runs;
    {
      asio::io_context context;  // Outlives the writer's last post().
      auto writer = Writer::open(scratch / "a.db").value();
      auto journal = JournalWriter::open(*writer, system_clock()).value();
      for (int i = 0; i < kRuns; ++i) {
        asio::co_spawn(context, whole_run(*journal, kSteps),
                       [&](std::exception_ptr, Result<std::string> run) {
                         REQUIRE_MESSAGE(run.has_value(), (run ? "" : run.error().text()));
                         runs.push_back(*run);
                       });
      }
      context.run();
      CHECK(writer->counts().commits < kRuns * (kSteps + 2) / 2);
    }
    JournalStore store(scratch / "a.db");
    REQUIRE(runs.size() == kRuns);
    for (const auto& run : runs) {
      CHECK(store.journal->rows(run)->size() == kSteps + 2);
      CHECK(store.defects(run).empty());
    }
  }

  TEST_CASE("an append that is refused says why and hurts no other run") {
    ScratchDir scratch;
    auto writer = Writer::open(scratch / "a.db").value();
    auto journal = JournalWriter::open(*writer, system_clock()).value();
    const auto run = await(journal->start_run("a", "t", "u", {})).value();
    CHECK(await(journal->append("nosuch", Kind::kRecalled, "", 1, {})).error().code() == Code::kNotFound);
    CHECK(await(journal->append(run, Kind::kRunDone, "", 1, {})).error().code() == Code::kInvalidArgument);
    CHECK(await(journal->append(run, Kind::kRecalled, "", 1, {}))->seq == 2);
    CHECK(await(journal->with([run](Journal& inner) -> Result<void> {
            TSUKAI_TRY_VOID(inner.send_signal(run, "cancel", {}));
            TSUKAI_TRY(auto signals, inner.take_signals(run));
            return signals.size() == 1 ? Result<void>() : fail(Code::kInternal, "no signal");
          })).has_value());
  }
}
