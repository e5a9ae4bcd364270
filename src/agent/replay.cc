#include "agent/replay.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/recorded.h"
#include "agent/records.h"
#include "agent/run.h"

namespace tsukai::agent {
namespace {

// A record waits for people at most this often.
constexpr int kWaitsMax = 1'000;

// What of a row has to come out the same: all but times, and ids that a model's host makes up.
Json comparable(const Row& row) {
  Json payload = *row.payload;
  for (const auto* member :
       {"ms", "came", "tsukai", "forked_from", "parent", "run", "by", "given_ms", "totals", "usage", "cut"})
    payload.erase(member);
  if (row.kind == Kind::kModelIntent) payload.erase("kept_bytes");
  if (row.kind == Kind::kToolIntent || row.kind == Kind::kToolResult || row.kind == Kind::kChildStarted ||
      row.kind == Kind::kChildDone)
    payload.erase("id");
  // What was left when it began depends on how long the calls before it took.
  if (row.kind == Kind::kChildStarted) payload.erase("budget");
  if (row.kind == Kind::kModelResult && payload.contains("message")) {
    for (auto& call : payload["message"]["calls"]) call.erase("id");
  }
  return payload;
}

bool compared(Kind kind) {
  switch (kind) {
    case Kind::kRunStarted:
    case Kind::kRecalled:
    case Kind::kPlan:
    case Kind::kCompacted:
    case Kind::kModelIntent:
    case Kind::kModelResult:
    case Kind::kToolIntent:
    case Kind::kToolResult:
    case Kind::kChildStarted:
    case Kind::kChildDone:
    case Kind::kRunDone:
      return true;
    default:  // Attempts, leases and people's words are how the record came about, not what it says.
      return false;
  }
}

using Key = std::pair<Kind, std::string>;

// By kind and step; the last attempt counts.
std::map<Key, const Row*> last_rows(const std::vector<Row>& rows) {
  std::map<Key, const Row*> last;
  for (const auto& row : rows) {
    if (compared(row.kind)) last[{row.kind, row.step_key}] = &row;
  }
  return last;
}

std::string member_that_differs(const Json& a, const Json& b) {
  for (const auto& [key, value] : a.items()) {
    const auto* other = find(b, key);
    if (other == nullptr || *other != value) return key;
  }
  return "a new member";
}

// The recorded model had no more to say: the run ended for a reason of the model's, or the prompt's, own.
bool record_ended(const Row& done) {
  return string_at(*done.payload, "reason").find(kRecordEnds) != std::string::npos;
}

ReplayReport compare(const std::vector<Row>& recorded, const std::vector<Row>& replayed) {
  ReplayReport report;
  const auto again = last_rows(replayed);
  for (const auto& [key, row] : last_rows(recorded)) {
    ++report.rows;
    const auto found = again.find(key);
    const auto place = fmt::format("row {} ({} {})", row->seq, name(row->kind), row->step_key);
    if (found == again.end()) {
      report.differences.push_back(place + " did not come about again");
      continue;
    }
    // Where the record ends because its model failed or its prompt had no room, there is nothing to decide
    // from.
    if (row->kind == Kind::kRunDone && record_ended(*found->second)) continue;
    const auto then = comparable(*row), now = comparable(*found->second);
    if (then != now) report.differences.push_back(place + ": " + member_that_differs(then, now) + " differs");
  }
  return report;
}

// Gives what people decided in the record. False: nobody decided anything.
Result<bool> decide_again(Journal& journal, const std::string& run, const Record& record) {
  bool any = false;
  TSUKAI_TRY(const auto pending, journal.pending_approvals(run));
  for (const auto& asked : pending) {
    const auto found = record.decisions.find(asked.step_key);
    if (found == record.decisions.end()) continue;
    any = true;
    TSUKAI_TRY_VOID(journal.give_approval(run, asked.step_key, bool_at(found->second, "allowed"),
                                          string_at(found->second, "by"),
                                          string_at(found->second, "reason")));
  }
  return any;
}

// A conversation is a chain of forks, and each turn's message stands in the prompt it led to.
std::map<std::size_t, std::string> said_by_people(const std::vector<Row>& rows) {
  std::map<std::size_t, std::string> said;
  std::size_t steps = 0;
  for (const auto& row : rows) {
    if (row.kind == Kind::kModelResult) ++steps;
    const auto* note = row.kind == Kind::kModelIntent ? find(*row.payload, "note") : nullptr;
    if (note != nullptr && string_at(*note, "kind") == name(planner::NoteKind::kSaid))
      said[steps] = string_at(*note, "text");
  }
  return said;
}

// Samples again what the model said to its end; where it was broken off, nothing tells where.
class RegeneratingModel : public infer::ChatModel {
 public:
  RegeneratingModel(infer::ChatModel& model, RecordedModel& recorded, const Record& record)
      : model_(model), recorded_(recorded), record_(record) {}
  const infer::ModelDescription& description() const override { return model_.description(); }
  Result<infer::Prompt> render(const infer::ChatRequest& request, const infer::Transcript& so_far) override {
    return model_.render(request, so_far);
  }
  Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt prompt,
                                  infer::OnText on_text) override {
    const bool broke = record_.interrupted.contains(request.name) || record_.cut.contains(request.name);
    auto& whose = broke ? static_cast<infer::ChatModel&>(recorded_) : model_;
    return whose.generate(std::move(request), std::move(prompt), std::move(on_text));
  }
  std::vector<std::string> unsupported_keywords(const infer::ToolDefinition& tool) const override {
    return model_.unsupported_keywords(tool);
  }

