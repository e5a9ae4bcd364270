#include "base/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tsukai {
namespace {

constexpr std::int64_t kApplicationId = 0x7473756b;  // "tsuk"
constexpr int kWalPagesMax = 2000;                   // About 8 MiB, as SQLite's own default is 1,000.
// A connection's own small allocations, set aside: 32 KiB, not SQLite's 120, for a process may hold a
// thousand.
constexpr int kLookasideBytes = 512, kLookasideSlots = 64;

Error database_error(sqlite3* handle, int code, std::string_view what) {
  const char* text = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  std::string message = fmt::format("{}: {}", what, text);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error(Code::kTimeout, std::move(message), "another process holds the database; try again");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Error(Code::kCorrupt, std::move(message),
                   "restore the file from a backup, or choose another with --db FILE");
    case SQLITE_FULL:
      return Error(Code::kExhausted, std::move(message), "free some disk space");
    case SQLITE_CANTOPEN:
      return Error(Code::kNotFound, std::move(message), "check the path and its permissions");
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return Error(Code::kDenied, std::move(message), "check the file's permissions");
    case SQLITE_IOERR:
      return Error(Code::kTransport, std::move(message));
    case SQLITE_CONSTRAINT:
      return Error(Code::kInvalidArgument, std::move(message));
    default:
      return Error(Code::kInternal, std::move(message));
  }
}

// Holds flock(LOCK_EX) on a file for as long as it lives. An empty path locks nothing.
class FileLock {
 public:
  static Result<FileLock> take(int descriptor, const std::string& path) {
    FileLock lock;
    if (descriptor < 0) return lock;
    while (flock(descriptor, LOCK_EX) != 0) {
      if (errno != EINTR)
        return fail(Code::kTransport, fmt::format("lock {}: {}", path, std::strerror(errno)));
    }
    lock.descriptor_ = descriptor;
    return lock;
  }
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~FileLock() {
    if (descriptor_ >= 0) flock(descriptor_, LOCK_UN);
  }

 private:
  FileLock() = default;
  int descriptor_ = -1;
};

void bind_text(sqlite3_stmt* statement, int index, std::string_view text, sqlite3_destructor_type whose) {
  // A null data() would bind NULL where an empty text was meant.
  const char* data = text.data() != nullptr ? text.data() : "";
  TSUKAI_CHECK(sqlite3_bind_text64(statement, index, data, text.size(), whose, SQLITE_UTF8) == SQLITE_OK,
               "bind text");
}

}  // namespace

Statement::Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(statement_);
    statement_ = std::exchange(other.statement_, nullptr);
  }
  return *this;
}
Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int index, std::int64_t value) {
  TSUKAI_CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK, "bind integer");
  return *this;
}
Statement& Statement::bind(int index, double value) {
  TSUKAI_CHECK(sqlite3_bind_double(statement_, index, value) == SQLITE_OK, "bind real");
  return *this;
}
Statement& Statement::bind(int index, std::string_view text) {
  bind_text(statement_, index, text, SQLITE_TRANSIENT);
  return *this;
}
Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  TSUKAI_CHECK(sqlite3_bind_blob64(statement_, index, data, bytes.size(), SQLITE_TRANSIENT) == SQLITE_OK,
               "bind blob");
  return *this;
}
Statement& Statement::bind_lent(int index, std::string_view text) {
  bind_text(statement_, index, text, SQLITE_STATIC);
  return *this;
}
Statement& Statement::bind_null(int index) {
  TSUKAI_CHECK(sqlite3_bind_null(statement_, index) == SQLITE_OK, "bind null");
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    // Without a reset, the next bind would be refused as misuse.
    sqlite3_reset(statement_);
    return false;
  }
  sqlite3* handle = sqlite3_db_handle(statement_);
  Error error = database_error(handle, sqlite3_extended_errcode(handle), "database");
  sqlite3_reset(statement_);
  return fail(std::move(error));
}

