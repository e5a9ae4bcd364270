#include "agent/child_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/tool_names.h"
#include "base/hash.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

std::string_view type_name(Parameter::Type type) {
  switch (type) {
    case Parameter::Type::kString:
      return "string";
    case Parameter::Type::kInteger:
      return "integer";
    case Parameter::Type::kNumber:
      return "number";
    case Parameter::Type::kBoolean:
      return "boolean";
  }
  return "string";
}

std::int64_t part(std::int64_t left, double share, std::int64_t pending) {
  return static_cast<std::int64_t>(std::floor(static_cast<double>(left) * share)) /
         std::max<std::int64_t>(1, pending);
}

// The names that the parent's own rules may call the child's servers by.
InheritedPolicy own_rules(const AgentFile& parent, const AgentFile& child) {
  InheritedPolicy layer;
  layer.rules = parent.policy;
  for (const auto& server : child.servers) {
    for (const auto& theirs : parent.servers) {
      if (theirs.name != server.name && same_server(server, theirs))
        layer.servers[server.name].push_back(theirs.name);
    }
  }
  return layer;
}

// A grandparent's rules, through the names that the parent's servers have there.
InheritedPolicy passed_on(const InheritedPolicy& above, const AgentFile& parent, const AgentFile& child) {
  InheritedPolicy layer;
  layer.rules = above.rules;
  for (const auto& server : child.servers) {
    for (const auto& theirs : parent.servers) {
      if (!same_server(server, theirs)) continue;
      auto& names = layer.servers[server.name];
      if (theirs.name != server.name) names.push_back(theirs.name);
      if (const auto known = above.servers.find(theirs.name); known != above.servers.end())
        names.insert(names.end(), known->second.begin(), known->second.end());
    }
  }
  return layer;
}

Result<void> add_children(Journal& journal, const std::string& run, std::size_t depth,
                          std::vector<ChildSummary>& out) {
  TSUKAI_TRY(const auto rows, journal.rows(run));
  for (const auto& row : rows) {
    if (row.kind != Kind::kChildStarted || row.erased) continue;
    if (out.size() == kChildrenShownMax)
      return fail(Code::kExhausted, fmt::format("the run has more than {} children", kChildrenShownMax));
    ChildSummary child;
    child.parent = run;
    child.step_key = row.step_key;
    child.agent = string_at(*row.payload, "agent");
    const auto* arguments = find(*row.payload, "arguments");
    if (arguments != nullptr) child.task = string_at(*arguments, kTaskArgument);
    child.depth = depth;
    child.run.id = string_at(*row.payload, "run");
    if (auto there = journal.rows(child.run.id); !there) {
      if (there.error().code() != Code::kNotFound) return fail(std::move(there).error());
    } else {
      TSUKAI_TRY(child.run, journal.find(child.run.id));
      child.begun = true;
    }
    const auto id = child.run.id;
    const bool begun = child.begun;
    out.push_back(std::move(child));
    if (begun) TSUKAI_TRY_VOID(add_children(journal, id, depth + 1, out));
  }
  return {};
}

}  // namespace

std::string child_run_id(const std::string& parent, const std::string& step_key) {
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz234567";
  const auto digest = sha256_hex("tsukai child " + parent + "\n" + step_key);
  std::string id;
  // Five bits a letter, from two hexadecimal digits each.
  for (std::size_t i = 0; i < kRunIdLetters; ++i)
    id += kLetters[std::stoul(digest.substr(2 * i, 2), nullptr, 16) % kLetters.size()];
  return id;
}

Result<BoundTool> agent_tool(const ChildAgent& child) {
  Json properties = {
      {std::string(kTaskArgument),
       {{"type", "string"}, {"description", "What to do, with everything it needs to know."}}}};
  Json required = Json::array({std::string(kTaskArgument)});
  for (const auto& param : child.params) {
    Json property = {{"type", type_name(param.type)}};
    if (!param.description.empty()) property["description"] = param.description;
    if (!param.choices.is_null()) property["enum"] = *param.choices;
    if (param.otherwise.is_null())
      required.push_back(param.name);
    else
      property["default"] = *param.otherwise;
    properties[param.name] = std::move(property);
  }
  BoundTool tool;
  tool.agent = true;
  tool.server_name = std::string(kAgentServer);
  tool.tool.name = child.name;
  tool.qualified = qualified_name(kAgentServer, child.name);
  tool.definition = {model_tool_name(kAgentServer, child.name), child.description,
                     Json{{"type", "object"},
                          {"properties", std::move(properties)},
                          {"required", std::move(required)},
                          {"additionalProperties", false}}};
  TSUKAI_TRY(tool.arguments, JsonSchema::compile(*tool.definition.input_schema));
  return tool;
}

Budget child_budget(const Budget& whole, const Budget& left, double share, std::int64_t pending) {
  Budget out;
  out.steps = part(left.steps - 1, share, pending);
  out.tool_calls = std::max<std::int64_t>(0, part(left.tool_calls - pending, share, pending));
  out.tokens = part(left.tokens - whole.tokens / 8, share, pending);
  out.seconds = part(left.seconds - whole.seconds / 10, share, 1);  // Time passes for all at once.
  out.usd = whole.usd <= 0 ? 0 : (left.usd - whole.usd / 8) * share / static_cast<double>(pending);
  if (whole.usd > 0 && out.usd <= 0) out.usd = -1;
  out.depth = whole.depth - 1;
  return out;
}

