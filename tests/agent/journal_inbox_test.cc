#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "agent/journal_store.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

const Json kPay = {{"amount", 60}, {"currency", "CNY"}};

}  // namespace

TEST_SUITE("agent/journal/approvals") {
  TEST_CASE("a run asks, waits, is allowed from another process, and goes on once") {
    ScratchDir scratch;
    JournalStore mine(scratch / "a.db"), person(scratch / "a.db");
    const std::string run = mine.start();
    REQUIRE(mine.journal->ask_approval(run, "step-2/call-1", "shop.pay", kPay, "ask: shop.pay (line 14)")
                .has_value());
    CHECK(mine.journal->find(run)->state == RunState::kWaiting);
    CHECK_FALSE(mine.journal->use_approval(run, "step-2/call-1", "shop.pay", kPay)->has_value());

    const auto pending = person.journal->pending_approvals("").value();
    REQUIRE(pending.size() == 1);
    CHECK(pending[0].run == run);
    CHECK(pending[0].tool == "shop.pay");
    CHECK(pending[0].arguments.get() == kPay);
    CHECK(pending[0].why == "ask: shop.pay (line 14)");
    REQUIRE(person.journal->give_approval(run, "step-2/call-1", true, "mika", "looks right").has_value());
    CHECK(person.journal->pending_approvals(run)->empty());

    const auto used = mine.journal->use_approval(run, "step-2/call-1", "shop.pay", kPay).value();
    REQUIRE(used.has_value());
    CHECK(used->decision == Approval::Decision::kAllowed);
    CHECK(used->by == "mika");
    CHECK(mine.journal->find(run)->state == RunState::kRunning);
    CHECK(mine.kinds(run) ==
          std::vector<Kind>{Kind::kRunStarted, Kind::kApprovalAsked, Kind::kApprovalGiven});
    CHECK(mine.journal->rows(run)->back().payload->at("by") == "mika");
    CHECK(mine.journal->use_approval(run, "step-2/call-1", "shop.pay", kPay).error().code() == Code::kDenied);
    CHECK(mine.defects(run).empty());
  }

  TEST_CASE("a decision holds for exactly these arguments of exactly this tool") {
    JournalStore store;
    const std::string run = store.start();
    REQUIRE(store.journal->ask_approval(run, "s", "shop.pay", kPay, "").has_value());
    REQUIRE(store.journal->give_approval(run, "s", true, "mika", "").has_value());
    Json more = kPay;
    more["amount"] = 61;
    CHECK(store.journal->use_approval(run, "s", "shop.pay", more).error().code() == Code::kDenied);
    CHECK(store.journal->use_approval(run, "s", "shop.refund", kPay).error().code() == Code::kDenied);
    CHECK(store.journal->use_approval(run, "other", "shop.pay", kPay).error().code() == Code::kDenied);
    CHECK(store.journal->use_approval(run, "s", "shop.pay", kPay)->has_value());
  }

  TEST_CASE("a decision is given once, may be no, and only to who asked") {
    JournalStore store;
    const std::string run = store.start();
    CHECK(store.journal->give_approval(run, "s", true, "mika", "").error().code() == Code::kNotFound);
    REQUIRE(store.journal->ask_approval(run, "s", "shop.pay", kPay, "").has_value());
    REQUIRE(store.journal->give_approval(run, "s", false, "mika", "too dear").has_value());
    const auto again = store.journal->give_approval(run, "s", true, "jun", "");
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().text().find("already denied by mika") != std::string::npos);
    const auto used = store.journal->use_approval(run, "s", "shop.pay", kPay).value();
    CHECK(used->decision == Approval::Decision::kDenied);
    CHECK(used->reason == "too dear");
  }

  TEST_CASE(
      "asking again after a crash changes nothing; two questions keep the run waiting until both are used") {
    JournalStore store;
    const std::string run = store.start();
    REQUIRE(store.journal->ask_approval(run, "a", "shop.pay", kPay, "").has_value());
    REQUIRE(store.journal->ask_approval(run, "a", "shop.pay", kPay, "").has_value());
    REQUIRE(store.journal->ask_approval(run, "b", "shop.pay", kPay, "").has_value());
    CHECK(store.journal->rows(run)->size() == 3);
    REQUIRE(store.journal->give_approval(run, "a", true, "m", "").has_value());
    REQUIRE(store.journal->use_approval(run, "a", "shop.pay", kPay).value().has_value());
    CHECK(store.journal->find(run)->state == RunState::kWaiting);
    REQUIRE(store.journal->give_approval(run, "b", true, "m", "").has_value());
    REQUIRE(store.journal->use_approval(run, "b", "shop.pay", kPay).value().has_value());
    CHECK(store.journal->find(run)->state == RunState::kRunning);
  }
}

TEST_SUITE("agent/journal/signals") {
  TEST_CASE("a signal arrives once, in order, also when its first owner died before it was taken") {
    ScratchDir scratch;
    JournalStore mine(scratch / "a.db"), other(scratch / "a.db");
    const std::string run = mine.start();
    REQUIRE(other.journal->send_signal(run, "note", Json{{"n", 1}}).has_value());
    REQUIRE(other.journal->send_signal(run, "cancel", {}).has_value());
    REQUIRE(mine.journal->release_lease(run).has_value());
    REQUIRE(other.journal->take_lease(run).has_value());
    const auto signals = other.journal->take_signals(run).value();
    REQUIRE(signals.size() == 2);
    CHECK(signals[0].name == "note");
    CHECK(signals[0].payload->at("n") == 1);
    CHECK(signals[1].name == "cancel");
    CHECK(other.journal->take_signals(run)->empty());
    CHECK(other.kinds(run) ==
          std::vector<Kind>{Kind::kRunStarted, Kind::kLeaseTaken, Kind::kSignal, Kind::kSignal});
    CHECK(mine.journal->take_signals(run).error().code() == Code::kDenied);
  }

  TEST_CASE("signals have limits, and an ended run takes none") {
    JournalStore store;
    const std::string run = store.start();
    CHECK(store.journal->send_signal(run, "big", std::string(2u << 20, 'x')).error().code() ==
          Code::kExhausted);
    REQUIRE(store.database
                .write([&]() -> Result<void> {
                  for (int i = 0; i < 1000; ++i) TSUKAI_TRY_VOID(store.journal->send_signal(run, "n", {}));
                  return {};
                })
                .has_value());
    CHECK(store.journal->send_signal(run, "n", {}).error().code() == Code::kExhausted);
    store.finish(run);
    CHECK(store.journal->send_signal(run, "n", {}).error().code() == Code::kInvalidArgument);
    CHECK(store.journal->send_signal("nosuch", "n", {}).error().code() == Code::kNotFound);
  }
}
