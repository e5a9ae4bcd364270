#include "agent/records.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/agent_file_agents.h"
#include "agent/child_run.h"
#include "agent/totals.h"
#include "base/base64.h"
#include "base/hash.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

std::string_view choice_name(infer::ToolChoice choice) {
  switch (choice) {
    case infer::ToolChoice::kAuto:
      return "auto";
    case infer::ToolChoice::kRequired:
      return "required";
    case infer::ToolChoice::kNone:
      return "none";
  }
  return "auto";
}

infer::FinishReason finish_named(const std::string& text) {
  if (text == "calls") return infer::FinishReason::kCalls;
  if (text == "length") return infer::FinishReason::kLength;
  return infer::FinishReason::kStop;
}

// The records of every step are put together member by member: a braced list would build each pair, and the
// list of pairs, as values of their own first. What came later is written where it is used, so that the
// records of before still replay to the same bytes.
Json sampling_record(const infer::Sampling& sampling, const std::vector<std::string>& stop) {
  Json out = Json::object();
  out["temperature"] = sampling.temperature;
  out["top_p"] = sampling.top_p;
  out["top_k"] = sampling.top_k;
  out["min_p"] = sampling.min_p;
  out["repetition_penalty"] = sampling.repetition_penalty;
  out["presence_penalty"] = sampling.presence_penalty;
  out["frequency_penalty"] = sampling.frequency_penalty;
  out["seed"] = sampling.seed;
  for (const auto& [token, bias] : sampling.logit_bias) out["logit_bias"].push_back({token, bias});
  if (!stop.empty()) out["stop"] = stop;
  return out;
}

// One entry of an `mcpServers` object.
Json server_entry(const mcp::ServerConfig& server) {
  Json entry = Json::object();
  if (!server.command.empty()) entry["command"] = server.command;
  if (!server.args.empty()) entry["args"] = server.args;
  if (!server.env.empty()) entry["env"] = server.env;
  if (!server.cwd.empty()) entry["cwd"] = server.cwd;
  if (!server.url.empty()) entry["url"] = server.url;
  if (!server.headers.empty()) entry["headers"] = server.headers;
  if (server.trusted) entry["trusted"] = true;
  return entry;
}

std::vector<std::string> strings_of(const Json* list) {
  std::vector<std::string> out;
  if (list == nullptr || !list->is_array()) return out;
  for (const auto& element : *list) {
    if (element.is_string()) out.push_back(element.get<std::string>());
  }
  return out;
}

Result<PolicyRule> rule_from(const Json& json) {
  for (const auto action :
       {PolicyRule::Action::kAllow, PolicyRule::Action::kAsk, PolicyRule::Action::kDeny}) {
    const auto pattern = string_at(json, std::string(name(action)));
    if (pattern.empty()) continue;
    PolicyRule rule{action, pattern, static_cast<int>(integer_at(json, "line"))};
    if (const auto when = string_at(json, "when"); !when.empty()) {
      TSUKAI_TRY(rule.when, Condition::parse(when));
    }
    return rule;
  }
  return fail(Code::kCorrupt, "a policy rule in the journal is damaged");
}

Result<std::vector<PolicyRule>> rules_from(const Json* list) {
  std::vector<PolicyRule> rules;
  if (list == nullptr || !list->is_array()) return rules;
  for (const auto& json : *list) {
    TSUKAI_TRY(auto rule, rule_from(json));
    rules.push_back(std::move(rule));
  }
  return rules;
}

Json policy_record(const std::vector<PolicyRule>& rules) {
  Json policy = Json::array();
  for (const auto& rule : rules) {
    policy.push_back({{std::string(name(rule.action)), rule.pattern}, {"line", rule.line}});
    if (!rule.when.always()) policy.back()["when"] = rule.when.text();
  }
  return policy;
}

Json inherited_record(const std::vector<InheritedPolicy>& inherited) {
  Json out = Json::array();
  for (const auto& above : inherited)
    out.push_back({{"servers", above.servers}, {"policy", policy_record(above.rules)}});
  return out;
}

Result<void> read_inherited(const Json& record, AgentFile& file) {
  const auto* list = find(record, "inherited");
  if (list == nullptr || !list->is_array()) return {};
  for (const auto& json : *list) {
    InheritedPolicy above;
    TSUKAI_TRY(above.rules, rules_from(find(json, "policy")));
    if (const auto* servers = find(json, "servers"); servers != nullptr && servers->is_object()) {
      for (const auto& [name, names] : servers->items()) above.servers[name] = strings_of(&names);
    }
    file.inherited.push_back(std::move(above));
  }
  return {};
}

