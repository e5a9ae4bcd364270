// The journal in SQLite: one class, its writes in journal.cc, its reads in journal_read.cc, its proof in
// journal_verify.cc.
#pragma once

#include <string>
#include <vector>

#include "agent/journal.h"

namespace tsukai::agent {

// Migrations of module "journal"; a released entry never changes, new ones go to the end.
const std::vector<std::string>& journal_migrations();

class SqliteJournal : public Journal {
 public:
  SqliteJournal(Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  Result<std::string> start_run(std::string agent, std::string task, std::string user,
                                const Json& payload) override;
  Result<Row> append(const std::string& run, Kind kind, std::string step_key, int attempt,
                     const Json& payload) override;
  Result<std::vector<Row>> append_all(const std::string& run, const std::vector<Entry>& entries) override;
  Result<void> finish_run(const std::string& run, RunState state, const std::string& answer,
                          const Json& payload) override;

  Result<std::vector<Row>> rows(const std::string& run) override;
  Result<std::vector<RunSummary>> list(std::size_t count, std::optional<RunState> state) override;
  Result<RunSummary> find(const std::string& id) override;
  Result<std::vector<std::string>> verify(const std::string& run) override;

 private:
  // The end of a run's chain.
  struct Head {
    RunState state = RunState::kRunning;
    std::int64_t rows = 0;
    std::string hash;
  };
  // What one row is written from; `body` is the payload as stored.
  struct Draft {
    Kind kind;
    std::string step_key;
    int attempt;
    std::string body;
  };

  // These are called within a write transaction.
  Result<Head> head_of(const std::string& run);
  Result<Row> insert_row(const std::string& run, Head& head, const Draft& draft);
  Result<void> store_head(const std::string& run, const Head& head);
  Result<std::vector<Row>> append_within(const std::string& run, const std::vector<Entry>& entries);

  // A statement of SQL that never changes, prepared once and kept.
  Result<Statement*> prepared(const char* sql);

  Database& database_;
  const Clock& clock_;
  std::vector<std::pair<const char*, Statement>> statements_;
};

}  // namespace tsukai::agent
