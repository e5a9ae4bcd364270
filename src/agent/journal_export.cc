// One run as one JSON value, with all that is needed to check its chain.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/journal_sqlite.h"
#include "base/clock.h"

namespace tsukai::agent {

Result<Json> SqliteJournal::export_run(const std::string& run) {
  TSUKAI_TRY(
      auto summary,
      database_.prepare("SELECT agent, task, user, state, started_ms, ended_ms, rows, head, answer, totals "
                        "FROM run WHERE id=?1"));
  summary.bind(1, run);
  TSUKAI_TRY(const bool found, summary.step());
  if (!found) return fail(Code::kNotFound, fmt::format("there is no run {}", run));
  Json out = {{"format", "tsukai-run"}, {"version", 1}, {"exported_ms", clock_.wall_ms()}};
  auto totals = parse_json(summary.text(9));
  out["run"] = {{"id", run},
                {"agent", summary.text(0)},
                {"task", summary.text(1)},
                {"user", summary.text(2)},
                {"state", summary.text(3)},
                {"started_ms", summary.integer(4)},
                {"ended_ms", summary.integer(5)},
                {"rows", summary.integer(6)},
                {"head", summary.text(7)},
                {"answer", summary.text(8)},
                {"totals", totals ? std::move(*totals) : Json::object()}};
  TSUKAI_TRY(
      auto all,
      database_.prepare(
          "SELECT j.seq, e.kind, e.step_key, e.attempt, e.at_ms, e.payload_sha256, e.prev_hash, e.hash, "
          "e.salt, e.body FROM journal j LEFT JOIN entry e ON e.id=j.entry_id "
          "WHERE j.run_id=?1 ORDER BY j.seq"));
  all.bind(1, run);
  Json rows = Json::array();
  for (;;) {
    TSUKAI_TRY(const bool more, all.step());
    if (!more) break;
    Json row = {{"seq", all.integer(0)},         {"kind", all.text(1)},
                {"step_key", all.text(2)},       {"attempt", all.integer(3)},
                {"at_ms", all.integer(4)},       {"at", iso_time(all.integer(4))},
                {"payload_sha256", all.text(5)}, {"prev_hash", all.text(6)},
                {"hash", all.text(7)},           {"salt", all.text(8)}};
    if (all.is_null(9)) {
      row["erased"] = true;
    } else {
      // The body is canonical, so printing it again gives the bytes that were hashed.
      auto body = parse_json(all.text(9));
      if (!body)
        return fail(Code::kCorrupt,
                    fmt::format("run {}: the payload of row {} is damaged", run, all.integer(0)));
      row["body"] = std::move(*body);
    }
    rows.push_back(std::move(row));
  }
  out["rows"] = std::move(rows);
  TSUKAI_TRY(auto defects, verify(run));
  out["defects"] = defects;
  return out;
}

}  // namespace tsukai::agent
