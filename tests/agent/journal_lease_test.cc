#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/journal_owner.h"
#include "agent/journal_store.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

TEST_SUITE("agent/journal/lease") {
  TEST_CASE("only the owner appends; another is told who owns the run and what to do") {
    ScratchDir scratch;
    JournalStore mine(scratch / "a.db"), theirs(scratch / "a.db");
    const std::string run = mine.short_run(false);
    auto refused = theirs.journal->append(run, Kind::kRecalled, "", 1, {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code() == Code::kDenied);
    CHECK(refused.error().text().find("process " + std::to_string(getpid())) != std::string::npos);
    CHECK(theirs.journal->finish_run(run, RunState::kDone, "", {}).error().code() == Code::kDenied);
    CHECK(theirs.journal->take_lease(run).error().code() == Code::kDenied);
    CHECK(mine.journal->rows(run)->size() == 4);
  }

  TEST_CASE("after the lease has run out another takes over, and the old owner can append nothing more") {
    ScratchDir scratch;
    JournalStore mine(scratch / "a.db"), theirs(scratch / "a.db");
    const std::string run = mine.short_run(false);
    theirs.clock.advance(kLeaseMs + 1000);
    const auto lease = theirs.journal->take_lease(run).value();
    CHECK(lease.fence == 2);
    // The old owner wakes up and believes that it still owns the run.
    CHECK(mine.journal->append(run, Kind::kToolResult, "late", 1, {}).error().code() == Code::kDenied);
    theirs.append(run, Kind::kToolResult, "step-1/call-1", {{"text", "42"}});
    CHECK(theirs.kinds(run).at(4) == Kind::kLeaseTaken);
    CHECK(theirs.journal->rows(run)->at(4).payload->at("fence") == 2);
    CHECK(theirs.defects(run).empty());
  }

  TEST_CASE("an expired lease that nobody took is still good, and appending renews it") {
    ScratchDir scratch;
    JournalStore mine(scratch / "a.db"), theirs(scratch / "a.db");
    const std::string run = mine.start();
    mine.clock.advance(10 * kLeaseMs);
    mine.append(run, Kind::kRecalled, "", {});
    theirs.clock.advance(10 * kLeaseMs + kLeaseMs / 2);
    CHECK(theirs.journal->take_lease(run).error().code() == Code::kDenied);
  }

  TEST_CASE("a released run is free at once, and the number grows with each owner") {
    ScratchDir scratch;
    JournalStore mine(scratch / "a.db"), theirs(scratch / "a.db");
    const std::string run = mine.start();
    CHECK(mine.journal->take_lease(run)->fence == 1);
    REQUIRE(mine.journal->release_lease(run).has_value());
    CHECK(mine.journal->append(run, Kind::kRecalled, "", 1, {}).error().code() == Code::kDenied);
    CHECK(theirs.journal->take_lease(run)->fence == 2);
    REQUIRE(theirs.journal->release_lease(run).has_value());
    CHECK(mine.journal->take_lease(run)->fence == 3);
    REQUIRE(theirs.journal->release_lease(run).has_value());  // Not the owner: nothing happens.
    mine.append(run, Kind::kRecalled, "", {});
  }

  TEST_CASE("the run of a process that was killed is free at once") {
    ScratchDir scratch;
    const std::string path = scratch / "a.db";
    {
      JournalStore store(path);
    }
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      FakeClock clock;
      auto database = Database::open(path);
      auto journal = Journal::open(*database, clock);
      auto run = (*journal)->start_run("a", "t", "u", {});
      if (!run || write(ends[1], run->data(), run->size()) < 0) _exit(1);
      pause();
    }
    std::string run(12, '\0');
    REQUIRE(read(ends[0], run.data(), run.size()) == 12);
    JournalStore store(path);
    CHECK(store.journal->take_lease(run).error().code() == Code::kDenied);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK(store.journal->take_lease(run)->fence == 2);
    close(ends[0]);
    close(ends[1]);
  }

  TEST_CASE("an ended run can't be taken, and waiting is a state the owner sets") {
    JournalStore store;
    const std::string run = store.start();
    REQUIRE(store.journal->set_state(run, RunState::kWaiting).has_value());
    CHECK(store.journal->find(run)->state == RunState::kWaiting);
    CHECK_FALSE(store.journal->set_state(run, RunState::kDone).has_value());
    REQUIRE(store.journal->set_state(run, RunState::kRunning).has_value());
    REQUIRE(store.journal->park(run, {{Kind::kToolUnknown, "step-1/call-1", 1, Json{{"tool", "shop.pay"}}}})
                .has_value());
    CHECK(store.journal->find(run)->state == RunState::kWaiting);
    CHECK(store.kinds(run).back() == Kind::kToolUnknown);
    store.finish(run);
    CHECK(store.journal->take_lease(run).error().code() == Code::kInvalidArgument);
    CHECK_FALSE(store.journal->set_state(run, RunState::kWaiting).has_value());
  }

  TEST_CASE("an owner is alive as long as its very process is") {
    CHECK(owner_alive(new_owner()));
    CHECK(new_owner() != new_owner());
    auto parts = new_owner();
    CHECK_FALSE(owner_alive(parts.substr(0, parts.find('/')) + "/1/" +
                            parts.substr(parts.find('/', parts.find('/') + 1) + 1)));
    CHECK_FALSE(owner_alive("1/1/another-boot/abc"));
    CHECK(owner_alive("who knows"));
  }
}
