#include "agent/records.h"

#include <nlohmann/json.hpp>

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

Json sampling_record(const infer::Sampling& sampling) {
  return {{"temperature", sampling.temperature},
          {"top_p", sampling.top_p},
          {"top_k", sampling.top_k},
          {"min_p", sampling.min_p},
          {"repetition_penalty", sampling.repetition_penalty},
          {"presence_penalty", sampling.presence_penalty},
          {"frequency_penalty", sampling.frequency_penalty},
          {"seed", sampling.seed}};
}

Json names_of(const std::map<std::string, std::string>& values) {
  Json names = Json::array();
  for (const auto& [name, value] : values) names.push_back(name);
  return names;
}

Json server_record(const mcp::ServerConfig& server, const Redaction& redaction) {
  Json out = {{"name", server.name}, {"trusted", server.trusted}};
  if (!server.command.empty()) {
    out["command"] = server.command;
    out["args"] = redaction.json(Json(server.args));
    out["env"] = names_of(server.env);
    if (!server.cwd.empty()) out["cwd"] = server.cwd;
  } else {
    out["url"] = redaction.text(server.url);
    out["headers"] = names_of(server.headers);
  }
  return out;
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
  for (const auto& server : file.servers) servers.push_back(server_record(server, redaction));
  Json policy = Json::array();
  for (const auto& rule : file.policy) policy.push_back({{std::string(name(rule.action)), rule.pattern}});
  Json out = {{"path", file.path},
              {"name", file.name},
              {"model", redaction.text(file.model)},
              {"tool_choice", file.tool_choice_first_only ? "required-first" : choice_name(file.tool_choice)},
              {"instructions", redaction.text(file.instructions)},
              {"servers", servers},
              {"tools", file.tools},
              {"memory", {{"scope", file.memory_scope}, {"recall", file.memory_recall}}},
              {"budget",
               {{"steps", file.budget.steps},
                {"tool_calls", file.budget.tool_calls},
                {"tokens", file.budget.tokens},
                {"seconds", file.budget.seconds}}},
              {"policy", policy},
              {"sampling", sampling_record(file.sampling)},
              {"tokens_per_step", file.tokens_per_step},
              {"calls_per_step", file.calls_per_step}};
  if (file.output_schema) out["output"] = {{"schema", **file.output_schema}};
  return out;
}

Json model_record(const infer::ModelDescription& description) {
  return {{"name", description.name},
          {"architecture", description.architecture},
          {"quantisation", description.quantisation},
          {"digest", description.digest},
          {"context_tokens", description.context_tokens}};
}

Json tools_record(const std::vector<BoundTool>& tools) {
  Json out = Json::array();
  for (const auto& tool : tools) {
    out.push_back({{"name", tool.definition.name},
                   {"tool", tool.qualified},
                   {"description", tool.definition.description},
                   {"input_schema", *tool.definition.input_schema},
                   {"schema_sha256", sha256_hex(tool.definition.input_schema.print())}});
  }
  return out;
}

Json intent_record(const infer::ChatRequest& request, const infer::Prompt& prompt, planner::NoteKind note,
                   const std::string& note_text) {
  Json out = {{"kept_bytes", prompt.kept_bytes},
              {"kept_tokens", prompt.kept_tokens},
              {"tokens", std::vector<infer::TokenId>(
                             prompt.tokens.begin() + static_cast<std::ptrdiff_t>(prompt.kept_tokens),
                             prompt.tokens.end())},
              {"prompt_bytes", prompt.text.size()},
              {"prompt_tokens", prompt.tokens.size()},
              {"prompt_sha256", sha256_hex(prompt.text)},
              {"tool_choice", choice_name(request.tool_choice)},
              {"calls_max", request.calls_max},
              {"tokens_max", request.tokens_max},
              {"sampling", sampling_record(request.sampling)}};
  put_text(out, "text", prompt.text.substr(prompt.kept_bytes));
  if (note != planner::NoteKind::kNone) out["note"] = {{"kind", name(note)}, {"text", note_text}};
  return out;
}

Json call_record(const infer::ToolCall& call) {
  return {{"id", call.id}, {"name", call.name}, {"arguments", *call.arguments}};
}

Result<infer::ToolCall> call_from(const Json& json) {
  const auto* arguments = find(json, "arguments");
  if (arguments == nullptr) return fail(Code::kCorrupt, "a call in the journal has no arguments");
  return infer::ToolCall{string_at(json, "id"), string_at(json, "name"), *arguments};
}

Json reply_record(const infer::ChatReply& reply, double ms) {
  Json calls = Json::array();
  for (const auto& call : reply.message.calls) calls.push_back(call_record(call));
  Json message = {{"calls", std::move(calls)}};
  put_text(message, "text", reply.message.text);
  put_text(message, "reasoning", reply.message.reasoning);
  put_text(message, "raw", reply.message.raw);
  Json out = {{"tokens", reply.tokens},
              {"message", std::move(message)},
              {"finish", name(reply.finish)},
              {"usage", usage_json(reply.usage)},
              {"ms", ms}};
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
  return {{"id", call.id},
          {"name", call.name},
          {"outcome", name(observation.outcome)},
          {"observation", observation.text},
          {"bytes", observation.bytes_whole},
          {"came", *observation.came},
          {"ms", observation.ms}};
}

}  // namespace tsukai::agent