Budget stricter(const Budget& a, const Budget& b) {
  Budget out;
  out.steps = std::min(a.steps, b.steps);
  out.tool_calls = std::min(a.tool_calls, b.tool_calls);
  out.tokens = std::min(a.tokens, b.tokens);
  out.seconds = std::min(a.seconds, b.seconds);
  out.usd = a.usd <= 0 ? b.usd : b.usd <= 0 ? a.usd : std::min(a.usd, b.usd);
  out.depth = std::min(a.depth, b.depth);
  return out;
}

bool spends_nothing(const Budget& budget) {
  return budget.steps <= 0 || budget.tokens <= 0 || budget.seconds <= 0 || budget.usd < 0;
}

Json budget_record(const Budget& budget) {
  Json out = {{"steps", budget.steps},
              {"tool_calls", budget.tool_calls},
              {"tokens", budget.tokens},
              {"seconds", budget.seconds}};
  // What came later is written where it is used (records.cc).
  if (budget.usd > 0) out["usd"] = budget.usd;
  if (budget.depth != Budget().depth) out["depth"] = budget.depth;
  return out;
}

Budget budget_from(const Json& record) {
  Budget out;
  out.steps = integer_at(record, "steps");
  out.tool_calls = integer_at(record, "tool_calls");
  out.tokens = integer_at(record, "tokens");
  out.seconds = integer_at(record, "seconds");
  out.usd = number_at(record, "usd");
  out.depth = integer_at(record, "depth", out.depth);
  return out;
}

Observation child_observation(const std::string& agent, const RunOutcome& outcome,
                              const Redaction& redaction) {
  if (outcome.state == RunState::kDone) {
    Observation observation;
    const auto text = redaction.text(outcome.answer);
    observation.bytes_whole = text.size();
    observation.came = Json{{"content", Json::array({{{"type", "text"}, {"text", text}}})}};
    observation.text = bounded(text, kObservationBytesMax);
    return observation;
  }
  auto message = fmt::format("the agent {} {}: {}", agent,
                             outcome.state == RunState::kStopped     ? "was stopped"
                             : outcome.state == RunState::kCancelled ? "was cancelled"
                                                                     : "failed",
                             outcome.reason);
  if (!outcome.answer.empty() && outcome.answer != outcome.reason)
    message += "; what it had: " + shortened(outcome.answer, kObservationBytesMax / 2);
  return observe_failure(Outcome::kFailed, message, redaction);
}

bool same_server(const mcp::ServerConfig& a, const mcp::ServerConfig& b) {
  return a.command == b.command && a.args == b.args && a.env == b.env && a.cwd == b.cwd && a.url == b.url &&
         a.headers == b.headers && *a.oauth == *b.oauth && a.legacy_sse == b.legacy_sse && a.era == b.era &&
         a.protocol_version == b.protocol_version && a.start_timeout == b.start_timeout &&
         a.call_timeout == b.call_timeout && a.call_timeout_max == b.call_timeout_max &&
         a.question_timeout == b.question_timeout && a.trusted == b.trusted;
}

Result<AgentFile> child_file(const ChildStart& start) {
  const auto& parent = *start.file;
  const auto found = std::find_if(parent.agents.begin(), parent.agents.end(),
                                  [&](const auto& child) { return child.name == start.agent; });
  TSUKAI_CHECK(found != parent.agents.end(), "only agents of the file are offered");
  AgentFileOptions options;
  for (const auto& [name, value] : start.arguments->items()) {
    if (name == kTaskArgument || value.is_null()) continue;
    options.params[name] = value.is_string() ? value.get<std::string>() : print_json(value);
  }
  options.model_required = false;
  TSUKAI_TRY(auto file, agent_file_from(*found->document, found->path, options));
  file.name = start.agent;
  if (file.model.empty()) file.model = parent.model;
  file.budget = stricter(file.budget, start.budget);
  for (const auto& above : parent.inherited) file.inherited.push_back(passed_on(above, parent, file));
  if (!parent.policy.empty()) file.inherited.push_back(own_rules(parent, file));
  return file;
}

Result<std::vector<ChildSummary>> children_of(Journal& journal, const std::string& run) {
  std::vector<ChildSummary> out;
  TSUKAI_TRY_VOID(add_children(journal, run, 1, out));
  return out;
}

Result<std::string> root_of(Journal& journal, const std::string& run) {
  std::string root = run;
  for (std::int64_t depth = 0; depth < 64; ++depth) {
    TSUKAI_TRY(const auto rows, journal.rows(root));
    const auto* parent =
        rows.empty() || rows.front().erased ? nullptr : find(*rows.front().payload, "parent");
    const auto above = parent == nullptr ? std::string() : string_at(*parent, "run");
    if (above.empty()) return root;
    // A parent that is gone, or has ended, has nothing to go on with.
    const auto found = journal.find(above);
    if (!found || (found->state != RunState::kRunning && found->state != RunState::kWaiting)) return root;
    root = found->id;
  }
  return root;
}

}  // namespace tsukai::agent
