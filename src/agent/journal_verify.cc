#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/journal_chain.h"
#include "agent/journal_sqlite.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kDefectsMax = 100;  // Told; a chain with more is lost anyway.

// The columns of table run that its first and last payloads vouch for.
void compare_columns(const Json& expected, const Json& columns, std::int64_t seq,
                     std::vector<std::string>& defects) {
  for (const auto& [key, value] : expected.items()) {
    const Json* column = tsukai::find(columns, key);
    if (column != nullptr && *column != value) {
      defects.push_back(fmt::format("run.{} is not what row {} recorded", key, seq));
    }
  }
}

}  // namespace

Result<std::vector<std::string>> SqliteJournal::verify(const std::string& run) {
  std::vector<std::string> defects;
  TSUKAI_TRY(
      auto summary,
      database_.prepare("SELECT agent, task, user, state, started_ms, ended_ms, rows, head, answer, totals "
                        "FROM run WHERE id=?1"));
  summary.bind(1, run);
  TSUKAI_TRY(const bool found, summary.step());
  if (!found) return fail(Code::kNotFound, fmt::format("there is no run {}", run));
  const Json columns = {{"agent", summary.text(0)},         {"task", summary.text(1)},
                        {"user", summary.text(2)},          {"state", summary.text(3)},
                        {"started_ms", summary.integer(4)}, {"ended_ms", summary.integer(5)},
                        {"answer", summary.text(8)},        {"totals", summary.text(9)}};
  const std::int64_t rows_expected = summary.integer(6);
  const std::string head_expected = summary.text(7);

  TSUKAI_TRY(auto all,
             database_.prepare(
                 "SELECT j.seq, j.kind, j.step_key, j.attempt, j.at_ms, j.payload_sha256, j.prev_hash, "
                 "j.hash, p.id, p.salt, p.body FROM journal j LEFT JOIN payload p ON p.id=j.payload_id "
                 "WHERE j.run_id=?1 ORDER BY j.seq"));
  all.bind(1, run);
  std::string prev = chain_start(run);
  std::int64_t seq_expected = 1;
  bool ended = false;
  std::vector<std::int64_t>
      bodiless;  // Rows whose payload is gone; a later ERASED row must account for them.
  std::int64_t erased_up_to = 0;
  while (defects.size() < kDefectsMax) {
    TSUKAI_TRY(const bool more, all.step());
    if (!more) break;
    Row row;
    row.seq = all.integer(0);
    const std::string kind = all.text(1);
    row.step_key = all.text(2);
    row.attempt = static_cast<int>(all.integer(3));
    row.at_ms = all.integer(4);
    row.payload_sha256 = all.text(5);
    row.prev_hash = all.text(6);
    row.hash = all.text(7);
    if (row.seq != seq_expected) {
      defects.push_back(fmt::format("row {} is missing (the next is {})", seq_expected, row.seq));
    } else if (row.prev_hash != prev) {
      defects.push_back(fmt::format("row {}: prev_hash is not the hash of row {}", row.seq, row.seq - 1));
    }
    if (row_hash(run, row, kind) != row.hash || all.integer(3) != row.attempt) {
      defects.push_back(fmt::format(
          "row {}: kind, step_key, attempt, at_ms, payload_sha256, prev_hash or hash was changed", row.seq));
    }
    const bool is_erasure = kind == name(Kind::kErased);
    if (ended && !is_erasure)
      defects.push_back(fmt::format("row {} stands after the end of the run", row.seq));
    const bool is_end = kind == name(Kind::kRunDone) || kind == name(Kind::kCancelled);
    ended = ended || is_end;

    if (all.is_null(8)) {
      defects.push_back(fmt::format("row {}: payload_id names no payload", row.seq));
    } else if (all.is_null(10)) {
      bodiless.push_back(row.seq);
    } else {
      const std::string body = all.text(10);
      if (payload_hash(all.text(9), body) != row.payload_sha256) {
        defects.push_back(fmt::format("row {}: the payload (body, salt or payload_id) was changed", row.seq));
      } else if (is_erasure) {
        auto parsed = parse_json(body);
        const Json* data = parsed ? tsukai::find(*parsed, "data") : nullptr;
        if (data != nullptr) erased_up_to = integer_at(*data, "rows");
      } else if (row.seq == 1 || is_end) {
        auto parsed = parse_json(body);
        const Json* vouched = parsed ? tsukai::find(*parsed, "run") : nullptr;
        if (vouched == nullptr)
          defects.push_back(fmt::format("row {}: the payload does not describe the run", row.seq));
        else
          compare_columns(*vouched, columns, row.seq, defects);
      }
    }
    prev = row.hash;
    seq_expected = row.seq + 1;
  }
  if (defects.size() >= kDefectsMax) {
    defects.push_back("and more");
    return defects;
  }
  for (const std::int64_t seq : bodiless) {
    if (seq > erased_up_to) defects.push_back(fmt::format("row {}: the payload's body is gone", seq));
  }
  if (seq_expected - 1 != rows_expected) {
    defects.push_back(
        fmt::format("run.rows says {}, but the last row is {}", rows_expected, seq_expected - 1));
  }
  if (prev != head_expected) defects.push_back("run.head is not the hash of the last row");
  if (!ended) {
    // Until the end is journaled, the columns that it will vouch for have their first values.
    const Json open = {{"ended_ms", 0}, {"answer", ""}, {"totals", "{}"}};
    compare_columns(open, columns, seq_expected - 1, defects);
    const std::string state = columns["state"].get<std::string>();
    if (state != name(RunState::kRunning) && state != name(RunState::kWaiting)) {
      defects.push_back(fmt::format("run.state is \"{}\", but no row ends the run", state));
    }
  }
  return defects;
}

}  // namespace tsukai::agent
