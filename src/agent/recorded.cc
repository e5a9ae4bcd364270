#include "agent/recorded.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/progress.h"
#include "agent/records.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

void lent_before(Record& record, const std::string& step_key) {
  auto& lent = record.lent[step_key];
  lent.insert(lent.end(), record.lent_last.begin(), record.lent_last.end());
  record.lent_last.clear();
}

Result<void> take_row(Record& record, const Progress& progress, const Row& row) {
  const Json& payload = *row.payload;
  switch (row.kind) {
    case Kind::kModelIntent:
      record.prompts[row.step_key] = progress.asked(row.step_key).prompt;
      return {};
    case Kind::kModelResult: {
      TSUKAI_TRY(record.replies[row.step_key], reply_from(payload));
      record.reached_ms[row.step_key] = progress.active_ms;
      if (payload.contains("interrupted"))
        record.interrupted[row.step_key] = string_at(payload, "interrupted");
      if (payload.contains("cut")) record.cut.insert(row.step_key);
      return {};
    }
    case Kind::kPlan: {
      const auto* step = find(payload, "step");
      if (step == nullptr) return {};
      const auto parts = split(row.step_key, '/');  // step-2/call-1/geo; progress has checked it
      const auto call = parts.size() < 2 ? std::string() : parts[1].substr(parts[1].find('-') + 1);
      record.written[parts[0]].emplace_back(std::max(1L, std::strtol(call.c_str(), nullptr, 10)) - 1, *step);
      return {};
    }
    case Kind::kSamplingIntent:
    case Kind::kSamplingResult:
      record.lent_last.emplace_back(row.kind, row.payload);
      return {};
    case Kind::kToolResult: {
      lent_before(record, row.step_key);
      auto& observation = record.observations[row.step_key];
      observation.outcome = outcome_named(string_at(payload, "outcome"));
      observation.text = string_at(payload, "observation");
      observation.bytes_whole = static_cast<std::size_t>(integer_at(payload, "bytes"));
      if (const auto* came = find(payload, "came")) observation.came = *came;
      record.reached_ms[row.step_key] = progress.active_ms;
      return {};
    }
    case Kind::kChildDone:
      lent_before(record, row.step_key);
      record.children[row.step_key] = payload;
      record.reached_ms[row.step_key] = progress.active_ms;
      return {};
    case Kind::kCompacted:
      ++record.compactions[row.step_key];
      return {};
    case Kind::kApprovalGiven:
      record.decisions[row.step_key] = payload;
      return {};
    case Kind::kSignal: {
      const auto* wish = find(payload, "payload");
      if (wish != nullptr && string_at(*wish, "action") == "done") {
        record.observations[string_at(*wish, "call")].text = string_at(*wish, "result");
      }
      if (wish != nullptr && string_at(payload, "name") == kToolsSignal) {
        const auto before = string_at(*wish, "before");
        auto& arrivals = record.arrivals[before.empty() ? step_key(progress.steps.size() + 1) : before];
        for (const auto& tool : wish->value("tools", Json::array())) arrivals.push_back(tool);
      }
      return {};
    }
    case Kind::kRecalled: {
      const auto* episodes = find(payload, "episodes");
      if (episodes == nullptr) return {};
      for (const auto& [number, json] : episodes->items()) {
        memory::Recalled recalled;
        recalled.episode.id = integer_at(json, "id");
        recalled.episode.run_id = string_at(json, "run");
        recalled.episode.task = string_at(json, "task");
        recalled.episode.outcome = string_at(json, "outcome");
        recalled.score = number_at(json, "score");
        record.recalled.push_back(std::move(recalled));
      }
      return {};
    }
    default:
      return {};
  }
}

// A tool as tool_record() has it.
Result<BoundTool> recorded_tool(const Json& json) {
  BoundTool tool;
  tool.qualified = string_at(json, "tool");
  tool.agent = bool_at(json, "agent");
  const auto dot = tool.qualified.find('.');
  tool.server_name = tool.qualified.substr(0, dot);
  tool.tool.name = dot == std::string::npos ? std::string() : tool.qualified.substr(dot + 1);
  const auto* schema = find(json, "input_schema");
  tool.definition = {string_at(json, "name"), string_at(json, "description"),
                     schema == nullptr ? Json::object() : *schema};
  TSUKAI_TRY(tool.arguments, JsonSchema::compile(*tool.definition.input_schema));
  return tool;
}

}  // namespace

Result<Record> Record::of(const std::vector<Row>& rows) {
  if (rows.empty()) return fail(Code::kCorrupt, "a run without rows");
  Record record;
  record.started = *rows.front().payload;
  Progress progress;
  for (const auto& row : rows) {
    if (row.erased) {
      return fail(Code::kUnsupported,
                  fmt::format("journal row {} was erased, so the run can't be replayed", row.seq));
    }
    TSUKAI_TRY_VOID(progress.apply(row));
    TSUKAI_TRY_VOID(take_row(record, progress, row));
  }
  return record;
}