// Secrets that an included file spells out are those of its own servers.
Json agents_record(const std::vector<ChildAgent>& agents) {
  Json out = Json::array();
  for (const auto& child : agents) {
    out.push_back({{"name", child.name},
                   {"path", child.path},
                   {"description", child.description},
                   {"share", child.share},
                   {"document", Redaction(child.servers).json(*child.document)}});
  }
  return out;
}

Result<void> read_children(const Json& record, AgentFile& file, bool start_servers) {
  const auto* list = find(record, "agents");
  if (list == nullptr || !list->is_array()) return {};
  for (const auto& json : *list) {
    ChildAgent child;
    child.name = string_at(json, "name");
    child.path = string_at(json, "path");
    child.description = string_at(json, "description");
    child.share = number_at(json, "share", 1);
    const auto* document = find(json, "document");
    if (document == nullptr) return fail(Code::kCorrupt, "an agent in the journal has no document");
    child.document = *document;
    if (start_servers) {
      if (document->dump().find(kRedactedMark) != std::string::npos) {
        return fail(
            Code::kInvalidArgument,
            fmt::format("agents.{}: a secret was written literally in its file, so the journal does not "
                        "have it",
                        child.name),
            "write ${NAME} in its place and start a new run");
      }
      AgentFileOptions options;
      options.params_required = false;
      options.model_required = false;
      TSUKAI_TRY(const auto loaded, agent_file_from(*document, child.path, options));
      child.params = loaded.params;
      child.servers = loaded.servers;
      for (const auto& inside : loaded.agents)
        child.servers.insert(child.servers.end(), inside.servers.begin(), inside.servers.end());
    }
    file.agents.push_back(std::move(child));
  }
  return {};
}

infer::Sampling sampling_from(const Json& json) {
  infer::Sampling sampling;
  sampling.temperature = static_cast<float>(number_at(json, "temperature"));
  sampling.top_p = static_cast<float>(number_at(json, "top_p", 1));
  sampling.top_k = static_cast<int>(integer_at(json, "top_k"));
  sampling.min_p = static_cast<float>(number_at(json, "min_p"));
  sampling.repetition_penalty = static_cast<float>(number_at(json, "repetition_penalty", 1));
  sampling.presence_penalty = static_cast<float>(number_at(json, "presence_penalty"));
  sampling.frequency_penalty = static_cast<float>(number_at(json, "frequency_penalty"));
  if (const auto* seed = find(json, "seed"); seed != nullptr && seed->is_number_unsigned()) {
    sampling.seed = seed->get<std::uint64_t>();
  }
  if (const auto* biases = find(json, "logit_bias"); biases != nullptr && biases->is_array()) {
    for (const auto& bias : *biases) {
      if (bias.is_array() && bias.size() == 2 && bias[0].is_number_integer() && bias[1].is_number())
        sampling.logit_bias.emplace_back(bias[0].get<infer::TokenId>(), bias[1].get<float>());
    }
  }
  return sampling;
}

Result<void> read_servers(const Json& record, AgentFile& file, bool start_servers) {
  const auto* servers = find(record, "servers");
  if (servers == nullptr) return {};
  for (const auto& [number, server] : servers->items()) {
    const auto name = string_at(server, "name");
    const auto* entry = find(server, "entry");
    if (entry == nullptr) return fail(Code::kCorrupt, "a server in the journal has no entry");
    file.server_entries.emplace_back(*entry);
    if (!start_servers) {
      file.servers.emplace_back().name = name;
      continue;
    }
    if (entry->dump().find(kRedactedMark) != std::string::npos) {
      return fail(
          Code::kInvalidArgument,
          fmt::format(
              "server {}: a secret was written literally in the agent file, so the journal does not have it",
              name),
          "write ${NAME} in its place and start a new run");
    }
    TSUKAI_TRY(auto config, mcp::parse_server_config(name, *entry));
    file.servers.push_back(std::move(config));
  }
  return {};
}

}  // namespace

void put_text(Json& object, const std::string& key, const std::string& text) {
  if (valid_utf8(text))
    object[key] = text;
  else
    object[key + "_b64"] = base64(text);
}

std::string text_at(const Json& object, const std::string& key) {
  const auto encoded = string_at(object, key + "_b64");
  return encoded.empty() ? string_at(object, key) : from_base64(encoded).value_or("");
}

