// What other processes leave for a run: people's decisions and signals. They lie in tables of their own until
// the run's owner takes them into the chain, in the transaction that marks them taken: so each is applied
// once, whatever dies when.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/journal_chain.h"
#include "agent/journal_sqlite.h"
#include "base/hash.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::int64_t kPendingMax = 1000;  // Signals of one run not yet taken; approvals told at once.
constexpr std::size_t kSignalBytesMax = 1u << 20;

std::string digest_of(const std::string& tool, const Json& arguments) {
  return sha256_hex(print_json(Json::array({tool, arguments})));
}

Approval::Decision decision_named(const std::string& text) {
  if (text == "allowed") return Approval::Decision::kAllowed;
  if (text == "denied") return Approval::Decision::kDenied;
  return Approval::Decision::kPending;
}

}  // namespace

Result<std::vector<Approval>> SqliteJournal::approvals(std::string_view where,
                                                       const std::vector<std::string>& arguments) {
  TSUKAI_TRY(auto rows, database_.prepare(fmt::format(
                            "SELECT run_id, step_key, tool, digest, arguments, why, asked_ms, decision, "
                            "given_by, reason, given_ms, used FROM approval WHERE {} ORDER BY n LIMIT {}",
                            where, kPendingMax)));
  for (std::size_t i = 0; i < arguments.size(); ++i) rows.bind(static_cast<int>(i + 1), arguments[i]);
  std::vector<Approval> found;
  for (;;) {
    TSUKAI_TRY(const bool more, rows.step());
    if (!more) return found;
    Approval approval;
    approval.run = rows.text(0);
    approval.step_key = rows.text(1);
    approval.tool = rows.text(2);
    approval.digest = rows.text(3);
    TSUKAI_TRY(Json parsed, parse_json(rows.text(4)));
    approval.arguments = std::move(parsed);
    approval.why = rows.text(5);
    approval.asked_ms = rows.integer(6);
    approval.decision = decision_named(rows.text(7));
    approval.by = rows.text(8);
    approval.reason = rows.text(9);
    approval.given_ms = rows.integer(10);
    approval.used = rows.integer(11) != 0;
    found.push_back(std::move(approval));
  }
}

Result<Approval> SqliteJournal::ask_approval(const std::string& run, const std::string& step_key,
                                             const std::string& tool, const Json& arguments,
                                             const std::string& why) {
  const std::string digest = digest_of(tool, arguments);
  Approval asked;
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY(Head head, open_head_of(run));
    TSUKAI_TRY_VOID(own(run));
    TSUKAI_TRY(auto known, approvals("run_id=?1 AND step_key=?2 AND digest=?3", {run, step_key, digest}));
    if (!known.empty()) {
      asked = std::move(known.front());
      return {};
    }
    asked.run = run;
    asked.step_key = step_key;
    asked.tool = tool;
    asked.digest = digest;
    asked.arguments = arguments;
    asked.why = why;
    asked.asked_ms = clock_.wall_ms();
    static constexpr char kSql[] =
        "INSERT INTO approval(run_id, step_key, tool, digest, arguments, why, asked_ms) VALUES(?1, ?2, ?3, "
        "?4, ?5, ?6, ?7)";
    TSUKAI_TRY(auto* insert, prepared(kSql));
    insert->bind(1, run)
        .bind(2, step_key)
        .bind(3, tool)
        .bind(4, digest)
        .bind(5, print_json(arguments))
        .bind(6, why);
    TSUKAI_TRY_VOID(insert->bind(7, asked.asked_ms).run());
    const Json payload = {{"tool", tool}, {"arguments", arguments}, {"digest", digest}, {"why", why}};
    TSUKAI_TRY_VOID(append_one(run, head, {Kind::kApprovalAsked, step_key, 1, payload_body(payload)}));
    return store_state(run, RunState::kWaiting);
  });
  if (!written) return fail(std::move(written).error().in("journal: ask approval"));
  return asked;
}

Result<Approval> SqliteJournal::give_approval(const std::string& run, const std::string& step_key,
                                              bool allowed, const std::string& by,
                                              const std::string& reason) {
  Approval given;
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY_VOID(open_head_of(run));
    TSUKAI_TRY(auto asked, approvals("run_id=?1 AND step_key=?2", {run, step_key}));
    if (asked.empty()) {
      return fail(Code::kNotFound, fmt::format("run {} asked nobody about {}", run, step_key),
                  fmt::format("see what it asks: tsukai runs show {}", run));
    }
    given = std::move(asked.back());  // A step that was planned anew asks again: the last is meant.
    if (given.decision != Approval::Decision::kPending) {
      return fail(
          Code::kInvalidArgument,
          fmt::format("{} of run {} was already {} by {}", step_key, run,
                      given.decision == Approval::Decision::kAllowed ? "allowed" : "denied", given.by));
    }
    given.decision = allowed ? Approval::Decision::kAllowed : Approval::Decision::kDenied;
    given.by = repaired_utf8(by);
    given.reason = repaired_utf8(reason);
    given.given_ms = clock_.wall_ms();
    static constexpr char kSql[] =
        "UPDATE approval SET decision=?4, given_by=?5, reason=?6, given_ms=?7 WHERE run_id=?1 AND "
        "step_key=?2 AND digest=?3";
    TSUKAI_TRY(auto* update, prepared(kSql));
    update->bind(1, run).bind(2, step_key).bind(3, given.digest).bind(4, allowed ? "allowed" : "denied");
    return update->bind(5, given.by).bind(6, given.reason).bind(7, given.given_ms).run();
  });
  if (!written) return fail(std::move(written).error().in("journal: approve"));
  return given;
}