RecordedModel::RecordedModel(const Record& record, RecordedClock& clock) : record_(record), clock_(clock) {
  const auto* model = find(record.started, "model");
  if (model == nullptr) return;
  description_ = {string_at(*model, "name"), string_at(*model, "architecture"),
                  string_at(*model, "quantisation"), string_at(*model, "digest"),
                  static_cast<std::size_t>(integer_at(*model, "context_tokens"))};
}

Result<infer::Prompt> RecordedModel::render(const infer::ChatRequest& request, const infer::Transcript&) {
  // As full as it was then: the run makes room in the same way.
  const auto compacted = record_.compactions.find(request.name);
  if (compacted != record_.compactions.end() && refused_[request.name] < compacted->second) {
    ++refused_[request.name];
    return fail(Code::kExhausted, "the context was full here");
  }
  const auto found = record_.prompts.find(request.name);
  if (found == record_.prompts.end())
    return fail(Code::kNotFound, std::string(kRecordEnds) + "prompt of " + request.name);
  return found->second;
}

Task<infer::ChatReply> RecordedModel::generate(infer::ChatRequest request, infer::Prompt, infer::OnText) {
  const auto key = request.name;
  if (const auto written = record_.written.find(key); written != record_.written.end() && request.on_call) {
    std::set<std::size_t> begun;
    for (const auto& [call, step] : written->second) {
      const bool first = begun.insert(call).second;
      const auto text = (first ? R"({"steps":[)" : ",") + print_json(step);
      (void)request.on_call({call, kPlanTool, text, first});
    }
  }
  const auto found = record_.replies.find(key);
  if (found == record_.replies.end())
    co_return fail(Code::kNotFound, std::string(kRecordEnds) + "reply of " + key);
  clock_.reach(record_.reached_ms.at(key));
  if (const auto broke = record_.interrupted.find(key); broke != record_.interrupted.end())
    co_return fail(Code::kTransport, broke->second);
  co_return found->second;
}

Result<std::unique_ptr<RecordedToolbox>> RecordedToolbox::make(const Record& record, const AgentFile& file,
                                                               RecordedClock& clock) {
  ToolboxOptions options;
  options.servers = file.servers;
  options.policy = file.policy;
  options.inherited = file.inherited;
  std::unique_ptr<RecordedToolbox> toolbox(new RecordedToolbox(std::move(options), record, clock));
  const auto* tools = tsukai::find(record.started, "tools");
  if (tools == nullptr) return fail(Code::kCorrupt, "the first row of the run lists no tools");
  for (const auto& [number, json] : tools->items()) {
    TSUKAI_TRY(auto tool, recorded_tool(json));
    toolbox->add_tool(std::move(tool));
  }
  return toolbox;
}

std::vector<const BoundTool*> RecordedToolbox::admit_arrivals(const std::string& place) {
  std::vector<const BoundTool*> admitted;
  const auto found = record_.arrivals.find(place);
  if (found == record_.arrivals.end()) return admitted;
  for (const auto& json : found->second) {
    auto tool = recorded_tool(json);
    if (tool && find(tool->definition.name) == nullptr) admitted.push_back(add_later(*std::move(tool)));
  }
  return admitted;
}

Task<RunOutcome> RecordedChildren::run(ChildStart start) {
  RunOutcome outcome;
  outcome.run_id = start.run;
  const auto found = record_.children.find(start.step_key);
  if (found == record_.children.end()) {
    outcome.state = RunState::kWaiting;  // The record parked here, or ends here.
    outcome.reason = std::string(kRecordEnds) + "outcome of " + start.step_key;
    co_return outcome;
  }
  if (const auto reached = record_.reached_ms.find(start.step_key); reached != record_.reached_ms.end())
    clock_.reach(reached->second);
  outcome.state = run_state_named(string_at(found->second, "state")).value_or(RunState::kFailed);
  outcome.answer = string_at(found->second, "answer");
  outcome.reason = string_at(found->second, "reason");
  if (const auto* totals = find(found->second, "totals")) outcome.totals = *totals;
  co_return outcome;
}

asio::awaitable<Observation> RecordedToolbox::call(infer::ToolCall, std::string, std::string step_key,
                                                   std::int64_t, CallTask) {
  const auto found = record_.observations.find(step_key);
  if (found == record_.observations.end()) {
    co_return observe_failure(Outcome::kFailed, "the record has no result of " + step_key, redaction());
  }
  if (const auto reached = record_.reached_ms.find(step_key); reached != record_.reached_ms.end()) {
    clock_.reach(reached->second);
  }
  co_return found->second;
}

}  // namespace tsukai::agent
