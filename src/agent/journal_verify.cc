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
                 "SELECT j.seq, e.kind, e.step_key, e.attempt, e.at_ms, e.payload_sha256, e.prev_hash, "
                 "e.hash, e.id, e.salt, e.body FROM journal j LEFT JOIN entry e ON e.id=j.entry_id "
                 "WHERE j.run_id=?1 ORDER BY j.seq"));
  all.bind(1, run);
  std::string prev = chain_start(run);  // "": of the row before nothing is left.
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
    if (all.is_null(8)) {
      defects.push_back(fmt::format("row {}: entry_id names no entry", row.seq));
      prev.clear();
      seq_expected = row.seq + 1;
      continue;
    }
    if (row.seq != seq_expected) {
      defects.push_back(fmt::format("row {} is missing (the next is {})", seq_expected, row.seq));
    } else if (!prev.empty() && row.prev_hash != prev) {
      defects.push_back(fmt::format("row {}: prev_hash is not the hash of row {}", row.seq, row.seq - 1));
    }
    if (row_hash(run, row, kind) != row.hash || all.integer(3) != row.attempt) {
      defects.push_back(fmt::format(
          "row {}: kind, step_key, attempt, at_ms, payload_sha256, prev_hash, hash or entry_id was changed",
          row.seq));
    }
    const bool is_erasure = kind == name(Kind::kErased);
    if (ended && !is_erasure)
      defects.push_back(fmt::format("row {} stands after the end of the run", row.seq));
    const bool is_end = kind == name(Kind::kRunDone) || kind == name(Kind::kCancelled);
    ended = ended || is_end;

    if (all.is_null(10)) {
      bodiless.push_back(row.seq);
    } else {
      const std::string body = all.text(10);
      if (payload_hash(all.text(9), body) != row.payload_sha256) {
        defects.push_back(fmt::format("row {}: the payload (body or salt) was changed", row.seq));
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
  if (!prev.empty() && prev != head_expected) defects.push_back("run.head is not the hash of the last row");
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
