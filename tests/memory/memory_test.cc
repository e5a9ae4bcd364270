#include "memory/memory.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/fake_clock.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::memory;

namespace {

struct Store {
  explicit Store(const std::string& path = ":memory:") : database(std::move(*Database::open(path))) {
    auto opened = Memory::open(database, clock);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().text()));
    memory = std::move(*opened);
  }
  std::int64_t add(const std::string& task, const std::string& outcome, Scope scope = {},
                   std::string run = {}) {
    clock.advance(1000);
    auto id =
        memory->add({.scope = std::move(scope), .run_id = std::move(run), .task = task, .outcome = outcome});
    REQUIRE_MESSAGE(id.has_value(), (id ? "" : id.error().text()));
    return *id;
  }
  std::vector<std::int64_t> ids(std::string_view query, const Scope& scope = {}, std::size_t count = 10) {
    auto found = memory->search(query, scope, count);
    REQUIRE_MESSAGE(found.has_value(), (found ? "" : found.error().text()));
    std::vector<std::int64_t> out;
    for (const auto& hit : *found) out.push_back(hit.episode.id);
    return out;
  }
  FakeClock clock;
  Database database;
  std::unique_ptr<Memory> memory;
};

using Ids = std::vector<std::int64_t>;

}  // namespace

TEST_SUITE("memory/memory") {
  TEST_CASE("an episode comes back verbatim, also after reopening the file") {
    ScratchDir scratch;
    std::int64_t id = 0;
    {
      Store store(scratch / "a.db");
      Episode episode{.scope = {.user = "mika", .agent = "day-out"},
                      .run_id = "r1",
                      .task = "Find\n\"coffee\"",
                      .outcome = "咖啡 ☕"};
      episode.details = Json{{"tools", {"maps_around_search"}}};
      id = store.memory->add(episode).value();
    }
    Store store(scratch / "a.db");
    auto episode = store.memory->get(id).value();
    REQUIRE(episode.has_value());
    CHECK(episode->task == "Find\n\"coffee\"");
    CHECK(episode->outcome == "咖啡 ☕");
    CHECK(episode->scope.print() == "user=mika,agent=day-out");
    CHECK(episode->run_id == "r1");
    CHECK(episode->at_ms == FakeClock().wall_ms());
    CHECK(episode->details.print() == R"({"tools":["maps_around_search"]})");
    CHECK_FALSE(store.memory->get(id + 1).value().has_value());
  }

  TEST_CASE("the episode of a run is remembered once") {
    Store store;
    const auto first = store.add("task", "one", {}, "r1");
    CHECK(store.add("task", "another", {}, "r1") == first);
    CHECK(store.memory->list({}, 10, 0)->size() == 1);
    CHECK(store.memory->get(first).value()->outcome == "one");
    CHECK(store.add("no run", "x") != store.add("no run", "x"));
  }

  TEST_CASE("the better match comes first, and word forms and accents do not matter") {
    Store store;
    const auto cafe = store.add("Find a quiet café near the river", "Café Lune, 200 m from the river");
    const auto museum = store.add("When does the museum near the river open?", "At nine");
    CHECK(store.ids("cafes by rivers") == Ids{cafe, museum});
    CHECK(store.ids("opening museums") == Ids{museum});
    CHECK(store.ids("railway").empty());
  }

  TEST_CASE("stop-words alone still find, but do not decide beside real words") {
    Store store;
    const auto who = store.add("The Who played here", "yes");
    const auto tea = store.add("tea", "what is it that you would like to have");
    CHECK(store.ids("the who") == Ids{who});
    CHECK(store.ids("what would you have with tea") == Ids{tea});
  }

  TEST_CASE("two-character and one-character Chinese and Japanese words are found") {
    Store store;
    const auto apple = store.add("帮我买苹果和牛奶", "好的");
    const auto tokyo = store.add("明日は東京タワーへ行きます", "はい");
    const auto seoul = store.add("서울에서 커피를 마시자", "네");
    CHECK(store.ids("苹果") == Ids{apple});
    CHECK(store.ids("東京") == Ids{tokyo});
    CHECK(store.ids("タワー") == Ids{tokyo});
    CHECK(store.ids("커피") == Ids{seoul});
    CHECK(store.ids("奶") == Ids{apple});
    CHECK(store.ids("北京").empty());
    CHECK(store.ids("买 apple 苹果 now") == Ids{apple});
  }

  TEST_CASE("full-width letters are the same letters") {
    Store store;
    const auto id = store.add("ＮＨＫホール１２", "ok");
    CHECK(store.ids("nhk") == Ids{id});
    CHECK(store.ids("12") == Ids{id});
  }

  TEST_CASE("a scope sees only its own, and an open key sees all its values") {
    Store store;
    const auto mika = store.add("book a train", "done", {.tenant = "a", .user = "mika", .agent = "trips"});
    const auto jun = store.add("book a train", "done", {.tenant = "a", .user = "jun", .agent = "trips"});
    const auto other =
        store.add("book a train", "done", {.tenant = "b", .user = "mika", .agent = "work", .session = "s1"});
    CHECK(store.ids("train", {.user = "mika"}) == Ids{other, mika});
    CHECK(store.ids("train", {.tenant = "a", .user = "mika"}) == Ids{mika});
    CHECK(store.ids("train", {.agent = "trips"}) == Ids{jun, mika});
    CHECK(store.ids("train", {.session = "s1"}) == Ids{other});
    CHECK(store.ids("train", {.user = "nobody"}).empty());
    CHECK(store.memory->list({.user = "mika"}, 10, 0)->size() == 2);
  }

  TEST_CASE("equal matches are ordered newest first, always the same way") {
    Store store;
    Ids expected;
    for (int i = 0; i < 5; ++i) expected.insert(expected.begin(), store.add("same words", "same answer"));
    for (int i = 0; i < 3; ++i) CHECK(store.ids("same") == expected);
    CHECK(store.ids("same", {}, 2) == Ids(expected.begin(), expected.begin() + 2));
  }

  TEST_CASE("rows with every word win over rows with some when there are enough of them") {
    Store store;
    const auto some = store.add("museum museum museum museum", "museum");
    const auto both =
        store.add("a long walk from the old harbour to the museum by the sea, then lunch", "fine");
    CHECK(store.ids("harbour museum", {}, 1) == Ids{both});
    CHECK(store.ids("harbour museum", {}, 2).size() == 2);
    CHECK(store.ids("museum", {}, 1) == Ids{some});
  }

  TEST_CASE("whatever a query holds, it is only words") {
    Store store;
    const auto id = store.add("near the gate", "x");
    for (const std::string query : {"\"",
                                    "\"\"\"",
                                    "*",
                                    "gate*",
                                    "task:gate",
                                    "-gate",
                                    "gate AND",
                                    "OR",
                                    "NOT gate",
                                    "NEAR(gate, 2)",
                                    "(",
                                    ")",
                                    "{task outcome}: gate",
                                    "^gate",
                                    "gate + near",
                                    "'; DROP TABLE episode; --",
                                    "\xff\xfe",
                                    "—",
                                    "“gate”",
                                    "🙂",
                                    "´",
                                    "\n\t",
                                    "",
                                    " ",
                                    "gate\x01",
                                    "·",
                                    "ー",
                                    "~",
                                    "¿?",
                                    "\xcc\x81"}) {
      CAPTURE(query);
      CHECK(store.memory->search(query, {}, 10).has_value());
    }
    CHECK(store.ids(std::string("a\0gate", 6)) == Ids{id});
    CHECK(store.ids("NOT gate") == Ids{id});
    CHECK(store.ids("“gate”") == Ids{id});
    std::string huge;
    for (int i = 0; i < 20'000; ++i) huge += "word" + std::to_string(i) + " ";
    CHECK(store.ids(huge).empty());
  }

  TEST_CASE("the list is newest first, in pages") {
    Store store;
    const auto first = store.add("one", ""), second = store.add("two", ""), third = store.add("three", "");
    auto page = store.memory->list({}, 2, 0).value();
    REQUIRE(page.size() == 2);
    CHECK(page[0].id == third);
    CHECK(page[1].id == second);
    page = store.memory->list({}, 2, 2).value();
    REQUIRE(page.size() == 1);
    CHECK(page[0].id == first);
  }

  TEST_CASE("an episode beyond the limit is refused whole") {
    Store store;
    auto added = store.memory->add({.task = std::string(17u << 20, 'x')});
    REQUIRE_FALSE(added.has_value());
    CHECK(added.error().code() == Code::kExhausted);
    CHECK(store.memory->list({}, 10, 0)->empty());
  }

  TEST_CASE("forgetting leaves no byte in any file, and neighbours can still be found") {
    ScratchDir scratch;
    Store store(scratch / "a.db");
    const std::string secret = "xyzzyplugh";
    for (int i = 0; i < 30; ++i) store.add("apples " + std::to_string(i), "fine", {.user = "jun"});
    const auto one = store.add("the password is " + secret, "noted " + secret, {.user = "mika"});
    store.add(secret + " 苹果手机 again", "ok", {.user = "mika"});
    store.add("pears", "ok", {.user = "jun"});
    auto files_with = [&](const std::string& needle) {
      int files = 0;
      for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) {
        files += read_file(entry.path().string()).find(needle) != std::string::npos ? 1 : 0;
      }
      return files;
    };
    CHECK(files_with(secret) > 0);
    CHECK(store.memory->forget(one).value() == 1);
    CHECK(store.memory->forget(one).value() == 0);
    CHECK(store.ids(secret).size() == 1);
    CHECK(store.memory->forget(Scope{.user = "mika"}).value() == 1);
    CHECK(files_with(secret) == 0);
    CHECK(files_with("xyzzyplug") == 0);  // As the index would hold it, stemmed.
    CHECK(files_with("苹果") == 0);
    CHECK(store.ids("apples", {}, 100).size() == 30);
    CHECK(store.ids("pear").size() == 1);
    CHECK(store.memory->forget(Scope{}).error().code() == Code::kInvalidArgument);
    auto check = store.database.prepare("INSERT INTO episode_text(episode_text) VALUES('integrity-check')");
    CHECK(check->run().has_value());
  }

  TEST_CASE("what was acknowledged survives kill -9") {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    {
      Store store(path);
    }
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      FakeClock clock;
      auto database = Database::open(path);
      auto memory = Memory::open(*database, clock);
      for (std::int64_t i = 0;; ++i) {
        auto id =
            (*memory)->add({.run_id = "r" + std::to_string(i), .task = "remember apples", .outcome = "ok"});
        if (!id || write(pipe_ends[1], &*id, sizeof *id) != sizeof *id) _exit(1);
      }
    }
    close(pipe_ends[1]);
    std::int64_t acknowledged = 0;
    for (int i = 0; i < 20; ++i)
      REQUIRE(read(pipe_ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged);
    kill(child, SIGKILL);
    while (read(pipe_ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    close(pipe_ends[0]);
    waitpid(child, nullptr, 0);
    Store store(path);
    CHECK(store.memory->get(acknowledged).value().has_value());
    CHECK(store.ids("apple", {}, 1000).size() >= static_cast<std::size_t>(acknowledged));
  }
}

TEST_SUITE("memory/scope") {
  TEST_CASE("a scope is read and printed in one form") {
    CHECK(Scope::parse(" agent=day-out , user=mika")->print() == "user=mika,agent=day-out");
    CHECK(Scope::parse("")->print().empty());
    CHECK(Scope::parse("tenant=a=b")->tenant == "a=b");
  }
  TEST_CASE("what is wrong with a scope is said with the nearest key") {
    auto wrong = Scope::parse("usr=mika");
    REQUIRE_FALSE(wrong.has_value());
    CHECK(wrong.error().code() == Code::kInvalidArgument);
    CHECK(wrong.error().text().find("did you mean \"user\"?") != std::string::npos);
    CHECK_FALSE(Scope::parse("user").has_value());
    CHECK_FALSE(Scope::parse("user=").has_value());
    CHECK_FALSE(Scope::parse("user=a,user=b").has_value());
    CHECK_FALSE(Scope::parse("user=a,,agent=b").has_value());
  }
}
