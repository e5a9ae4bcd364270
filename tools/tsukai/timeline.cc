#include "tools/tsukai/timeline.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "tools/tsukai/output.h"
#include "tools/tsukai/plan_tree.h"

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
      calls.push_back({{"seq", row.seq}, {"step_key", row.step_key}, {"attempt", row.attempt}});
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

std::int64_t size_of(const Json* array) {
  return array != nullptr && array->is_array() ? static_cast<std::int64_t>(array->size()) : 0;
}

std::string usage_text(const Json* usage) {
  if (usage == nullptr) return {};
  return fmt::format("{} read, {} reused, {} written", grouped(integer_at(*usage, "prefilled_tokens")),
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

Json children_json(const std::vector<agent::ChildSummary>& children) {
  Json list = Json::array();
  for (const agent::ChildSummary& child : children) {
    Json one = child.begun ? summary_json(child.run) : Json{{"run_id", child.run.id}, {"agent", child.agent}};
    one["parent"] = child.parent;
    one["step_key"] = child.step_key;
    one["depth"] = child.depth;
    list.push_back(std::move(one));
  }
  return list;
}

std::vector<std::string> children_tree(const std::vector<agent::ChildSummary>& children) {
  std::vector<std::string> lines;
  // Whether another child of the same depth follows under the same parent.
  const auto is_last = [&](std::size_t at, std::size_t depth) {
    for (std::size_t i = at + 1; i < children.size() && children[i].depth >= depth; ++i) {
      if (children[i].depth == depth) return false;
    }
    return true;
  };
  for (std::size_t i = 0; i < children.size(); ++i) {
    const agent::ChildSummary& child = children[i];
    std::string line;
    for (std::size_t depth = 1; depth < child.depth; ++depth) line += is_last(i, depth) ? "   " : "│  ";
    line += is_last(i, child.depth) ? "└─ " : "├─ ";
    line += fmt::format("{} {} · {} · {}", printable(child.agent), child.run.id,
                        child.begun ? name(child.run.state) : "not begun", child.step_key);
    if (child.begun && child.run.totals->is_object() && !child.run.totals->empty())
      line += " · " + counted(integer_at(*child.run.totals, "model_calls"), "model call", "model calls");
    if (!child.task.empty()) line += " · " + printable(shortened(child.task, 60));
    lines.push_back(std::move(line));
  }
  return lines;
}

Json run_json(const agent::RunSummary& run, const std::vector<agent::Row>& rows,
              const std::vector<agent::RebuiltPrompt>& prompts) {
  Json document = summary_json(run);
  Json model_calls = calls_json(rows, of_model);
  for (const agent::RebuiltPrompt& prompt : prompts) {
    for (Json& call : model_calls) {
      if (call["seq"] == prompt.seq)
        call["prompt"] = {{"text", repaired_utf8(prompt.text)}, {"tokens", prompt.tokens}};
    }
  }
  document["model_calls"] = std::move(model_calls);
  document["tool_calls"] = calls_json(rows, of_tool);
  Json plans = Json::array();
  for (const auto& [key, tree] : plans_of(rows)) {
    Json plan = tree.plan().json();
    plan["call_id"] = key;
    plan["tree"] = tree.plan().tree();
    plan["mermaid"] = tree.plan().mermaid();
    plans.push_back(std::move(plan));
  }
  document["plans"] = std::move(plans);
  Json journal = Json::array();
  for (const agent::Row& row : rows) journal.push_back(row_json(row));
  document["journal"] = std::move(journal);
  return document;
}

std::string totals_text(const Json& totals) {
  std::string text = fmt::format(
      "{} · {} · {} prefilled, {} reused, {} generated · prefix_hit_ratio {:.2f}",
      counted(integer_at(totals, "model_calls"), "model call", "model calls"),
      counted(integer_at(totals, "tool_calls"), "tool call", "tool calls"),
      grouped(integer_at(totals, "prefilled_tokens")), grouped(integer_at(totals, "reused_tokens")),
      grouped(integer_at(totals, "generated_tokens")), number_at(totals, "prefix_hit_ratio"));
  if (const Json* children = find(totals, "children"); children != nullptr) {
    text += fmt::format(
        " · by other agents: {}, {}, {} tokens", counted(integer_at(*children, "runs"), "run", "runs"),
        counted(integer_at(*children, "steps"), "step", "steps"), grouped(integer_at(*children, "tokens")));
  }
  if (const Json* sampling = find(totals, "sampling"); sampling != nullptr) {
    text += fmt::format(" · for servers: {}, {} tokens",
                        counted(integer_at(*sampling, "calls"), "model call", "model calls"),
                        grouped(integer_at(*sampling, "tokens")));
  }
  if (const double usd = number_at(totals, "usd"); usd > 0) text += fmt::format(" · ${:.4f}", usd);
  if (const auto wall_ms = integer_at(totals, "wall_ms"); wall_ms > 0) text += " · " + duration_text(wall_ms);
  return text;
}

namespace {

// What a person, or a server, said to a run under way.
std::string signal_text(const std::string& name, const Json& said) {
  std::string text = name;
  for (const char* key : {"call", "action", "text"}) {
    if (const std::string value = string_at(said, key); !value.empty()) text += " " + value;
  }
  if (const Json* answers = find(said, "answers")) text += " " + one_line(answers);
  if (const std::string by = string_at(said, "by"); !by.empty()) text += " (by " + by + ")";
  return text;
}

}  // namespace

std::string details_text(const agent::Row& row) {
  const Json& payload = *row.payload;
  if (row.erased) return "(erased)";
  switch (row.kind) {
    case agent::Kind::kRunStarted: {
      const Json* model = find(payload, "model");
      return fmt::format("{} · {}", model == nullptr ? "" : string_at(*model, "name"),
                         counted(size_of(find(payload, "tools")), "tool", "tools"));
    }
    case agent::Kind::kRecalled:
      return counted(size_of(find(payload, "episodes")), "earlier run", "earlier runs");
    case agent::Kind::kSignal:
      return signal_text(string_at(payload, "name"), payload.value("payload", Json::object()));
    case agent::Kind::kSamplingIntent:
      return fmt::format("{} asks: prompt of {}", string_at(payload, "server"),
                         counted(integer_at(payload, "prompt_tokens"), "token", "tokens"));
    case agent::Kind::kSamplingResult: {
      const Json* message = find(payload, "message");
      return fmt::format("{}: {}", usage_text(find(payload, "usage")),
                         message == nullptr ? "" : string_at(*message, "text"));
    }
    case agent::Kind::kModelIntent:
      return fmt::format("prompt of {}, {} of them kept",
                         counted(integer_at(payload, "prompt_tokens"), "token", "tokens"),
                         grouped(integer_at(payload, "kept_tokens")));
    case agent::Kind::kModelResult: {
      const Json* message = find(payload, "message");
      const std::string text = message == nullptr ? std::string() : string_at(*message, "text");
      const auto calls = message == nullptr ? 0 : size_of(find(*message, "calls"));
      return fmt::format("{}: {}", usage_text(find(payload, "usage")),
                         calls > 0 ? counted(calls, "call", "calls") : text);
    }
    case agent::Kind::kToolIntent:
      return fmt::format("{} {}", string_at(payload, "tool"), one_line(find(payload, "arguments")));
    case agent::Kind::kPlan: {
      const Json* plan = find(payload, "plan");
      const Json* step = find(payload, "step");
      if (step != nullptr)
        return fmt::format("{} {}", string_at(*step, "tool"), one_line(find(*step, "arguments")));
      return plan == nullptr ? std::string() : counted(size_of(find(*plan, "steps")), "step", "steps");
    }
    case agent::Kind::kToolStarted: {
      const std::string task = string_at(payload, "task");
      return task.empty() ? std::string() : "task " + task;
    }
    case agent::Kind::kToolResult: {
      const std::string outcome = string_at(payload, "outcome");
      const std::string observation = string_at(payload, "observation");
      return outcome == "done" ? observation : outcome + ": " + observation;
    }
    case agent::Kind::kChildStarted: {
      const Json* arguments = find(payload, "arguments");
      return fmt::format("{} in run {}: {}", string_at(payload, "agent"), string_at(payload, "run"),
                         arguments == nullptr ? "" : string_at(*arguments, "task"));
    }
    case agent::Kind::kChildDone:
      return fmt::format("{}: {}", string_at(payload, "state"), string_at(payload, "observation"));
    case agent::Kind::kToolUnknown:
    case agent::Kind::kCancelled:
      return string_at(payload, "reason");
    case agent::Kind::kRunDone: {
      const std::string reason = string_at(payload, "reason");
      return reason.empty() ? string_at(payload, "answer") : reason;
    }
    default:
      return string_at(payload, "reason");  // Kinds that say it in their name.
  }
  return {};
}

}  // namespace tsukai::cli
