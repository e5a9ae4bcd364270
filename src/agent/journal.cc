#include "agent/journal.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/journal_chain.h"
#include "agent/journal_owner.h"
#include "agent/journal_sqlite.h"
#include "base/random.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kSaltLetters = 26;  // 130 bits
constexpr std::string_view kIdLetters = "abcdefghijklmnopqrstuvwxyz234567";

}  // namespace

const std::vector<std::string>& journal_migrations() {
  static const std::vector<std::string> steps = {
      R"sql(
CREATE TABLE run(
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  agent TEXT NOT NULL, task TEXT NOT NULL, user TEXT NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('running', 'done', 'failed', 'stopped', 'waiting', 'cancelled')),
  started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  head TEXT NOT NULL,
  answer TEXT NOT NULL,
  totals TEXT NOT NULL
) STRICT;
CREATE INDEX run_by_state ON run(state, n);
CREATE TABLE payload(
  id INTEGER PRIMARY KEY,
  salt TEXT NOT NULL,
  body TEXT
) STRICT;
CREATE TABLE journal(
  run_id TEXT NOT NULL REFERENCES run(id),
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  step_key TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  payload_id INTEGER NOT NULL REFERENCES payload(id),
  payload_sha256 TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY(run_id, seq)
) STRICT, WITHOUT ROWID;
)sql",
      // Leases, approvals and signals are how processes meet; what came of them stands in the chain.
      R"sql(
