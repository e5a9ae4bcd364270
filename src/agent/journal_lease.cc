// One owner a run: a lease that lasts a while, and a fencing number that every append of an earlier owner
// fails on.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/journal_chain.h"
#include "agent/journal_owner.h"
#include "agent/journal_sqlite.h"

namespace tsukai::agent {

Result<Lease> SqliteJournal::lease_of(const std::string& run) {
  static constexpr char kSql[] = "SELECT owner, fence, until_ms FROM lease WHERE run_id=?1";
  TSUKAI_TRY(auto* row, prepared(kSql));
  row->bind(1, run);
  TSUKAI_TRY(const bool found, row->step());
  if (!found) return Lease{run, "", 0, 0};
  Lease lease{run, row->text(0), row->integer(1), row->integer(2)};
  row->reset();
  return lease;
}

Result<void> SqliteJournal::store_lease(const Lease& lease) {
  static constexpr char kSql[] =
      "INSERT INTO lease(run_id, owner, fence, until_ms) VALUES(?1, ?2, ?3, ?4) "
      "ON CONFLICT(run_id) DO UPDATE SET owner=excluded.owner, fence=excluded.fence, "
      "until_ms=excluded.until_ms";
  TSUKAI_TRY(auto* upsert, prepared(kSql));
  return upsert->bind(1, lease.run).bind(2, lease.owner).bind(3, lease.fence).bind(4, lease.until_ms).run();
}

Result<void> SqliteJournal::own(const std::string& run) {
  TSUKAI_TRY(Lease lease, lease_of(run));
  const auto held = held_.find(run);
  // An expired lease that nobody took is still ours: the fencing number decides, not the clock.
  if (held == held_.end() || held->second.fence != lease.fence || lease.owner != owner_) {
    return fail(Code::kDenied,
                lease.owner.empty() ? fmt::format("run {} is not owned by this process", run)
                                    : fmt::format("run {} is owned by {}", run, describe_owner(lease.owner)),
                fmt::format("take it over when that has ended: tsukai runs resume {}", run));
  }
  // Renewed once a quarter of it has passed, not by every row: each time is one more page for the disk.
  const std::int64_t now_ms = clock_.wall_ms(), lease_ms = held->second.lease_ms;
  if (lease.until_ms - now_ms > lease_ms - lease_ms / 4) return {};
  lease.until_ms = now_ms + lease_ms;
  return store_lease(lease);
}

Result<Lease> SqliteJournal::take_lease(const std::string& run, std::int64_t lease_ms) {
  if (lease_ms <= 0) return fail(Code::kInvalidArgument, "a lease must last");
  Lease taken;
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY(Head head, open_head_of(run));
    TSUKAI_TRY(Lease lease, lease_of(run));
    const std::int64_t now_ms = clock_.wall_ms();
    const auto held = held_.find(run);
    if (lease.owner == owner_ && held != held_.end() && held->second.fence == lease.fence) {
      taken = {run, owner_, lease.fence, now_ms + lease_ms};
      return store_lease(taken);
    }
    if (!lease.owner.empty() && lease.until_ms > now_ms && owner_alive(lease.owner)) {
      return fail(
          Code::kDenied, fmt::format("run {} is being worked on by {}", run, describe_owner(lease.owner)),
          fmt::format("wait for it, end it, or try again in {} s", (lease.until_ms - now_ms + 999) / 1000));
    }
    taken = {run, owner_, lease.fence + 1, now_ms + lease_ms};
    TSUKAI_TRY_VOID(store_lease(taken));
    const Json payload = {{"owner", owner_}, {"fence", taken.fence}, {"before", lease.owner}};
    TSUKAI_TRY_VOID(append_one(run, head, {Kind::kLeaseTaken, "", 1, payload_body(payload)}));
    return {};
  });
  if (!written) return fail(std::move(written).error().in("journal: take lease"));
  held_[run] = {taken.fence, lease_ms};
  return taken;
}

Result<bool> SqliteJournal::at_work(const std::string& run) {
  TSUKAI_TRY(const Lease lease, lease_of(run));
  return !lease.owner.empty() && lease.until_ms > clock_.wall_ms() && owner_alive(lease.owner);
}

Result<void> SqliteJournal::release_lease(const std::string& run) {
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY(Lease lease, lease_of(run));
    const auto held = held_.find(run);
    if (lease.owner != owner_ || held == held_.end() || held->second.fence != lease.fence) return {};
    // The number stays, so that it grows for ever.
    return store_lease({run, "", lease.fence, 0});
  });
  if (!written) return fail(std::move(written).error().in("journal: release lease"));
  held_.erase(run);
  return {};
}

Result<std::vector<Row>> SqliteJournal::park(const std::string& run, const std::vector<Entry>& entries) {
  std::vector<Row> rows;
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY(rows, append_within(run, entries));
    return store_state(run, RunState::kWaiting);
  });
  if (!written) return fail(std::move(written).error().in("journal: park"));
  return rows;
}

Result<void> SqliteJournal::set_state(const std::string& run, RunState state) {
  if (state != RunState::kRunning && state != RunState::kWaiting) {
    return fail(Code::kInvalidArgument, fmt::format("\"{}\" is reached by finish_run alone", name(state)));
  }
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY_VOID(open_head_of(run));
    TSUKAI_TRY_VOID(own(run));
    return store_state(run, state);
  });
  if (!written) return fail(std::move(written).error().in("journal: set state"));
  return {};
}

}  // namespace tsukai::agent