Result<void> Statement::run() {
  for (;;) {
    TSUKAI_TRY(const bool row, step());
    if (!row) return {};
  }
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }
std::string Statement::text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  if (data == nullptr) return {};
  return std::string(static_cast<const char*>(data),
                     static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

struct Database::State {
  std::string path;
  sqlite3* handle = nullptr;
  int lock = -1;
  int wal_pages = 0;    // As of the last commit on this connection.
  int write_depth = 0;  // write() within write().
  // The innermost open savepoint ("w" and its depth; 0: none), and what had been changed when it began.
  int savepoint = 0;
  std::int64_t savepoint_changes = 0;
  std::int64_t scripts = 0;  // Texts run by execute(), which may change what no count of rows shows.
  // Set when SQLite itself rolled the whole transaction back (disk full, I/O): the outermost write() then
  // fails too.
  std::optional<Error> doomed;
  // The few texts that every write() runs (BEGIN, COMMIT, savepoints by depth), prepared once.
  std::vector<std::pair<std::string, Statement>> fixed;

  Result<void> run_fixed(const std::string& sql) {
    for (auto& [text, statement] : fixed) {
      if (text == sql) return statement.run();
    }
    sqlite3_stmt* prepared = nullptr;
    const int code = sqlite3_prepare_v2(handle, sql.data(), static_cast<int>(sql.size()), &prepared, nullptr);
    if (code != SQLITE_OK) return fail(database_error(handle, code, "database"));
    return fixed.emplace_back(sql, Statement(prepared)).second.run();
  }

  std::int64_t changed() const { return sqlite3_total_changes64(handle) + scripts; }

  ~State() {
    fixed.clear();
    if (handle != nullptr) sqlite3_close_v2(handle);
    if (lock >= 0) ::close(lock);
  }
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& path, DatabaseOptions options) {
  // Nobody asks SQLite how much memory it holds, and counting it takes a lock of the process for each piece.
  // Refused, and no matter, where SQLite is in use already.
  [[maybe_unused]] static const int uncounted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  auto state = std::make_unique<State>();
  state->path = path;
  const bool in_memory = path == ":memory:";
  if (!in_memory && !options.read_only) {
    const std::string lock_path = path + ".lock";
    state->lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (state->lock < 0) {
      return fail(Code::kNotFound, fmt::format("open {}: {}", lock_path, std::strerror(errno)),
                  "create the folder, or choose another with --db FILE");
    }
  }
  int flags = options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (options.create && !options.read_only) flags |= SQLITE_OPEN_CREATE;
  flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &state->handle, flags,
                                   options.vfs.empty() ? nullptr : options.vfs.c_str());
  if (code != SQLITE_OK) return fail(database_error(state->handle, code, fmt::format("open {}", path)));
  sqlite3* handle = state->handle;
  sqlite3_db_config(handle, SQLITE_DBCONFIG_LOOKASIDE, nullptr, kLookasideBytes, kLookasideSlots);
  sqlite3_busy_timeout(handle, options.busy_timeout_ms);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_wal_hook(
      handle,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<State*>(self)->wal_pages = pages;
        return SQLITE_OK;
      },
      state.get());
  Database database(std::move(state));
  // Switching to WAL writes the header: like every write, only under the lock.
  {
    TSUKAI_TRY(auto lock, FileLock::take(database.state_->lock, path));
    const char* setup = options.read_only
                            ? "PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON;"
                            : "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                              "PRAGMA cell_size_check=ON;"
                              "PRAGMA secure_delete=ON;";
    if (auto done = database.execute(setup); !done)
      return fail(std::move(done).error().in(fmt::format("open {}", path)));
  }
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(state_->handle, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return fail(database_error(state_->handle, code, "database"));
  return Statement(statement);
}