CREATE TABLE lease(
  run_id TEXT PRIMARY KEY REFERENCES run(id) ON DELETE CASCADE,
  owner TEXT NOT NULL, fence INTEGER NOT NULL, until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE approval(
  n INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
  step_key TEXT NOT NULL, tool TEXT NOT NULL, digest TEXT NOT NULL, arguments TEXT NOT NULL, why TEXT NOT NULL,
  asked_ms INTEGER NOT NULL,
  decision TEXT NOT NULL DEFAULT 'pending' CHECK(decision IN ('pending', 'allowed', 'denied')),
  given_by TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', given_ms INTEGER NOT NULL DEFAULT 0,
  used INTEGER NOT NULL DEFAULT 0,
  UNIQUE(run_id, step_key, digest)
) STRICT;
CREATE INDEX approval_by_decision ON approval(decision, n);
CREATE TABLE signal(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
  name TEXT NOT NULL, payload TEXT NOT NULL, at_ms INTEGER NOT NULL,
  taken INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX signal_by_run ON signal(run_id, taken, id);
)sql",
      // Rows stand in the order in which they were written, whichever run they are of: a commit adds to one
      // end of one table, and only the small (run_id, seq) is put where its run is. Before, each row was put
      // there, and a commit of a step changed six pages and more, of many runs as many times that. No column
      // is held twice, so that no copy can differ unseen. A damaged file must open, for verify() to tell of
      // it: so ids are given anew (it may name a payload twice), and no foreign key looks at its rows.
      R"sql(
CREATE TABLE entry(
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  step_key TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  payload_sha256 TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  salt TEXT NOT NULL,
  body TEXT
) STRICT;
INSERT INTO entry
  SELECT row_number() OVER (ORDER BY j.payload_id, j.run_id, j.seq), j.kind, j.step_key, j.attempt, j.at_ms,
    j.payload_sha256, j.prev_hash, j.hash, coalesce(p.salt, ''), p.body
  FROM journal j LEFT JOIN payload p ON p.id=j.payload_id;
ALTER TABLE journal RENAME TO journal_before;
CREATE TABLE journal(
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  entry_id INTEGER NOT NULL,
  PRIMARY KEY(run_id, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO journal
  SELECT run_id, seq, row_number() OVER (ORDER BY payload_id, run_id, seq) FROM journal_before;
DROP TABLE journal_before;
DROP TABLE payload;
)sql"};
  return steps;
}

Result<std::unique_ptr<Journal>> Journal::open(Database& database, const Clock& clock) {
  if (auto done = database.migrate("journal", journal_migrations()); !done) {
    return fail(std::move(done).error().in("open journal"));
  }
  return std::unique_ptr<Journal>(std::make_unique<SqliteJournal>(database, clock));
}

SqliteJournal::SqliteJournal(Database& database, const Clock& clock)
    : database_(database), clock_(clock), owner_(new_owner()) {}

Result<Statement*> SqliteJournal::prepared(const char* sql) {
  for (auto& [text, statement] : statements_) {
    if (text == sql) {
      statement.reset();
      return &statement;
    }
  }
  TSUKAI_TRY(auto statement, database_.prepare(sql));
  // A few dozen texts exist; the vector is reserved so that pointers into it stay good.
  if (statements_.capacity() == 0) statements_.reserve(64);
  TSUKAI_CHECK(statements_.size() < statements_.capacity(), "more statements than reserved");
  statements_.emplace_back(sql, std::move(statement));
  return &statements_.back().second;
}

Result<SqliteJournal::Head> SqliteJournal::head_of(const std::string& run) {
  static constexpr char kSql[] = "SELECT state, rows, head FROM run WHERE id=?1";
  TSUKAI_TRY(auto* row, prepared(kSql));
  row->bind(1, run);
  TSUKAI_TRY(const bool found, row->step());
  if (!found) return fail(Code::kNotFound, fmt::format("there is no run {}", run));
  const auto state = run_state_named(row->text(0));
  if (!state)
    return fail(Code::kCorrupt, fmt::format("run {} is in the unknown state \"{}\"", run, row->text(0)));
  Head head{*state, row->integer(1), row->text(2)};
  row->reset();
  return head;
}

Result<Row> SqliteJournal::insert_row(const std::string& run, Head& head, const Draft& draft) {
  if (draft.body.size() > kPayloadBytesMax) {
    return fail(Code::kExhausted, fmt::format("a payload of {} bytes is over the limit of {}",
                                              draft.body.size(), kPayloadBytesMax));
  }
  if (draft.step_key.size() > kStepKeyBytesMax || !valid_utf8(draft.step_key)) {
    return fail(Code::kInvalidArgument,
                fmt::format("a step key is UTF-8 of at most {} bytes", kStepKeyBytesMax));
  }
  if (head.rows >= kRowsPerRunMax) {
    return fail(Code::kExhausted,
                fmt::format("run {} has reached the limit of {} journal rows", run, kRowsPerRunMax));
  }
  const std::string salt = draft.salt.empty() ? random_id(kSaltLetters) : draft.salt;
  Row row;
  row.seq = head.rows + 1;
  row.kind = draft.kind;
  row.step_key = draft.step_key;
  row.attempt = draft.attempt;
  row.at_ms = clock_.wall_ms();
  row.payload_sha256 = payload_hash(salt, draft.body);
  row.prev_hash = head.hash;
  row.hash = row_hash(run, row, name(row.kind));
  static constexpr char kEntry[] =
      "INSERT INTO entry(kind, step_key, attempt, at_ms, payload_sha256, prev_hash, hash, salt, body) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
  TSUKAI_TRY(auto* entry, prepared(kEntry));
  entry->bind_lent(1, name(row.kind)).bind_lent(2, row.step_key);
  entry->bind(3, static_cast<std::int64_t>(row.attempt)).bind(4, row.at_ms);
  entry->bind_lent(5, row.payload_sha256).bind_lent(6, row.prev_hash).bind_lent(7, row.hash);
  TSUKAI_TRY_VOID(entry->bind_lent(8, salt).bind_lent(9, draft.body).run());
  static constexpr char kJournal[] = "INSERT INTO journal(run_id, seq, entry_id) VALUES(?1, ?2, ?3)";
  TSUKAI_TRY(auto* journal, prepared(kJournal));
  TSUKAI_TRY_VOID(journal->bind_lent(1, run).bind(2, row.seq).bind(3, database_.last_insert_id()).run());
  head.rows = row.seq;
  head.hash = row.hash;
  return row;
}

Result<void> SqliteJournal::store_head(const std::string& run, const Head& head) {
  static constexpr char kSql[] = "UPDATE run SET rows=?2, head=?3 WHERE id=?1";
  TSUKAI_TRY(auto* update, prepared(kSql));
  return update->bind_lent(1, run).bind(2, head.rows).bind_lent(3, head.hash).run();
}

Result<void> SqliteJournal::store_state(const std::string& run, RunState state) {
  static constexpr char kSql[] = "UPDATE run SET state=?2 WHERE id=?1";
  TSUKAI_TRY(auto* update, prepared(kSql));
  return update->bind(1, run).bind(2, name(state)).run();
}

Result<std::string> SqliteJournal::start_run(std::string agent, std::string task, std::string user,
                                             const Json& payload) {
  return start_run_as(random_id(kRunIdLetters), std::move(agent), std::move(task), std::move(user), payload);
}

Result<std::string> SqliteJournal::start_run_as(std::string id, std::string agent, std::string task,
                                                std::string user, const Json& payload) {
  const bool good = id.size() == kRunIdLetters && id.find_first_not_of(kIdLetters) == std::string::npos;
  if (!good) return fail(Code::kInvalidArgument, fmt::format("\"{}\" is no id of a run", shortened(id, 80)));
  // What the columns hold must be what the chain vouches for, to the byte.
  agent = repaired_utf8(agent);
  task = repaired_utf8(task);
  user = repaired_utf8(user);
  auto written = database_.write([&]() -> Result<void> {
    if (head_of(id)) return fail(Code::kInvalidArgument, fmt::format("there is a run {} already", id));
    const std::int64_t now_ms = clock_.wall_ms();
    static constexpr char kSql[] =
        "INSERT INTO run(id, agent, task, user, state, started_ms, ended_ms, rows, head, answer, totals) "
        "VALUES(?1, ?2, ?3, ?4, 'running', ?5, 0, 0, ?6, '', '{}')";
    TSUKAI_TRY(auto* insert, prepared(kSql));
    Head head{RunState::kRunning, 0, chain_start(id)};
    insert->bind(1, id).bind(2, agent).bind(3, task).bind(4, user).bind(5, now_ms).bind(6, head.hash);
    TSUKAI_TRY_VOID(insert->run());
    const Json columns = {{"agent", agent}, {"task", task}, {"user", user}, {"started_ms", now_ms}};
    TSUKAI_TRY_VOID(insert_row(id, head, {Kind::kRunStarted, "", 1, payload_body(payload, columns)}));
    TSUKAI_TRY_VOID(store_head(id, head));
    return store_lease({id, owner_, 1, now_ms + kLeaseMs});
  });
  if (!written) return fail(std::move(written).error().in("journal: start run"));
  held_[id] = {1, kLeaseMs};
  return id;
}

Result<SqliteJournal::Head> SqliteJournal::open_head_of(const std::string& run) {
  TSUKAI_TRY(Head head, head_of(run));
  if (head.open()) return head;
  return fail(Code::kInvalidArgument,
              fmt::format("run {} has ended ({}); nothing can be added", run, name(head.state)));
}

Result<Row> SqliteJournal::append_one(const std::string& run, Head& head, const Draft& draft) {
  TSUKAI_TRY(Row row, insert_row(run, head, draft));
  TSUKAI_TRY_VOID(store_head(run, head));
  return row;
}

Result<std::vector<Row>> SqliteJournal::append_within(const std::string& run,
                                                      const std::vector<Entry>& entries) {
  TSUKAI_TRY(Head head, open_head_of(run));
  TSUKAI_TRY_VOID(own(run));
  std::vector<Row> rows;
  rows.reserve(entries.size());
  // The kernel is asked once, not for every row.
  const std::string salts = random_id(kSaltLetters * entries.size());
  for (const Entry& entry : entries) {
    switch (entry.kind) {
      case Kind::kRunStarted:
      case Kind::kRunDone:
      case Kind::kCancelled:
      case Kind::kLeaseTaken:
      case Kind::kErased:
        return fail(Code::kInvalidArgument,
                    fmt::format("{} rows are written by their own functions alone", name(entry.kind)));
      default:
        break;
    }
    TSUKAI_TRY(Row row, insert_row(run, head,
                                   {entry.kind, entry.step_key, entry.attempt, payload_body(*entry.payload),
                                    salts.substr(rows.size() * kSaltLetters, kSaltLetters)}));
    row.payload = entry.payload;
    rows.push_back(std::move(row));
  }
  TSUKAI_TRY_VOID(store_head(run, head));
  return rows;
}

Result<std::vector<Row>> SqliteJournal::append_all(const std::string& run,
                                                   const std::vector<Entry>& entries) {
  std::vector<Row> rows;
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY(rows, append_within(run, entries));
    return {};
  });
  if (!written) return fail(std::move(written).error().in("journal: append"));
  return rows;
}

