// Forgetting. A payload's body goes, its salted hash stays, so the chain still verifies; the salt goes with
// the body, so that the hash tells nothing about a short text.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/journal_chain.h"
#include "agent/journal_sqlite.h"
#include "base/text.h"

namespace tsukai::agent {

Result<void> SqliteJournal::erase_within(const std::string& run, const std::string& by,
                                         const std::string& reason) {
  TSUKAI_TRY(Head head, head_of(run));
  if (head.open()) {
    return fail(Code::kInvalidArgument, fmt::format("run {} has not ended", run),
                "cancel it first, or let it end");
  }
  auto run_sql = [&](const char* sql) -> Result<void> {
    TSUKAI_TRY(auto statement, database_.prepare(sql));
    return statement.bind(1, run).run();
  };
  // ERASED rows of before say who erased: they stay.
  TSUKAI_TRY_VOID(
      run_sql("UPDATE entry SET body=NULL, salt='' WHERE kind<>'ERASED' AND id IN "
              "(SELECT entry_id FROM journal WHERE run_id=?1)"));
  TSUKAI_TRY_VOID(run_sql("UPDATE run SET task='', answer='', user='', totals='{}' WHERE id=?1"));
  TSUKAI_TRY_VOID(run_sql("DELETE FROM approval WHERE run_id=?1"));
  TSUKAI_TRY_VOID(run_sql("DELETE FROM signal WHERE run_id=?1"));
  const Json payload = {{"rows", head.rows}, {"by", repaired_utf8(by)}, {"reason", repaired_utf8(reason)}};
  TSUKAI_TRY_VOID(append_one(run, head, {Kind::kErased, "", 1, payload_body(payload)}));
  return {};
}

Result<void> SqliteJournal::erase(const std::string& run, const std::string& by, const std::string& reason) {
  auto written = database_.write([&] { return erase_within(run, by, reason); });
  if (!written) return fail(std::move(written).error().in("journal: erase"));
  // secure_delete zeroed the cells; the WAL still holds pages from before.
  if (auto done = database_.checkpoint(); !done) return fail(std::move(done).error().in("journal: erase"));
  return {};
}

Result<std::vector<std::string>> SqliteJournal::prune(Retention retention) {
  std::vector<std::string> gone;
  auto written = database_.write([&]() -> Result<void> {
    struct Old {
      std::string id;
      std::int64_t ended_ms, bytes;
      bool ended;
    };
    std::vector<Old> runs;
    std::int64_t total = 0;
    {
      TSUKAI_TRY(
          auto rows,
          database_.prepare("SELECT r.id, r.ended_ms, r.state IN ('done', 'failed', 'stopped', 'cancelled'), "
                            "(SELECT coalesce(sum(length(CAST(e.body AS BLOB))), 0) FROM journal j JOIN "
                            "entry e ON e.id=j.entry_id "
                            "WHERE j.run_id=r.id) FROM run r ORDER BY r.n"));
      for (;;) {
        TSUKAI_TRY(const bool more, rows.step());
        if (!more) break;
        runs.push_back({rows.text(0), rows.integer(1), rows.integer(3), rows.integer(2) != 0});
        total += runs.back().bytes;
      }
    }
    const std::int64_t oldest_ms = clock_.wall_ms() - retention.age_ms_max;
    for (const Old& run : runs) {
      const bool too_old = retention.age_ms_max > 0 && run.ended_ms < oldest_ms;
      const bool too_much = retention.bytes_max > 0 && total > retention.bytes_max;
      if (!run.ended || !(too_old || too_much)) continue;
      for (const char* sql : {"DELETE FROM entry WHERE id IN (SELECT entry_id FROM journal WHERE run_id=?1)",
                              "DELETE FROM journal WHERE run_id=?1", "DELETE FROM run WHERE id=?1"}) {
        TSUKAI_TRY(auto statement, database_.prepare(sql));
        TSUKAI_TRY_VOID(statement.bind(1, run.id).run());
      }
      total -= run.bytes;
      gone.push_back(run.id);
    }
    return {};
  });
  if (!written) return fail(std::move(written).error().in("journal: prune"));
  return gone;
}

}  // namespace tsukai::agent
