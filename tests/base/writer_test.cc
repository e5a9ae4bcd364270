#include "base/writer.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <atomic>
#include <thread>

#include "support/await.h"
#include "support/fault_vfs.h"
#include "support/scratch_dir.h"

using namespace tsukai;

namespace {

Result<void> make_table(Database& database) {
  return database.execute("CREATE TABLE note(text TEXT UNIQUE) STRICT");
}

Writer::Work note(std::string text) {
  return [text](Database& database) -> Result<void> {
    TSUKAI_TRY(auto insert, database.prepare("INSERT INTO note(text) VALUES(?1)"));
    return insert.bind(1, text).run();
  };
}

std::int64_t writer_count(const std::string& path) {
  auto database = Database::open(path);
  auto statement = database->prepare("SELECT count(*) FROM note");
  REQUIRE(statement->step().value());
  return statement->integer(0);
}

// Many at once on one event loop; gives how many failed.
int write_all(Writer& writer, const std::vector<std::string>& texts) {
  asio::io_context context;
  int failed = 0;
  for (const auto& text : texts) {
    asio::co_spawn(context, writer.write(note(text)),
                   [&](std::exception_ptr, Result<void> result) { failed += result ? 0 : 1; });
  }
  context.run();
  // The writer's thread may still be at the end of its last post() to this context.
  (void)writer.write_and_wait([](Database&) -> Result<void> { return {}; });
  return failed;
}

}  // namespace