 private:
  infer::ChatModel& model_;
  RecordedModel& recorded_;
  const Record& record_;
};

}  // namespace

Task<ReplayReport> replay_run(std::vector<Row> rows, infer::ChatModel* model) {
  TSUKAI_CO_TRY(const auto record, Record::of(rows));
  const auto* agent = find(record.started, "agent");
  if (agent == nullptr) co_return fail(Code::kCorrupt, "the first row of the run names no agent");
  TSUKAI_CO_TRY(const auto file, agent_from(*agent, false));
  RecordedClock clock;
  RecordedModel recorded_model(record, clock);
  std::optional<RegeneratingModel> regenerating;
  if (model != nullptr) regenerating.emplace(*model, recorded_model, record);
  RecordedMemory memory(record);
  TSUKAI_CO_TRY(auto toolbox, RecordedToolbox::make(record, file, clock));
  RecordedChildren children(record, clock);
  TSUKAI_CO_TRY(auto database, Database::open(":memory:"));
  TSUKAI_CO_TRY(auto journal, Journal::open(database, clock));
  RunParts parts{.file = file,
                 .task = string_at(record.started, "task"),
                 .user = string_at(record.started, "user"),
                 .journal = *journal,
                 .memory = file.memory_recall > 0 ? &memory : nullptr,
                 .model = regenerating ? static_cast<infer::ChatModel&>(*regenerating) : recorded_model,
                 .toolbox = *toolbox,
                 .clock = clock,
                 .children = &children,
                 .said = said_by_people(rows),
                 .lent = record.lent};
  auto outcome = co_await execute_run(parts);
  for (int waits = 0; outcome && outcome->state == RunState::kWaiting && waits < kWaitsMax; ++waits) {
    TSUKAI_CO_TRY(const bool decided, decide_again(*journal, outcome->run_id, record));
    if (!decided) break;
    auto run = outcome->run_id;
    outcome = co_await continue_run(parts, run);
  }
  if (!outcome) co_return fail(std::move(outcome).error().in("replay"));
  TSUKAI_CO_TRY(const auto replayed, journal->rows(outcome->run_id));
  co_return compare(rows, replayed);
}

}  // namespace tsukai::agent