Result<Row> SqliteJournal::append(const std::string& run, Kind kind, std::string step_key, int attempt,
                                  const Json& payload) {
  TSUKAI_TRY(auto rows, append_all(run, {Entry{kind, std::move(step_key), attempt, JsonValue(payload)}}));
  return std::move(rows.front());
}

Result<void> SqliteJournal::finish_run(const std::string& run, RunState state, const std::string& answer,
                                       const Json& payload) {
  if (state == RunState::kRunning || state == RunState::kWaiting) {
    return fail(Code::kInvalidArgument, fmt::format("\"{}\" is not an end of a run", name(state)));
  }
  const std::string text = repaired_utf8(answer);
  const Json* totals = tsukai::find(payload, "totals");
  const std::string totals_text = totals == nullptr ? "{}" : print_json(*totals);
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY(Head head, open_head_of(run));
    TSUKAI_TRY_VOID(own(run));
    const std::int64_t now_ms = clock_.wall_ms();
    const Json columns = {
        {"state", name(state)}, {"answer", text}, {"ended_ms", now_ms}, {"totals", totals_text}};
    const Kind kind = state == RunState::kCancelled ? Kind::kCancelled : Kind::kRunDone;
    TSUKAI_TRY_VOID(insert_row(run, head, {kind, "", 1, payload_body(payload, columns)}));
    TSUKAI_TRY_VOID(store_head(run, head));
    static constexpr char kSql[] = "UPDATE run SET state=?2, answer=?3, ended_ms=?4, totals=?5 WHERE id=?1";
    TSUKAI_TRY(auto* update, prepared(kSql));
    return update->bind(1, run).bind(2, name(state)).bind(3, text).bind(4, now_ms).bind(5, totals_text).run();
  });
  if (!written) return fail(std::move(written).error().in("journal: finish run"));
  held_.erase(run);
  return {};
}

}  // namespace tsukai::agent
