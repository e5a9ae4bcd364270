// Long-term memory: episodes (what happened, verbatim) in SQLite, found again by full-text search.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/json.h"

namespace tsukai::memory {

// Who a memory belongs to: values for some of tenant, user, agent, session.
struct Scope {
  std::string tenant, user, agent, session;
  // Parses "user=mika,agent=day-out". kInvalidArgument names an unknown key and the nearest.
  static Result<Scope> parse(std::string_view text);
  std::string print() const;
};

struct Episode {
  std::int64_t id = 0;
  Scope scope;
  std::string run_id;
  std::int64_t at_ms = 0;  // Wall clock.
  std::string task;        // What was asked, verbatim.
  std::string outcome;     // What was answered, verbatim.
  JsonValue details;       // Tools used and their arguments, totals: for people and export.
};

struct Recalled {
  Episode episode;
  double score = 0;  // Higher is better; comparable only within one answer.
};

// Not thread-safe: one thread (the one that owns the database connection) uses it.
class Memory {
 public:
  // Creates or migrates the tables. The database outlives the memory.
  static Result<std::unique_ptr<Memory>> open(Database& database, const Clock& clock);
  virtual ~Memory() = default;

  // Durable on return. Adding the episode of a run that already has one changes nothing and returns the old
  // id.
  virtual Result<std::int64_t> add(Episode episode) = 0;
  // The best matches of the set keys of `scope`; deterministic order (score, then newest, then id).
  virtual Result<std::vector<Recalled>> search(std::string_view query, const Scope& scope,
                                               std::size_t count) = 0;
  // Newest first.
  virtual Result<std::vector<Episode>> list(const Scope& scope, std::size_t count, std::size_t offset) = 0;
  virtual Result<std::optional<Episode>> get(std::int64_t id) = 0;

  // Erases episodes: the one with this id, or all of a scope with at least one key set (kInvalidArgument
  // otherwise). Gives how many. No byte of them is left in the database's files on return; kTimeout when a
  // reader kept the last step (a checkpoint) from happening: they are forgotten, and
  // Database::checkpoint() finishes it.
  virtual Result<std::size_t> forget(std::int64_t id);
  virtual Result<std::size_t> forget(const Scope& scope);
};

}  // namespace tsukai::memory
