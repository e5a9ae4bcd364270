// The world of a recorded run: its clock, model, tools and memory, as its rows have them.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "agent/child_run.h"
#include "agent/journal.h"
#include "agent/toolbox.h"
#include "base/clock.h"
#include "infer/model.h"
#include "memory/memory.h"

namespace tsukai::agent {

// What the recorded model answers where its record ends.
inline constexpr std::string_view kRecordEnds = "the record has no ";

// Stands where the record stood: moved on by the recorded model and tools.
class RecordedClock : public Clock {
 public:
  std::int64_t wall_ms() const override { return kBeginningMs + now_ms_; }
  std::int64_t steady_ms() const override { return now_ms_; }
  void reach(std::int64_t active_ms) { now_ms_ = std::max(now_ms_, active_ms); }

 private:
  static constexpr std::int64_t kBeginningMs = 1'000'000'000'000;
  std::int64_t now_ms_ = 0;
};

// What a run's rows say, by step. The last attempt counts.
struct Record {
  Json started;
  std::map<std::string, infer::Prompt> prompts;     // By "step-2".
  std::map<std::string, infer::ChatReply> replies;  // By "step-2".
  // Steps of plans that were complete before their turn was, by "step-2": the call's place, the step.
  std::map<std::string, std::vector<std::pair<std::size_t, Json>>> written;
  std::map<std::string, std::string> interrupted;  // Why a turn broke off, by "step-2".
  std::set<std::string> cut;                       // Turns that ended with their run: "step-2".
  std::map<std::string, Observation>
      observations;                        // By "step-2/call-1"; also what a person said became of it.
  std::map<std::string, Json> decisions;   // APPROVAL_GIVEN, by call.
  std::map<std::string, Json> children;    // CHILD_DONE, by call.
  std::map<std::string, int> compactions;  // COMPACTED rows before the prompt of a step.
  // What servers were lent of the model, by the call whose result came next.
  std::map<std::string, std::vector<std::pair<Kind, JsonValue>>> lent;
  std::vector<std::pair<Kind, JsonValue>> lent_last;  // After the last result.
  std::map<std::string, Json> arrivals;  // Tools told of later, by the place (Toolbox::admit_arrivals).
  std::vector<memory::Recalled> recalled;
  std::map<std::string, std::int64_t> reached_ms;  // Working time when a step's or call's result was there.

  static Result<Record> of(const std::vector<Row>& rows);
};

class RecordedModel : public infer::ChatModel {
 public:
  RecordedModel(const Record& record, RecordedClock& clock);
  const infer::ModelDescription& description() const override { return description_; }
  Result<infer::Prompt> render(const infer::ChatRequest& request, const infer::Transcript& so_far) override;
  Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt prompt,
                                  infer::OnText on_text) override;
  std::vector<std::string> unsupported_keywords(const infer::ToolDefinition&) const override { return {}; }

 private:
  const Record& record_;
  RecordedClock& clock_;
  std::map<std::string, int> refused_;  // Prompts that had no room, by step.
  infer::ModelDescription description_;
};

// The same definitions, refusals and policy; results from the record.
class RecordedToolbox : public Toolbox {
 public:
  static Result<std::unique_ptr<RecordedToolbox>> make(const Record& record, const AgentFile& file,
                                                       RecordedClock& clock);
  asio::awaitable<Observation> call(infer::ToolCall call, std::string key, std::string step_key,
                                    std::int64_t limit_ms, CallTask task) override;
  std::vector<const BoundTool*> admit_arrivals(const std::string& place) override;

 private:
  RecordedToolbox(ToolboxOptions options, const Record& record, RecordedClock& clock)
      : Toolbox(std::move(options)), record_(record), clock_(clock) {}
  const Record& record_;
  RecordedClock& clock_;
};

// What became of the tasks that the run gave to other agents.
class RecordedChildren : public ChildRuns {
 public:
  RecordedChildren(const Record& record, RecordedClock& clock) : record_(record), clock_(clock) {}
  Task<RunOutcome> run(ChildStart start) override;

 private:
  const Record& record_;
  RecordedClock& clock_;
};

class RecordedMemory : public memory::Memory {
 public:
  explicit RecordedMemory(const Record& record) : record_(record) {}
  Result<std::int64_t> add(memory::Episode) override { return 1; }
  Result<std::vector<memory::Recalled>> search(std::string_view, const memory::Scope&, std::size_t) override {
    return record_.recalled;
  }
  Result<std::vector<memory::Episode>> list(const memory::Scope&, std::size_t, std::size_t) override {
    return std::vector<memory::Episode>{};
  }
  Result<std::optional<memory::Episode>> get(std::int64_t) override { return std::nullopt; }

 private:
  const Record& record_;
};

}  // namespace tsukai::agent