Result<std::optional<Approval>> SqliteJournal::use_approval(const std::string& run,
                                                            const std::string& step_key,
                                                            const std::string& tool, const Json& arguments) {
  const std::string digest = digest_of(tool, arguments);
  std::optional<Approval> used;
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY(Head head, open_head_of(run));
    TSUKAI_TRY_VOID(own(run));
    TSUKAI_TRY(auto asked, approvals("run_id=?1 AND step_key=?2", {run, step_key}));
    for (auto& approval : asked) {
      if (approval.digest == digest) used = std::move(approval);
    }
    if (!used) {
      return fail(Code::kDenied,
                  fmt::format("{} of run {} was never asked about with these arguments", step_key, run));
    }
    if (used->used)
      return fail(Code::kDenied, fmt::format("the approval of {} of run {} was used already", step_key, run));
    if (used->decision == Approval::Decision::kPending) {
      used.reset();
      return {};
    }
    static constexpr char kSql[] = "UPDATE approval SET used=1 WHERE run_id=?1 AND step_key=?2 AND digest=?3";
    TSUKAI_TRY(auto* update, prepared(kSql));
    TSUKAI_TRY_VOID(update->bind(1, run).bind(2, step_key).bind(3, digest).run());
    const Json payload = {{"tool", tool},
                          {"digest", digest},
                          {"allowed", used->decision == Approval::Decision::kAllowed},
                          {"by", used->by},
                          {"reason", used->reason},
                          {"given_ms", used->given_ms}};
    TSUKAI_TRY_VOID(append_one(run, head, {Kind::kApprovalGiven, step_key, 1, payload_body(payload)}));
    used->used = true;
    TSUKAI_TRY(auto waiting, approvals("run_id=?1 AND used=0", {run}));
    return waiting.empty() ? store_state(run, RunState::kRunning) : Result<void>();
  });
  if (!written) return fail(std::move(written).error().in("journal: use approval"));
  return used;
}

Result<std::vector<Approval>> SqliteJournal::pending_approvals(const std::string& run) {
  if (run.empty())
    return approvals(
        "decision='pending' AND run_id IN (SELECT id FROM run WHERE state IN ('running', 'waiting'))", {});
  return approvals("decision='pending' AND run_id=?1", {run});
}

Result<std::int64_t> SqliteJournal::send_signal(const std::string& run, const std::string& name,
                                                const Json& payload) {
  const std::string body = print_json(payload);
  if (body.size() + name.size() > kSignalBytesMax) {
    return fail(Code::kExhausted, fmt::format("a signal may hold at most {} bytes", kSignalBytesMax));
  }
  std::int64_t id = 0;
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY_VOID(open_head_of(run));
    TSUKAI_TRY(auto count, database_.prepare("SELECT count(*) FROM signal WHERE run_id=?1 AND taken=0"));
    TSUKAI_TRY_VOID(count.bind(1, run).step());
    if (count.integer(0) >= kPendingMax) {
      return fail(Code::kExhausted,
                  fmt::format("{} signals are waiting for run {} already", kPendingMax, run));
    }
    static constexpr char kSql[] = "INSERT INTO signal(run_id, name, payload, at_ms) VALUES(?1, ?2, ?3, ?4)";
    TSUKAI_TRY(auto* insert, prepared(kSql));
    TSUKAI_TRY_VOID(insert->bind(1, run).bind(2, name).bind(3, body).bind(4, clock_.wall_ms()).run());
    id = database_.last_insert_id();
    return {};
  });
  if (!written) return fail(std::move(written).error().in("journal: signal"));
  return id;
}

Result<bool> SqliteJournal::has_word(const std::string& run) {
  static constexpr char kSql[] =
      "SELECT EXISTS(SELECT 1 FROM approval WHERE run_id=?1 AND decision<>'pending' AND used=0) OR "
      "EXISTS(SELECT 1 FROM signal WHERE run_id=?1 AND taken=0)";
  TSUKAI_TRY(auto row, database_.prepare(kSql));
  TSUKAI_TRY_VOID(row.bind(1, run).step());
  return row.integer(0) != 0;
}

Result<std::int64_t> SqliteJournal::data_version() {
  TSUKAI_TRY(auto row, database_.prepare("PRAGMA data_version"));
  TSUKAI_TRY_VOID(row.step());
  return row.integer(0);
}

Result<std::vector<Signal>> SqliteJournal::take_signals(const std::string& run) {
  std::vector<Signal> signals;
  auto written = database_.write([&]() -> Result<void> {
    TSUKAI_TRY(Head head, open_head_of(run));
    TSUKAI_TRY_VOID(own(run));
    {
      TSUKAI_TRY(auto rows,
                 database_.prepare(
                     "SELECT id, name, payload, at_ms FROM signal WHERE run_id=?1 AND taken=0 ORDER BY id"));
      rows.bind(1, run);
      for (;;) {
        TSUKAI_TRY(const bool more, rows.step());
        if (!more) break;
        TSUKAI_TRY(Json payload, parse_json(rows.text(2)));
        signals.push_back({rows.integer(0), rows.text(1), std::move(payload), rows.integer(3)});
      }
    }
    for (const Signal& signal : signals) {
      const Json payload = {
          {"id", signal.id}, {"name", signal.name}, {"payload", *signal.payload}, {"sent_ms", signal.at_ms}};
      TSUKAI_TRY_VOID(append_one(run, head, {Kind::kSignal, "", 1, payload_body(payload)}));
    }
    TSUKAI_TRY(auto taken, database_.prepare("UPDATE signal SET taken=1 WHERE run_id=?1 AND taken=0"));
    return taken.bind(1, run).run();
  });
  if (!written) return fail(std::move(written).error().in("journal: take signals"));
  return signals;
}

}  // namespace tsukai::agent
