#include "base/database.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scratch_dir.h"

using namespace tsukai;

namespace {

const std::vector<std::string> kTables = {
    "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"};

Database opened(const std::string& path) {
  auto database = Database::open(path);
  REQUIRE_MESSAGE(database.has_value(), (database ? "" : database.error().text()));
  return std::move(*database);
}

Result<void> insert(Database& database, std::string_view text) {
  TSUKAI_TRY(auto statement, database.prepare("INSERT INTO note(text) VALUES(?1)"));
  return statement.bind(1, text).run();
}

std::int64_t count(Database& database) {
  auto statement = database.prepare("SELECT count(*) FROM note");
  REQUIRE(statement->step().value());
  return statement->integer(0);
}

}  // namespace

TEST_SUITE("base/database") {
  TEST_CASE("what was written is there after reopening") {
    ScratchDir scratch;
    {
      Database database = opened(scratch / "a.db");
      REQUIRE(database.migrate("notes", kTables).has_value());
      REQUIRE(database.write([&] { return insert(database, "kept"); }).has_value());
    }
    Database database = opened(scratch / "a.db");
    CHECK(count(database) == 1);
  }

  TEST_CASE("a write whose body fails leaves nothing behind") {
    Database database = opened(":memory:");
    REQUIRE(database.migrate("notes", kTables).has_value());
    auto done = database.write([&]() -> Result<void> {
      TSUKAI_TRY_VOID(insert(database, "half"));
      return fail(Code::kCancelled, "changed my mind");
    });
    CHECK(done.error().code() == Code::kCancelled);
    CHECK(count(database) == 0);
  }

  TEST_CASE("migrations run once, a step after another, module by module") {
    ScratchDir scratch;
    Database database = opened(scratch / "a.db");
    REQUIRE(database.migrate("notes", kTables).has_value());
    std::vector<std::string> more = kTables;
    more.emplace_back("ALTER TABLE note ADD COLUMN at INTEGER");
    REQUIRE(database.migrate("notes", more).has_value());
    REQUIRE(database.migrate("notes", more).has_value());
    REQUIRE(database.migrate("others", {"CREATE TABLE other(id INTEGER) STRICT"}).has_value());
    CHECK(database.prepare("SELECT at FROM note").has_value());
    CHECK(database.prepare("SELECT id FROM other").has_value());
  }

  TEST_CASE("a failing migration leaves the file as it was") {
    Database database = opened(":memory:");
    CHECK_FALSE(database.migrate("notes", {kTables[0], "CREATE NONSENSE"}).has_value());
    CHECK_FALSE(database.prepare("SELECT * FROM note").has_value());
    CHECK(database.migrate("notes", kTables).has_value());
  }

  TEST_CASE("a file written by a newer version is refused, and says so") {
    Database database = opened(":memory:");
    REQUIRE(database.migrate("notes", {kTables[0], "SELECT 1"}).has_value());
    auto older = database.migrate("notes", kTables);
    REQUIRE_FALSE(older.has_value());
    CHECK(older.error().code() == Code::kUnsupported);
  }

  TEST_CASE("a database of another program is refused") {
    ScratchDir scratch;
    Database database = opened(scratch / "a.db");
    REQUIRE(database.execute("CREATE TABLE theirs(id INTEGER)").has_value());
    CHECK(database.migrate("notes", kTables).error().code() == Code::kInvalidArgument);
  }

  TEST_CASE("a file that is no database is reported as damaged") {
    ScratchDir scratch;
    scratch.write("a.db", std::string(4096, 'x'));
    auto database = Database::open(scratch / "a.db");
    REQUIRE_FALSE(database.has_value());
    CHECK(database.error().code() == Code::kCorrupt);
    CHECK(database.error().message().find("a.db") != std::string::npos);
  }

  TEST_CASE("a path in a folder that does not exist names the path") {
    auto database = Database::open("/nonexistent-folder/a.db");
    REQUIRE_FALSE(database.has_value());
    CHECK(database.error().code() == Code::kNotFound);
  }

  TEST_CASE("two processes writing at once lose nothing") {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    {
      Database database = opened(path);
      REQUIRE(database.migrate("notes", kTables).has_value());
    }
    constexpr int kProcesses = 3, kWrites = 40;
    std::vector<pid_t> children;
    for (int p = 0; p < kProcesses; ++p) {
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        auto database = Database::open(path);
        if (!database) _exit(1);
        for (int i = 0; i < kWrites; ++i) {
          if (!database->write([&] { return insert(*database, "x"); })) _exit(2);
          if (i % 10 == 0 && !database->checkpoint()) _exit(3);
        }
        _exit(0);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = 0;
      waitpid(child, &status, 0);
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 0);
    }
    Database database = opened(path);
    CHECK(count(database) == kProcesses * kWrites);
    auto check = database.prepare("PRAGMA integrity_check");
    REQUIRE(check->step().value());
    CHECK(check->text(0) == "ok");
  }

  TEST_CASE("text that was lent to a statement comes back as it was when it ran") {
    auto database = opened(":memory:");
    REQUIRE(database.migrate("notes", kTables));
    auto statement = database.prepare("INSERT INTO note(text) VALUES(?1)");
    REQUIRE(statement);
    std::string text("a\0b", 3);
    REQUIRE(statement->bind_lent(1, text).run());
    text = "another";
    REQUIRE(statement->bind_lent(1, text).run());
    REQUIRE(statement->bind_lent(1, {}).run());  // Empty, not NULL.
    auto rows = database.prepare("SELECT text FROM note ORDER BY id");
    for (const auto& expected : {std::string("a\0b", 3), std::string("another"), std::string()}) {
      REQUIRE(rows->step().value());
      CHECK(rows->text(0) == expected);
    }
  }

  TEST_CASE("text with zero bytes and empty text come back as they went in") {
    Database database = opened(":memory:");
    REQUIRE(database.migrate("notes", kTables).has_value());
    const std::string odd("a\0b", 3);
    REQUIRE(insert(database, odd).has_value());
    REQUIRE(insert(database, std::string_view()).has_value());
    auto all = database.prepare("SELECT text FROM note ORDER BY id");
    REQUIRE(all->step().value());
    CHECK(all->text(0) == odd);
    REQUIRE(all->step().value());
    CHECK(all->text(0).empty());
    CHECK_FALSE(all->is_null(0));
  }
}