Result<void> Database::execute(const std::string& sql) {
  ++state_->scripts;
  const int code = sqlite3_exec(state_->handle, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(database_error(state_->handle, code, "database"));
  return {};
}

Result<void> Database::write(const std::function<Result<void>()>& body) {
  if (state_->write_depth > 0) return write_within(body);
  TSUKAI_TRY(auto lock, FileLock::take(state_->lock, state_->path));
  TSUKAI_TRY_VOID(state_->run_fixed("BEGIN IMMEDIATE"));
  state_->doomed.reset();
  state_->write_depth = 1;
  state_->savepoint = 0;
  Result<void> done = body();
  state_->write_depth = 0;
  if (done && state_->doomed) done = fail(*state_->doomed);
  if (done) done = state_->run_fixed("COMMIT");
  if (!done) {
    // The first error is the one worth telling; a failed rollback leaves nothing that a later BEGIN would not
    // report.
    if (sqlite3_get_autocommit(state_->handle) == 0) (void)execute("ROLLBACK");
    return done;
  }
  if (state_->wal_pages > kWalPagesMax) {
    // Passive: waits for nobody; what a reader still needs is left for the next time.
    sqlite3_wal_checkpoint_v2(state_->handle, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  }
  return {};
}

Result<void> Database::write_within(const std::function<Result<void>()>& body) {
  if (state_->doomed) return fail(*state_->doomed);
  const int depth = state_->write_depth;
  const int outer = state_->savepoint;
  const auto outer_changes = state_->savepoint_changes;
  // Where nothing was changed since the savepoint around this one, that one undoes the same: the pieces of
  // work that share a commit are single writes, and a savepoint keeps copies of the pages it changes.
  const bool shares = outer != 0 && state_->changed() == outer_changes;
  const std::string name = fmt::format("w{}", shares ? outer : depth);
  if (!shares) {
    TSUKAI_TRY_VOID(state_->run_fixed("SAVEPOINT " + name));
    state_->savepoint = depth;
    state_->savepoint_changes = state_->changed();
  }
  ++state_->write_depth;
  Result<void> done = body();
  --state_->write_depth;
  state_->savepoint = outer;
  state_->savepoint_changes = outer_changes;
  if (done && !state_->doomed) return shares ? done : state_->run_fixed("RELEASE " + name);
  if (sqlite3_get_autocommit(state_->handle) != 0) {
    if (!done && !state_->doomed) state_->doomed = done.error();
    return fail(*state_->doomed);
  }
  if (auto undone = execute("ROLLBACK TO " + name + (shares ? "" : "; RELEASE " + name)); !undone)
    state_->doomed = undone.error();
  return done ? fail(*state_->doomed) : done;
}

Result<void> Database::checkpoint() {
  TSUKAI_TRY(auto lock, FileLock::take(state_->lock, state_->path));
  const int code =
      sqlite3_wal_checkpoint_v2(state_->handle, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(database_error(state_->handle, code, "checkpoint"));
  return {};
}

Result<void> Database::migrate(std::string_view module, const std::vector<std::string>& migrations) {
  auto integer_of = [&](const std::string& sql, std::string_view argument) -> Result<std::int64_t> {
    TSUKAI_TRY(auto statement, prepare(sql));
    if (!argument.empty()) statement.bind(1, argument);
    TSUKAI_TRY(const bool row, statement.step());
    return row ? statement.integer(0) : 0;
  };
  // 0 when the module has no tables yet.
  auto version_now = [&]() -> Result<std::int64_t> {
    TSUKAI_TRY(const std::int64_t owner, integer_of("PRAGMA application_id", {}));
    TSUKAI_TRY(const std::int64_t tables, integer_of("SELECT count(*) FROM sqlite_schema", {}));
    if (owner != kApplicationId && (owner != 0 || tables != 0)) {
      return fail(Code::kInvalidArgument, fmt::format("{} is a database of another program", state_->path),
                  "choose another file");
    }
    TSUKAI_TRY(const std::int64_t known,
               integer_of("SELECT count(*) FROM sqlite_schema WHERE name=?1", "schema_version"));
    if (known == 0) return 0;
    return integer_of("SELECT version FROM schema_version WHERE module=?1", module);
  };
  const auto newest = static_cast<std::int64_t>(migrations.size());
  // One snapshot for all looks: another process may be creating the tables at this moment.
  auto version_in_snapshot = [&]() -> Result<std::int64_t> {
    if (state_->write_depth > 0) return version_now();
    TSUKAI_TRY_VOID(execute("BEGIN"));
    auto version = version_now();
    (void)execute("ROLLBACK");  // Nothing was written; there is nothing that could fail to be undone.
    return version;
  };
  auto newer = [&](std::int64_t version) {
    return fail(Code::kUnsupported,
                fmt::format("{} was written by a newer tsukai ({} schema {}, this one knows {})",
                            state_->path, module, version, newest),
                "upgrade tsukai");
  };
  TSUKAI_TRY(const std::int64_t version, version_in_snapshot());
  if (version > newest) return newer(version);
  if (version == newest) return {};
  return write([&]() -> Result<void> {
    // Another process may have migrated between the look above and the lock.
    TSUKAI_TRY(const std::int64_t now, version_now());
    if (now > newest) return newer(now);
    if (now == newest) return {};
    TSUKAI_TRY_VOID(execute(fmt::format("PRAGMA application_id={}", kApplicationId)));
    TSUKAI_TRY_VOID(
        execute("CREATE TABLE IF NOT EXISTS schema_version(module TEXT PRIMARY KEY, version INTEGER NOT "
                "NULL) STRICT"));
    for (auto step = static_cast<std::size_t>(now); step < migrations.size(); ++step) {
      if (auto done = execute(migrations[step]); !done) {
        return fail(std::move(done).error().in(
            fmt::format("migrate {} of {} to schema {}", module, state_->path, step + 1)));
      }
    }
    TSUKAI_TRY(auto note, prepare("INSERT INTO schema_version(module, version) VALUES(?1, ?2) "
                                  "ON CONFLICT(module) DO UPDATE SET version=excluded.version"));
    return note.bind(1, module).bind(2, newest).run();
  });
}

Result<fts5_api*> Database::fts5() {
  fts5_api* api = nullptr;
  TSUKAI_TRY(auto ask, prepare("SELECT fts5(?1)"));
  sqlite3_bind_pointer(ask.statement_, 1, &api, "fts5_api_ptr", nullptr);
  TSUKAI_TRY_VOID(ask.step());
  if (api == nullptr)
    return fail(Code::kUnsupported, "this SQLite has no FTS5", "use the SQLite that tools/setup.sh installs");
  return api;
}

std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(state_->handle); }
std::int64_t Database::changes() const { return sqlite3_changes64(state_->handle); }
const std::string& Database::path() const { return state_->path; }

}  // namespace tsukai