Json agent_record(const AgentFile& file, const Redaction& redaction) {
  Json servers = Json::array();
  for (std::size_t i = 0; i < file.servers.size(); ++i) {
    const auto entry =
        i < file.server_entries.size() ? *file.server_entries[i] : server_entry(file.servers[i]);
    servers.push_back({{"name", file.servers[i].name}, {"entry", redaction.json(entry)}});
  }
  Json out = {{"path", file.path},
              {"name", file.name},
              {"model", redaction.text(file.model)},
              {"tool_choice", choice_name(file.tool_choice)},
              {"tool_choice_first_only", file.tool_choice_first_only},
              {"instructions", redaction.text(file.instructions)},
              {"servers", servers},
              {"tools", file.tools},
              {"memory", {{"scope", file.memory_scope}, {"recall", file.memory_recall}}},
              {"budget", budget_record(file.budget)},
              {"policy", policy_record(file.policy)},
              {"sampling", sampling_record(file.sampling, file.stop)},
              {"tokens_per_step", file.tokens_per_step},
              {"calls_per_step", file.calls_per_step}};
  // What came later is written where it is used, so that the records of before still replay to the same
  // bytes.
  const AgentFile plain;
  if (file.parallel_calls != plain.parallel_calls) out["parallel_calls"] = file.parallel_calls;
  if (file.parallel_calls_per_server != plain.parallel_calls_per_server)
    out["parallel_calls_per_server"] = file.parallel_calls_per_server;
  if (file.result_preview > 0) out["results"] = {{"preview", file.result_preview}};
  if (file.planner != plain.planner) out["planner"] = file.planner == Planner::kPlan ? "plan" : "auto";
  if (!file.steps.is_null()) out["steps"] = *file.steps;
  if (!file.agents.empty()) out["agents"] = agents_record(file.agents);
  if (!file.inherited.empty()) out["inherited"] = inherited_record(file.inherited);
  if (file.tools_shown && *file.tools_shown < kAllTools) out["tools_shown"] = *file.tools_shown;
  if (file.output_schema) out["output"] = {{"schema", **file.output_schema}};
  return out;
}

Result<AgentFile> agent_from(const Json& record, bool start_servers) {
  AgentFile file;
  file.path = string_at(record, "path");
  file.name = string_at(record, "name");
  file.model = string_at(record, "model");
  const auto choice = string_at(record, "tool_choice");
  if (choice == "required") file.tool_choice = infer::ToolChoice::kRequired;
  if (choice == "none") file.tool_choice = infer::ToolChoice::kNone;
  file.tool_choice_first_only = bool_at(record, "tool_choice_first_only");
  file.instructions = string_at(record, "instructions");
  TSUKAI_TRY_VOID(read_servers(record, file, start_servers));
  file.tools = strings_of(find(record, "tools"));
  if (const auto* memory = find(record, "memory")) {
    file.memory_scope = strings_of(find(*memory, "scope"));
    file.memory_recall = static_cast<std::size_t>(integer_at(*memory, "recall"));
  }
  if (const auto* budget = find(record, "budget")) file.budget = budget_from(*budget);
  TSUKAI_TRY(file.policy, rules_from(find(record, "policy")));
  TSUKAI_TRY_VOID(read_children(record, file, start_servers));
  TSUKAI_TRY_VOID(read_inherited(record, file));
  // Without a word the whole list was shown: so it was before there was a choice, too.
  file.tools_shown =
      static_cast<std::size_t>(integer_at(record, "tools_shown", static_cast<std::int64_t>(kAllTools)));
  if (const auto* output = find(record, "output")) {
    if (const auto* schema = find(*output, "schema")) file.output_schema = *schema;
  }
  if (const auto* results = find(record, "results"))
    file.result_preview = static_cast<std::size_t>(integer_at(*results, "preview"));
  const auto planner = string_at(record, "planner");
  file.planner = planner == "plan" ? Planner::kPlan : planner == "auto" ? Planner::kAuto : Planner::kReact;
  if (const auto* steps = find(record, "steps")) file.steps = *steps;
  if (const auto* sampling = find(record, "sampling")) {
    file.sampling = sampling_from(*sampling);
    file.stop = strings_of(find(*sampling, "stop"));
  }
  file.tokens_per_step = static_cast<std::size_t>(integer_at(record, "tokens_per_step", 512));
  file.calls_per_step = static_cast<std::size_t>(integer_at(record, "calls_per_step", 8));
  file.parallel_calls = static_cast<std::size_t>(integer_at(record, "parallel_calls", 8));
  file.parallel_calls_per_server =
      static_cast<std::size_t>(integer_at(record, "parallel_calls_per_server", 8));
  return file;
}

Json model_record(const infer::ModelDescription& description) {
  return {{"name", description.name},
          {"architecture", description.architecture},
          {"quantisation", description.quantisation},
          {"digest", description.digest},
          {"context_tokens", description.context_tokens}};
}

