#include "memory/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "memory/search_text.h"

namespace tsukai::memory {
namespace {

constexpr std::size_t kEpisodeBytesMax = 16u << 20;
constexpr std::size_t kAnswersMax = 1000;  // Of one search or list.

// Full text is contentless: the index holds no copy of the text. `cjk` is the shadow column (search_text.h).
const std::vector<std::string>& migrations() {
  static const std::vector<std::string> steps = {
      R"sql(
CREATE TABLE episode(
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL, user TEXT NOT NULL, agent TEXT NOT NULL, session TEXT NOT NULL,
  run_id TEXT UNIQUE,
  at_ms INTEGER NOT NULL,
  task TEXT NOT NULL,
  outcome TEXT NOT NULL,
  details TEXT NOT NULL
) STRICT;
CREATE INDEX episode_by_scope ON episode(user, agent, at_ms);
CREATE VIRTUAL TABLE episode_text USING fts5(task, outcome, cjk, content='', tokenize='porter unicode61 remove_diacritics 2');
)sql"};
  return steps;
}

constexpr std::string_view kColumns =
    "e.id, e.tenant, e.user, e.agent, e.session, e.run_id, e.at_ms, e.task, e.outcome, e.details";
constexpr int kColumnCount = 10;
// Parameters 1 to 4: an empty value leaves its key open.
constexpr std::string_view kInScope =
    "(?1='' OR e.tenant=?1) AND (?2='' OR e.user=?2) AND (?3='' OR e.agent=?3) AND (?4='' OR e.session=?4)";

void bind_scope(Statement& statement, const Scope& scope) {
  statement.bind(1, scope.tenant).bind(2, scope.user).bind(3, scope.agent).bind(4, scope.session);
}

Result<Episode> read_episode(const Statement& row) {
  Episode episode;
  episode.id = row.integer(0);
  episode.scope = {row.text(1), row.text(2), row.text(3), row.text(4)};
  episode.run_id = row.text(5);
  episode.at_ms = row.integer(6);
  episode.task = row.text(7);
  episode.outcome = row.text(8);
  auto details = parse_json(row.text(9));
  if (!details)
    return fail(Code::kCorrupt, fmt::format("episode {}: {}", episode.id, details.error().message()));
  episode.details = std::move(*details);
  return episode;
}

class SqliteMemory : public Memory {
 public:
  SqliteMemory(Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  Result<std::int64_t> add(Episode episode) override {
    const std::string details = episode.details.is_null() ? "{}" : episode.details.print();
    if (episode.task.size() + episode.outcome.size() + details.size() > kEpisodeBytesMax) {
      return fail(Code::kExhausted,
                  fmt::format("an episode may hold at most {} MiB", kEpisodeBytesMax >> 20));
    }
    if (episode.at_ms == 0) episode.at_ms = clock_.wall_ms();
    std::int64_t id = 0;
    auto written = database_.write([&]() -> Result<void> {
      TSUKAI_TRY(const std::int64_t known, id_of_run(episode.run_id));
      if (known != 0) {
        id = known;
        return {};
      }
      TSUKAI_TRY(
          auto insert,
          database_.prepare("INSERT INTO episode(tenant, user, agent, session, run_id, at_ms, task, outcome, "
                            "details) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
      bind_scope(insert, episode.scope);
      if (episode.run_id.empty())
        insert.bind_null(5);
      else
        insert.bind(5, episode.run_id);
      insert.bind(6, episode.at_ms).bind(7, episode.task).bind(8, episode.outcome).bind(9, details);
      TSUKAI_TRY_VOID(insert.run());
      id = database_.last_insert_id();
      TSUKAI_TRY(
          auto index,
          database_.prepare("INSERT INTO episode_text(rowid, task, outcome, cjk) VALUES(?1, ?2, ?3, ?4)"));
      return bind_text(index, id, episode).run();
    });
    if (!written) return fail(std::move(written).error().in("remember"));
    return id;
  }

  Result<std::vector<Recalled>> search(std::string_view query, const Scope& scope,
                                       std::size_t count) override {
    const MatchExpressions match = match_expressions(query);
    if (match.any.empty() || count == 0) return std::vector<Recalled>{};
    count = std::min(count, kAnswersMax);
    // Rows with every term are few and quickly found; only when they do not suffice is every row with any
    // term scored.
    if (!match.all.empty()) {
      TSUKAI_TRY(auto strict, matches(match.all, scope, count));
      if (strict.size() == count) return strict;
    }
    return matches(match.any, scope, count);
  }

  Result<std::vector<Episode>> list(const Scope& scope, std::size_t count, std::size_t offset) override {
    TSUKAI_TRY(auto rows,
               database_.prepare(fmt::format(
                   "SELECT {} FROM episode e WHERE {} ORDER BY e.at_ms DESC, e.id DESC LIMIT ?5 OFFSET ?6",
                   kColumns, kInScope)));
    bind_scope(rows, scope);
    rows.bind(5, static_cast<std::int64_t>(std::min(count, kAnswersMax)));
    rows.bind(6, static_cast<std::int64_t>(std::min<std::size_t>(offset, INT64_MAX)));
    std::vector<Episode> episodes;
    for (;;) {
      TSUKAI_TRY(const bool more, rows.step());
      if (!more) return episodes;
      TSUKAI_TRY(auto episode, read_episode(rows));
      episodes.push_back(std::move(episode));
    }
  }

  Result<std::optional<Episode>> get(std::int64_t id) override {
    TSUKAI_TRY(auto row, database_.prepare(fmt::format("SELECT {} FROM episode e WHERE e.id=?1", kColumns)));
    row.bind(1, id);
    TSUKAI_TRY(const bool found, row.step());
    if (!found) return std::optional<Episode>();
    TSUKAI_TRY(auto episode, read_episode(row));
    return std::optional<Episode>(std::move(episode));
  }

  Result<std::size_t> forget(std::int64_t id) override {
    TSUKAI_TRY(auto rows, database_.prepare(fmt::format("SELECT {} FROM episode e WHERE e.id=?1", kColumns)));
    rows.bind(1, id);
    return forget_rows(rows);
  }

  Result<std::size_t> forget(const Scope& scope) override {
    if (scope.print().empty()) {
      return fail(Code::kInvalidArgument, "forgetting needs a scope",
                  "say whose memories, for example --scope user=mika");
    }
    TSUKAI_TRY(auto rows,
               database_.prepare(fmt::format("SELECT {} FROM episode e WHERE {}", kColumns, kInScope)));
    bind_scope(rows, scope);
    return forget_rows(rows);
  }

 private:
  // 0: none.
  Result<std::int64_t> id_of_run(const std::string& run_id) {
    if (run_id.empty()) return 0;
    TSUKAI_TRY(auto known, database_.prepare("SELECT id FROM episode WHERE run_id=?1"));
    known.bind(1, run_id);
    TSUKAI_TRY(const bool found, known.step());
    return found ? known.integer(0) : 0;
  }

  Result<std::size_t> forget_rows(Statement& rows) {
    std::size_t count = 0;
    auto written = database_.write([&]() -> Result<void> {
      std::vector<Episode> gone;
      for (;;) {
        TSUKAI_TRY(const bool more, rows.step());
        if (!more) break;
        TSUKAI_TRY(auto episode, read_episode(rows));
        gone.push_back(std::move(episode));
      }
      for (const Episode& episode : gone) TSUKAI_TRY_VOID(remove(episode));
      count = gone.size();
      // A deletion only adds a tombstone to the index; merging its segments into one drops the terms
      // themselves.
      return count == 0 ? Result<void>()
                        : database_.execute("INSERT INTO episode_text(episode_text) VALUES('optimize')");
    });
    if (!written) return fail(std::move(written).error().in("forget"));
    // secure_delete zeroed the pages; the WAL still holds them as they were.
    if (count > 0) {
      if (auto done = database_.checkpoint(); !done) return fail(std::move(done).error().in("forget"));
    }
    return count;
  }

  Result<void> remove(const Episode& episode) {
    // A contentless index has to be told what it indexed.
    TSUKAI_TRY(auto index,
               database_.prepare("INSERT INTO episode_text(episode_text, rowid, task, outcome, cjk) "
                                 "VALUES('delete', ?1, ?2, ?3, ?4)"));
    TSUKAI_TRY_VOID(bind_text(index, episode.id, episode).run());
    TSUKAI_TRY(auto row, database_.prepare("DELETE FROM episode WHERE id=?1"));
    return row.bind(1, episode.id).run();
  }

  static Statement& bind_text(Statement& statement, std::int64_t id, const Episode& episode) {
    return statement.bind(1, id)
        .bind(2, word_text(episode.task))
        .bind(3, word_text(episode.outcome))
        .bind(4, cjk_grams(episode.task + "\n" + episode.outcome));
  }

  Result<std::vector<Recalled>> matches(const std::string& expression, const Scope& scope,
                                        std::size_t count) {
    TSUKAI_TRY(auto rows, database_.prepare(fmt::format(
                              "SELECT {}, bm25(episode_text) AS cost FROM episode_text JOIN episode e ON "
                              "e.id=episode_text.rowid WHERE episode_text MATCH ?5 AND {} "
                              "ORDER BY cost, e.at_ms DESC, e.id DESC LIMIT ?6",
                              kColumns, kInScope)));
    bind_scope(rows, scope);
    rows.bind(5, expression).bind(6, static_cast<std::int64_t>(count));
    std::vector<Recalled> found;
    for (;;) {
      auto more = rows.step();
      if (!more) return fail(std::move(more).error().in("search memory"));
      if (!*more) return found;
      TSUKAI_TRY(auto episode, read_episode(rows));
      found.push_back({std::move(episode), -rows.real(kColumnCount)});
    }
  }

  Database& database_;
  const Clock& clock_;
};

}  // namespace

Result<std::size_t> Memory::forget(std::int64_t) {
  return fail(Code::kUnsupported, "this memory can't forget");
}
Result<std::size_t> Memory::forget(const Scope&) {
  return fail(Code::kUnsupported, "this memory can't forget");
}

Result<std::unique_ptr<Memory>> Memory::open(Database& database, const Clock& clock) {
  if (auto done = database.migrate("memory", migrations()); !done)
    return fail(std::move(done).error().in("open memory"));
  return std::unique_ptr<Memory>(std::make_unique<SqliteMemory>(database, clock));
}

}  // namespace tsukai::memory
