#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#include "agent/journal_sqlite.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kListMax = 10'000;
constexpr std::size_t kMatchesShown = 5;
constexpr std::size_t kRowsForTwo = 2'000;  // A thread costs less than parsing so many.
constexpr std::string_view kSummary =
    "SELECT id, agent, task, user, state, started_ms, ended_ms, rows, answer, totals FROM run";

Result<RunSummary> read_summary(const Statement& row) {
  RunSummary run;
  run.id = row.text(0);
  run.agent = row.text(1);
  run.task = row.text(2);
  run.user = row.text(3);
  const auto state = run_state_named(row.text(4));
  auto totals = parse_json(row.text(9));
  if (!state || !totals)
    return fail(Code::kCorrupt, fmt::format("the journal's entry of run {} is damaged", run.id));
  run.state = *state;
  run.started_ms = row.integer(5);
  run.ended_ms = row.integer(6);
  run.rows = row.integer(7);
  run.answer = row.text(8);
  run.totals = std::move(*totals);
  return run;
}

Result<std::vector<RunSummary>> read_summaries(Statement& rows) {
  std::vector<RunSummary> runs;
  for (;;) {
    TSUKAI_TRY(const bool more, rows.step());
    if (!more) return runs;
    TSUKAI_TRY(auto run, read_summary(rows));
    runs.push_back(std::move(run));
  }
}

// Fills in the payloads of rows[from, to) from their bodies; the first that is no payload, or `to`.
std::size_t read_payloads(std::vector<Row>& rows, std::vector<std::string>& bodies, std::size_t from,
                          std::size_t to) {
  for (auto i = from; i < to; ++i) {
    if (rows[i].erased) continue;
    auto body = parse_json(bodies[i]);
    std::string().swap(bodies[i]);
    if (!body || tsukai::find(*body, "data") == nullptr) return i;
    rows[i].payload = std::move((*body)["data"]);
  }
  return to;
}

}  // namespace

Result<std::vector<Row>> SqliteJournal::rows(const std::string& run) {
  TSUKAI_TRY(auto all,
             database_.prepare(
                 "SELECT j.seq, e.kind, e.step_key, e.attempt, e.at_ms, e.payload_sha256, e.prev_hash, "
                 "e.hash, e.body FROM journal j LEFT JOIN entry e ON e.id=j.entry_id "
                 "WHERE j.run_id=?1 ORDER BY j.seq"));
  all.bind(1, run);
  const auto damaged = [&](const Row& row) {
    return fail(Code::kCorrupt, fmt::format("run {}: journal row {} is damaged", run, row.seq),
                fmt::format("see what else is: tsukai runs verify {}", run));
  };
  std::vector<Row> rows;
  std::vector<std::string> bodies;
  for (;;) {
    TSUKAI_TRY(const bool more, all.step());
    if (!more) break;
    Row& row = rows.emplace_back();
    row.seq = all.integer(0);
    const auto kind = kind_named(all.text(1));
    row.step_key = all.text(2);
    row.attempt = static_cast<int>(all.integer(3));
    row.at_ms = all.integer(4);
    row.payload_sha256 = all.text(5);
    row.prev_hash = all.text(6);
    row.hash = all.text(7);
    row.erased = all.is_null(8);
    bodies.push_back(all.text(8));
    if (!kind) return damaged(row);
    row.kind = *kind;
  }
  if (rows.empty()) {
    // Every run has its first row.
    TSUKAI_TRY_VOID(head_of(run));
    return fail(Code::kCorrupt, fmt::format("run {} has lost its journal rows", run));
  }
  // Most of the time of taking up a long run goes into parsing: two threads share it.
  const std::size_t middle = rows.size() < kRowsForTwo ? 0 : rows.size() / 2;
  std::size_t bad_before = middle;
  const auto first_half = [&] { bad_before = read_payloads(rows, bodies, 0, middle); };
  std::jthread first;  // Joined also where this throws.
  try {
    if (middle > 0) first = std::jthread(first_half);
  } catch (const std::system_error&) {  // No more threads to be had.
    first_half();
  }
  const auto bad = read_payloads(rows, bodies, middle, rows.size());
  if (first.joinable()) first.join();
  if (bad_before != middle) return damaged(rows[bad_before]);
  if (bad != rows.size()) return damaged(rows[bad]);
  return rows;
}

Result<std::vector<RunSummary>> SqliteJournal::list(std::size_t count, std::optional<RunState> state) {
  TSUKAI_TRY(auto rows,
             database_.prepare(fmt::format("{} WHERE ?2='' OR state=?2 ORDER BY n DESC LIMIT ?1", kSummary)));
  rows.bind(1, static_cast<std::int64_t>(std::min(count, kListMax)));
  rows.bind(2, state ? name(*state) : std::string_view());
  return read_summaries(rows);
}

Result<RunSummary> SqliteJournal::find(const std::string& id) {
  if (id == "last") {
    // The newest that no other run started: whoever says "last" means what was asked for.
    TSUKAI_TRY(auto rows,
               database_.prepare(fmt::format(
                   "{} WHERE NOT EXISTS (SELECT 1 FROM journal j JOIN entry e ON e.id=j.entry_id WHERE "
                   "j.run_id=run.id AND j.seq=1 AND CASE WHEN json_valid(e.body) THEN "
                   "json_extract(e.body, '$.data.parent.run') END IS NOT NULL) ORDER BY n DESC LIMIT 1",
                   kSummary)));
    TSUKAI_TRY(auto newest, read_summaries(rows));
    if (newest.empty())
      return fail(Code::kNotFound, "there are no runs yet", "make one: tsukai run AGENT.yaml \"task\"");
    return std::move(newest.front());
  }
  // A prefix that an id equals wins over those that only begin so.
  TSUKAI_TRY(auto rows,
             database_.prepare(fmt::format(
                 "{} WHERE id>=?1 AND substr(id, 1, length(?1))=?1 ORDER BY id=?1 DESC, n DESC LIMIT ?2",
                 kSummary)));
  rows.bind(1, id).bind(2, static_cast<std::int64_t>(kMatchesShown + 1));
  TSUKAI_TRY(auto found, read_summaries(rows));
  if (!id.empty() && !found.empty() && (found.size() == 1 || found.front().id == id))
    return std::move(found.front());
  if (!id.empty() && !found.empty()) {
    std::string names;
    for (std::size_t i = 0; i < found.size() && i < kMatchesShown; ++i)
      names += (i == 0 ? "" : ", ") + found[i].id;
    if (found.size() > kMatchesShown) names += ", …";
    return fail(Code::kInvalidArgument, fmt::format("several runs begin with \"{}\": {}", id, names),
                "give more letters");
  }
  TSUKAI_TRY(auto all, list(1000, std::nullopt));
  if (all.empty())
    return fail(Code::kNotFound, fmt::format("there is no run \"{}\": there are no runs yet", id));
  std::vector<std::string> ids;
  for (const auto& run : all) ids.push_back(run.id);
  const std::string nearest = nearest_name(id, ids);
  return fail(Code::kNotFound,
              fmt::format("there is no run \"{}\"{}", id,
                          nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)),
              "see them: tsukai runs list");
}

}  // namespace tsukai::agent
