#include "tools/tsukai/timeline.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {
namespace {

Json row_json(const agent::Row& row) {
  return {{"seq", row.seq},
          {"kind", std::string(name(row.kind))},
          {"step_key", row.step_key},
          {"attempt", row.attempt},
          {"at", iso_time(row.at_ms)},
          {"at_ms", row.at_ms},
          {"payload", *row.payload},
          {"payload_sha256", row.payload_sha256},
          {"prev_hash", row.prev_hash},
          {"hash", row.hash}};
}

bool of_model(agent::Kind kind) {
  return kind == agent::Kind::kModelIntent || kind == agent::Kind::kModelResult;
}
bool of_tool(agent::Kind kind) {
  return kind == agent::Kind::kToolIntent || kind == agent::Kind::kToolStarted ||
         kind == agent::Kind::kToolResult || kind == agent::Kind::kToolUnknown;
}

// Rows of one call, gathered under its step key and attempt: {"step_key", "intent", "started", "result",
// "took_ms"}.
Json calls_json(const std::vector<agent::Row>& rows, bool (*wanted)(agent::Kind)) {
  Json calls = Json::array();
  std::map<std::pair<std::string, int>, std::size_t> places;
  std::map<std::size_t, std::int64_t> begun_ms;
  for (const agent::Row& row : rows) {
    if (!wanted(row.kind)) continue;
    const auto [place, is_new] = places.try_emplace({row.step_key, row.attempt}, calls.size());
    if (is_new) {
      calls.push_back({{"step_key", row.step_key}, {"attempt", row.attempt}});
      begun_ms[place->second] = row.at_ms;
    }
    Json& call = calls[place->second];
    switch (row.kind) {
      case agent::Kind::kModelIntent:
      case agent::Kind::kToolIntent:
        call["intent"] = *row.payload;
        break;
      case agent::Kind::kToolStarted:
        call["started_at"] = iso_time(row.at_ms);
        break;
      case agent::Kind::kToolUnknown:
        call["unknown"] = *row.payload;
        break;
      default:
        call["result"] = *row.payload;
        call["took_ms"] = row.at_ms - begun_ms[place->second];
    }
  }
  return calls;
}

std::string one_line(const Json* value) {
  if (value == nullptr || value->is_null()) return {};
  return value->is_string() ? value->get<std::string>() : print_json(*value);
}

// The first of `keys` that the payload has, as text.
std::string member_text(const Json& payload, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (std::string text = one_line(find(payload, key)); !text.empty()) return text;
  }
  return {};
}

std::string tool_text(const Json& payload) {
  const std::string server = string_at(payload, "server");
  const std::string tool = member_text(payload, {"tool", "name"});
  return server.empty() ? tool : server + "." + tool;
}

std::string usage_text(const Json* usage) {
  if (usage == nullptr) return {};
  return fmt::format("{} prefilled, {} reused, {} generated", grouped(integer_at(*usage, "prefilled_tokens")),
                     grouped(integer_at(*usage, "reused_tokens")),
                     grouped(integer_at(*usage, "generated_tokens")));
}

}  // namespace

Json summary_json(const agent::RunSummary& run) {
  Json summary = {{"run_id", run.id},
                  {"agent", run.agent},
                  {"task", run.task},
                  {"user", run.user},
                  {"state", std::string(name(run.state))},
                  {"started_at", iso_time(run.started_ms)},
                  {"started_ms", run.started_ms},
                  {"rows", run.rows},
                  {"answer", run.answer},
                  {"totals", *run.totals}};
  if (run.ended_ms > 0) {
    summary["ended_at"] = iso_time(run.ended_ms);
    summary["took_ms"] = run.ended_ms - run.started_ms;
  }
  return summary;
}

Json run_json(const agent::RunSummary& run, const std::vector<agent::Row>& rows) {
  Json document = summary_json(run);
  document["model_calls"] = calls_json(rows, of_model);
  document["tool_calls"] = calls_json(rows, of_tool);
  Json journal = Json::array();
  for (const agent::Row& row : rows) journal.push_back(row_json(row));
  document["journal"] = std::move(journal);
  return document;
}

std::string details_text(const agent::Row& row) {
  const Json& payload = *row.payload;
  switch (row.kind) {
    case agent::Kind::kRunStarted:
      return member_text(payload, {"task"});
    case agent::Kind::kRecalled: {
      const Json* episodes = find(payload, "episodes");
      const auto count =
          episodes != nullptr && episodes->is_array() ? static_cast<std::int64_t>(episodes->size()) : 0;
      return counted(count, "episode", "episodes");
    }
    case agent::Kind::kModelIntent:
      return fmt::format("keeps {} tokens of the context", grouped(integer_at(payload, "kept_tokens")));
    case agent::Kind::kModelResult: {
      const std::string usage = usage_text(find(payload, "usage"));
      const std::string text = member_text(payload, {"text"});
      return usage.empty() ? text : usage + ": " + text;
    }
    case agent::Kind::kToolIntent:
      return fmt::format("{} {}", tool_text(payload), one_line(find(payload, "arguments")));
    case agent::Kind::kToolStarted:
      return tool_text(payload);
    case agent::Kind::kToolResult:
      return member_text(payload, {"text", "observation", "error"});
    case agent::Kind::kToolUnknown:
    case agent::Kind::kCancelled:
      return member_text(payload, {"reason", "message"});
    case agent::Kind::kRunDone:
      return member_text(payload, {"answer", "reason"});
  }
  return {};
}

}  // namespace tsukai::cli
