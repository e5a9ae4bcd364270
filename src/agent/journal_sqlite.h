// The journal in SQLite: one class. Writing rows is in journal.cc, reading in journal_read.cc, the proof in
// journal_verify.cc, owners in journal_lease.cc, people's answers and signals in journal_inbox.cc, forgetting
// in journal_erase.cc, export in journal_export.cc.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/journal.h"

namespace tsukai::agent {

// Migrations of module "journal"; a released entry never changes, new ones go to the end.
const std::vector<std::string>& journal_migrations();

class SqliteJournal : public Journal {
 public:
  SqliteJournal(Database& database, const Clock& clock);

  Result<std::string> start_run(std::string agent, std::string task, std::string user,
                                const Json& payload) override;
  Result<std::string> start_run_as(std::string id, std::string agent, std::string task, std::string user,
                                   const Json& payload) override;
  Result<Row> append(const std::string& run, Kind kind, std::string step_key, int attempt,
                     const Json& payload) override;
  Result<std::vector<Row>> append_all(const std::string& run, const std::vector<Entry>& entries) override;
  Result<void> finish_run(const std::string& run, RunState state, const std::string& answer,
                          const Json& payload) override;

  Result<Lease> take_lease(const std::string& run, std::int64_t lease_ms) override;
  Result<void> release_lease(const std::string& run) override;
  Result<std::vector<Row>> park(const std::string& run, const std::vector<Entry>& entries) override;
  Result<void> set_state(const std::string& run, RunState state) override;

  Result<Approval> ask_approval(const std::string& run, const std::string& step_key, const std::string& tool,
                                const Json& arguments, const std::string& why) override;
  Result<Approval> give_approval(const std::string& run, const std::string& step_key, bool allowed,
                                 const std::string& by, const std::string& reason) override;
  Result<std::optional<Approval>> use_approval(const std::string& run, const std::string& step_key,
                                               const std::string& tool, const Json& arguments) override;
  Result<std::vector<Approval>> pending_approvals(const std::string& run) override;
  Result<std::int64_t> send_signal(const std::string& run, const std::string& name,
                                   const Json& payload) override;
  Result<bool> has_word(const std::string& run) override;
  Result<std::int64_t> data_version() override;
  Result<bool> at_work(const std::string& run) override;
  Result<std::vector<Signal>> take_signals(const std::string& run) override;

  Result<void> erase(const std::string& run, const std::string& by, const std::string& reason) override;
  Result<std::vector<std::string>> prune(Retention retention) override;

  Result<std::vector<Row>> rows(const std::string& run) override;
  Result<std::vector<RunSummary>> list(std::size_t count, std::optional<RunState> state) override;
  Result<RunSummary> find(const std::string& id) override;
  Result<std::vector<std::string>> verify(const std::string& run) override;
  Result<Json> export_run(const std::string& run) override;

 private:
  // The end of a run's chain.
  struct Head {
    RunState state = RunState::kRunning;
    std::int64_t rows = 0;
    std::string hash;
    bool open() const { return state == RunState::kRunning || state == RunState::kWaiting; }
  };
  // What one row is written from; `body` is the payload as stored.
  struct Draft {
    Kind kind;
    std::string step_key;
    int attempt;
    std::string body;
    std::string salt{};  // Empty: a new one.
  };
  struct Held {
    std::int64_t fence;
    std::int64_t lease_ms;
  };

  // These are called within a write transaction.
  Result<Head> head_of(const std::string& run);
  // kInvalidArgument when the run has ended.
  Result<Head> open_head_of(const std::string& run);
  Result<Row> insert_row(const std::string& run, Head& head, const Draft& draft);
  Result<void> store_head(const std::string& run, const Head& head);
  Result<void> store_state(const std::string& run, RunState state);
  Result<std::vector<Row>> append_within(const std::string& run, const std::vector<Entry>& entries);
  // One row and the head.
  Result<Row> append_one(const std::string& run, Head& head, const Draft& draft);

  // owner "" and fence 0 when nobody ever had one.
  Result<Lease> lease_of(const std::string& run);
  Result<void> store_lease(const Lease& lease);
  // kDenied unless this object is the owner; renews the lease.
  Result<void> own(const std::string& run);

  Result<std::vector<Approval>> approvals(std::string_view where, const std::vector<std::string>& arguments);
  Result<void> erase_within(const std::string& run, const std::string& by, const std::string& reason);

  // A statement of SQL that never changes, prepared once and kept.
  Result<Statement*> prepared(const char* sql);

  Database& database_;
  const Clock& clock_;
  const std::string owner_;
  std::map<std::string, Held> held_;
  std::vector<std::pair<const char*, Statement>> statements_;
};

}  // namespace tsukai::agent