Json tool_record(const BoundTool& tool) {
  Json out = {{"name", tool.definition.name},
              {"tool", tool.qualified},
              {"description", tool.definition.description},
              {"input_schema", *tool.definition.input_schema},
              {"schema_sha256", sha256_hex(tool.definition.input_schema.print())}};
  if (tool.agent) out["agent"] = true;
  return out;
}

Json tools_record(const std::vector<BoundTool>& tools) {
  Json out = Json::array();
  for (const auto& tool : tools) out.push_back(tool_record(tool));
  return out;
}

Json intent_record(const infer::ChatRequest& request, const infer::Prompt& prompt, planner::NoteKind note,
                   const std::string& note_text) {
  Json tokens = Json::array();
  auto& list = tokens.get_ref<Json::array_t&>();
  list.reserve(prompt.tokens.size() - prompt.kept_tokens);
  for (auto i = prompt.kept_tokens; i < prompt.tokens.size(); ++i) list.emplace_back(prompt.tokens[i]);
  Json out = Json::object();
  out["kept_bytes"] = prompt.kept_bytes;
  out["kept_tokens"] = prompt.kept_tokens;
  out["tokens"] = std::move(tokens);
  out["prompt_bytes"] = prompt.text.size();
  out["prompt_tokens"] = prompt.tokens.size();
  out["prompt_sha256"] = sha256_hex(prompt.text);
  out["tool_choice"] = choice_name(request.tool_choice);
  out["calls_max"] = request.calls_max;
  out["tokens_max"] = request.tokens_max;
  out["sampling"] = sampling_record(request.sampling, request.stop);
  put_text(out, "text", prompt.text.substr(prompt.kept_bytes));
  if (note != planner::NoteKind::kNone) out["note"] = {{"kind", name(note)}, {"text", note_text}};
  return out;
}

Json call_record(const infer::ToolCall& call) {
  Json out = Json::object();
  out["id"] = call.id;
  out["name"] = call.name;
  out["arguments"] = *call.arguments;
  return out;
}

Result<infer::ToolCall> call_from(const Json& json) {
  const auto* arguments = find(json, "arguments");
  if (arguments == nullptr) return fail(Code::kCorrupt, "a call in the journal has no arguments");
  return infer::ToolCall{string_at(json, "id"), string_at(json, "name"), *arguments};
}

Json reply_record(const infer::ChatReply& reply, double ms) {
  Json calls = Json::array();
  for (const auto& call : reply.message.calls) calls.push_back(call_record(call));
  Json message = Json::object();
  message["calls"] = std::move(calls);
  put_text(message, "text", reply.message.text);
  put_text(message, "reasoning", reply.message.reasoning);
  put_text(message, "raw", reply.message.raw);
  Json out = Json::object();
  out["tokens"] = reply.tokens;
  out["message"] = std::move(message);
  out["finish"] = name(reply.finish);
  out["usage"] = usage_json(reply.usage);
  out["ms"] = ms;
  put_text(out, "text", reply.text);
  return out;
}

Result<infer::ChatReply> reply_from(const Json& payload) {
  infer::ChatReply reply;
  reply.text = text_at(payload, "text");
  if (const auto* tokens = find(payload, "tokens"); tokens != nullptr && tokens->is_array()) {
    for (const auto& token : *tokens) {
      if (!token.is_number_integer()) return fail(Code::kCorrupt, "a token in the journal is no number");
      reply.tokens.push_back(token.get<infer::TokenId>());
    }
  }
  const auto* message = find(payload, "message");
  if (message == nullptr) return fail(Code::kCorrupt, "a MODEL_RESULT row has no message");
  reply.message.role = infer::Role::kAssistant;
  reply.message.text = text_at(*message, "text");
  reply.message.reasoning = text_at(*message, "reasoning");
  reply.message.raw = text_at(*message, "raw");
  if (const auto* calls = find(*message, "calls"); calls != nullptr && calls->is_array()) {
    for (const auto& json : *calls) {
      TSUKAI_TRY(auto call, call_from(json));
      reply.message.calls.push_back(std::move(call));
    }
  }
  reply.finish = finish_named(string_at(payload, "finish"));
  if (const auto* usage = find(payload, "usage")) reply.usage = usage_from(*usage);
  return reply;
}

Json observation_record(const infer::ToolCall& call, const Observation& observation) {
  Json out = Json::object();
  out["id"] = call.id;
  out["name"] = call.name;
  out["outcome"] = name(observation.outcome);
  out["observation"] = observation.text;
  out["bytes"] = observation.bytes_whole;
  out["came"] = *observation.came;
  out["ms"] = observation.ms;
  if (observation.handle) out["handle"] = true;
  if (!observation.found.empty()) out["found"] = observation.found;
  return out;
}

}  // namespace tsukai::agent
