// SQLite, thin: open, statements, transactions, migrations. Errors are Results; handles close themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct fts5_api;
struct sqlite3;
struct sqlite3_stmt;

namespace tsukai {

// One prepared statement. Bind from 1, step, read columns from 0. Not thread-safe, like its database.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  // Without a copy: `text` must stay as it is for as long as the statement steps, and until it is bound anew
  // or reset.
  Statement& bind_lent(int index, std::string_view text);
  Statement& bind_null(int index);

  // True: a row is ready. False: done, and the statement is ready to be bound and stepped again (bindings
  // stay).
  Result<bool> step();
  // Steps to the end, for statements that give no rows.
  Result<void> run();
  // Forgets bindings and position, so that the statement can be used again.
  void reset();

  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;  // Also reads blobs; empty for NULL.
  bool is_null(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* statement_ = nullptr;
};

struct DatabaseOptions {
  bool read_only = false;
  bool create = true;
  int busy_timeout_ms = 5000;
  std::string vfs;  // A registered SQLite VFS; "": the machine's own. Tests inject faults so.
};

// One connection: WAL, synchronous=FULL, foreign keys, defensive settings. Use it from one thread at a time.
// Debian 12's SQLite 3.40 can corrupt a WAL when two connections write or checkpoint at once
// (sqlite.org/wal.html, "WAL-reset bug"). So every write goes through write(), which holds an exclusive lock
// on `PATH.lock` across processes, automatic checkpoints are off, and closing never checkpoints; checkpoint()
// takes the same lock.
class Database {
 public:
  // kNotFound, kCorrupt ("not a database"), kTransport for I/O. ":memory:" is allowed and takes no lock.
  static Result<Database> open(const std::string& path, DatabaseOptions options = {});
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  Result<Statement> prepare(std::string_view sql);
  // Runs statements that give no rows, several at once.
  Result<void> execute(const std::string& sql);

  // BEGIN IMMEDIATE, `body`, COMMIT, under the cross-process lock; rolls back when `body` fails. Durable on
  // return. Checkpoints afterwards, still under the lock, when the WAL has grown beyond kWalPagesMax. Within
  // the body of another write() it is a savepoint: a failure undoes its own part alone, and what succeeded is
  // durable when the outermost write() returns. Should the disk make SQLite undo everything, the outermost
  // one fails.
  Result<void> write(const std::function<Result<void>()>& body);

  // Copies the WAL into the database file and truncates it, under the lock.
  Result<void> checkpoint();

  // Brings the tables of one module ("journal", "memory") up to date: runs migrations[version..] in one
  // transaction and notes the new version in table schema_version. Modules share a file without knowing each
  // other. kUnsupported when the file is newer than this program, kInvalidArgument when it belongs to another
  // program.
  Result<void> migrate(std::string_view module, const std::vector<std::string>& migrations);

  // For functions of one's own in full-text queries (sqlite.org/fts5.html, "Extending FTS5"); lives as long
  // as this.
  Result<fts5_api*> fts5();

  std::int64_t last_insert_id() const;
  std::int64_t changes() const;
  const std::string& path() const;

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  Result<void> write_within(const std::function<Result<void>()>& body);
  std::unique_ptr<State> state_;
};

}  // namespace tsukai