TEST_SUITE("base/writer") {
  TEST_CASE("work that arrives together is committed together, and all of it is there") {
    ScratchDir scratch;
    std::vector<std::string> texts;
    for (int i = 0; i < 200; ++i) texts.push_back(std::to_string(i));
    {
      auto writer = Writer::open(scratch / "a.db").value();
      REQUIRE(writer->write_and_wait(make_table).has_value());
      CHECK(write_all(*writer, texts) == 0);
      CHECK(writer->counts().works == 202);  // With the table's, and the last one of write_all().
      CHECK(writer->counts().commits < 100);
    }
    CHECK(writer_count(scratch / "a.db") == 200);
  }

  TEST_CASE("work that fails is undone alone; its neighbours stay") {
    ScratchDir scratch;
    auto writer = Writer::open(scratch / "a.db").value();
    REQUIRE(writer->write_and_wait(make_table).has_value());
    CHECK(write_all(*writer, {"a", "b", "a", "c", "b"}) == 2);
    auto half = writer->write_and_wait([](Database& database) -> Result<void> {
      TSUKAI_TRY_VOID(note("half")(database));
      return fail(Code::kCancelled, "no");
    });
    CHECK(half.error().code() == Code::kCancelled);
    CHECK(writer_count(scratch / "a.db") == 3);
  }

  TEST_CASE("what is queued when the writer is destroyed is finished first") {
    ScratchDir scratch;
    asio::io_context context;
    int done = 0;
    {
      auto writer = Writer::open(scratch / "a.db").value();
      REQUIRE(writer->write_and_wait(make_table).has_value());
      for (int i = 0; i < 20; ++i) {
        asio::co_spawn(context, writer->write(note(std::to_string(i))),
                       [&](std::exception_ptr, Result<void> result) { done += result ? 1 : 0; });
      }
      context.poll();  // Starts the coroutines, which queue their work.
    }
    context.run();
    CHECK(done == 20);
    CHECK(writer_count(scratch / "a.db") == 20);
  }

  TEST_CASE("beyond the queue's limit the answer is immediate and says so") {
    ScratchDir scratch;
    auto writer = Writer::open(scratch / "a.db", {.queue_max = 2}).value();
    std::atomic<bool> begun = false, go = false;
    std::thread busy([&] {
      (void)writer->write_and_wait([&](Database&) -> Result<void> {
        begun = true;
        begun.notify_all();
        go.wait(false);
        return {};
      });
    });
    begun.wait(false);
    {
      // Behind the one that waits two have room; the others are refused although nothing moves.
      asio::io_context context;
      int refused = 0;
      for (int i = 0; i < 4; ++i) {
        asio::co_spawn(context, writer->write([](Database&) -> Result<void> { return {}; }),
                       [&](std::exception_ptr, Result<void> result) {
                         if (!result && result.error().code() == Code::kExhausted) ++refused;
                       });
      }
      while (refused < 2 && context.run_one() > 0) {
      }
      go = true;
      go.notify_all();
      context.run();
      CHECK(refused == 2);
      (void)writer->write_and_wait([](Database&) -> Result<void> { return {}; });  // As in write_all().
    }
    busy.join();
  }

  TEST_CASE("when the disk fails in the commit, nobody is told that the work is done") {
    for (const int code : {SQLITE_IOERR, SQLITE_FULL}) {
      ScratchDir scratch;
      {
        auto plain = Writer::open(scratch / "a.db").value();
        REQUIRE(plain->write_and_wait(make_table).has_value());
      }
      FaultVfs vfs;
      int told = 0;
      {
        auto writer = Writer::open(scratch / "a.db", {.database = {.vfs = vfs.name()}}).value();
        vfs.fail_at(1, code, false);
        std::vector<std::string> texts;
        for (int i = 0; i < 10; ++i) texts.push_back(std::to_string(i));
        told = 10 - write_all(*writer, texts);
        CHECK(vfs.failed());
        // The writer goes on: the disk has recovered.
        CHECK(write_all(*writer, {"later"}) == 0);
      }
      CHECK(told < 10);
      CHECK(writer_count(scratch / "a.db") == told + 1);
    }
  }

  TEST_CASE("a write within a write is undone with its outer one") {
    auto database = Database::open(":memory:").value();
    REQUIRE(database.write([&] { return make_table(database); }).has_value());
    auto outer = database.write([&]() -> Result<void> {
      TSUKAI_TRY_VOID(database.write([&] { return note("inner")(database); }));
      return fail(Code::kCancelled, "outer");
    });
    CHECK_FALSE(outer.has_value());
    REQUIRE(database
                .write([&]() -> Result<void> {
                  (void)database.write([&]() -> Result<void> {
                    TSUKAI_TRY_VOID(note("lost")(database));
                    return fail(Code::kCancelled, "inner");
                  });
                  return note("kept")(database);
                })
                .has_value());
    auto all = database.prepare("SELECT text FROM note").value();
    REQUIRE(all.step().value());
    CHECK(all.text(0) == "kept");
    CHECK_FALSE(all.step().value());
  }

  TEST_CASE("a write within two others is undone alone, before and after others were made") {
    auto database = Database::open(":memory:").value();
    REQUIRE(database.write([&] { return make_table(database); }).has_value());
    const auto lose = [&](const char* text) {
      return database.write([&]() -> Result<void> {
        TSUKAI_TRY_VOID(note(text)(database));
        (void)database.write([&]() -> Result<void> {
          TSUKAI_TRY_VOID(note("lost within")(database));
          return fail(Code::kCancelled, "innermost");
        });
        return fail(Code::kCancelled, "inner");
      });
    };
    REQUIRE(database
                .write([&] {
                  return database.write([&]() -> Result<void> {
                    CHECK_FALSE(lose("lost first").has_value());
                    TSUKAI_TRY_VOID(database.write([&] { return note("kept 1")(database); }));
                    CHECK_FALSE(lose("lost later").has_value());
                    TSUKAI_TRY_VOID(note("kept 2")(database));
                    CHECK_FALSE(lose("lost last").has_value());
                    return {};
                  });
                })
                .has_value());
    // A table is no row, and is undone as well.
    REQUIRE(database
                .write([&] {
                  return database.write([&]() -> Result<void> {
                    TSUKAI_TRY_VOID(database.execute("CREATE TABLE kept(x)"));
                    (void)database.write([&]() -> Result<void> {
                      TSUKAI_TRY_VOID(note("lost with a table")(database));
                      return fail(Code::kCancelled, "inner");
                    });
                    return database.execute("INSERT INTO kept VALUES(1)");
                  });
                })
                .has_value());
    auto all = database.prepare("SELECT group_concat(text) FROM note").value();
    REQUIRE(all.step().value());
    CHECK(all.text(0) == "kept 1,kept 2");
  }
}
