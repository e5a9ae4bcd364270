#include "agent/remote_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tsukai::agent {
namespace {

constexpr int kSchemaDepthMax = 64;

bool strict_ready_within(const Json& schema, int depth) {
  if (depth > kSchemaDepthMax) return false;
  if (schema.is_array()) {
    for (const auto& one : schema) {
      if (!strict_ready_within(one, depth + 1)) return false;
    }
    return true;
  }
  if (!schema.is_object()) return true;
  const auto* properties = find(schema, "properties");
  if (string_at(schema, "type") == "object" || properties != nullptr) {
    const auto* closed = find(schema, "additionalProperties");
    if (closed == nullptr || !closed->is_boolean() || closed->get<bool>()) return false;
    const auto* required = find(schema, "required");
    const std::size_t needed = required != nullptr && required->is_array() ? required->size() : 0;
    if (needed != (properties == nullptr ? 0 : properties->size())) return false;
  }
  for (const auto& [key, value] : schema.items()) {
    if (key == "enum" || key == "const" || key == "default" || key == "examples") continue;
    if (!strict_ready_within(value, depth + 1)) return false;
  }
  return true;
}

Json tools_json(const RemoteSpec& spec, const infer::ChatRequest& request) {
  Json tools = Json::array();
  auto listed = request.tools;
  // A provider takes calls of listed tools alone. At the end, so that what stands before them is found
  // cached.
  listed.insert(listed.end(), request.told_tools.begin(), request.told_tools.end());
  for (const auto& tool : listed) {
    Json function = {
        {"name", tool.name}, {"description", tool.description}, {"parameters", *tool.input_schema}};
    if (spec.preset.strict && strict_ready(*tool.input_schema)) function["strict"] = true;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

std::string_view choice_text(infer::ToolChoice choice, bool required_choice) {
  switch (choice) {
    case infer::ToolChoice::kRequired:
      return required_choice ? "required" : "auto";
    case infer::ToolChoice::kNone:
      return "none";
    case infer::ToolChoice::kAuto:
      break;
  }
  return "auto";
}

// 0.7 rather than 0.699999988079071.
double plain(float value) { return std::stod(fmt::format("{}", value)); }

Result<void> add_sampling(const RemoteSpec& spec, const infer::Sampling& sampling, Json& body) {
  const auto& preset = spec.preset;
  const auto cannot = [&](const char* what) {
    return fail(Code::kUnsupported, fmt::format("sampling.{}: {} does not take it", what, preset.name),
                "leave it out of the agent file");
  };
  // Models that reason by themselves refuse a temperature.
  const bool fixed =
      preset.new_token_limit && (spec.model.starts_with("o") || spec.model.starts_with("gpt-5"));
  if (!fixed) {
    body["temperature"] = plain(sampling.temperature);
    if (sampling.top_p != 1) body["top_p"] = plain(sampling.top_p);
  }
  if (preset.seed && sampling.temperature > 0) body["seed"] = sampling.seed & 0x7fff'ffff'ffff'ffffu;
  if (sampling.presence_penalty != 0 || sampling.frequency_penalty != 0) {
    if (!preset.penalties)
      return cannot(sampling.presence_penalty != 0 ? "presence_penalty" : "frequency_penalty");
    if (sampling.presence_penalty != 0) body["presence_penalty"] = plain(sampling.presence_penalty);
    if (sampling.frequency_penalty != 0) body["frequency_penalty"] = plain(sampling.frequency_penalty);
  }
  if (sampling.top_k != 0) {
    if (preset.top_k.empty()) return cannot("top_k");
    body[std::string(preset.top_k)] = sampling.top_k;
  }
  if (sampling.min_p != 0) {
    if (preset.min_p.empty()) return cannot("min_p");
    body[std::string(preset.min_p)] = plain(sampling.min_p);
  }
  if (sampling.repetition_penalty != 1) {
    if (preset.repetition_penalty.empty()) return cannot("repetition_penalty");
    body[std::string(preset.repetition_penalty)] = plain(sampling.repetition_penalty);
  }
  if (!sampling.logit_bias.empty()) {
    if (!preset.logit_bias) return cannot("logit_bias");
    Json& biases = body["logit_bias"];
    for (const auto& [token, bias] : sampling.logit_bias) biases[std::to_string(token)] = plain(bias);
  }
  return {};
}

// Where the provider can't be held to the schema, the model is told of it.
std::string schema_words(const RemoteSpec& spec, const infer::ChatRequest& request) {
  if (!request.output_schema || spec.preset.schema == SchemaSupport::kSchema) return {};
  return "Give the final answer as JSON alone, conforming to this JSON Schema: " +
         request.output_schema->print();
}

Json response_format(const RemoteSpec& spec, const Json& schema) {
  if (spec.preset.schema == SchemaSupport::kObject) return {{"type", "json_object"}};
  Json format = {{"name", "answer"}, {"schema", schema}};
  if (strict_ready(schema)) format["strict"] = true;
  return {{"type", "json_schema"}, {"json_schema", std::move(format)}};
}

// The members of an object without its braces.
std::string members(const Json& object) {
  const std::string text = print_json(object);
  return text.substr(1, text.size() - 2);
}

}  // namespace

bool strict_ready(const Json& schema) { return strict_ready_within(schema, 0); }

Json remote_message(const infer::Message& message, bool with_reasoning) {
  Json out = {{"role", std::string(name(message.role))}, {"content", message.text}};
  if (message.role == infer::Role::kTool) out["tool_call_id"] = message.call_id;
  if (message.calls.empty()) return out;
  if (with_reasoning && !message.reasoning.empty()) out["reasoning_content"] = message.reasoning;
  Json calls = Json::array();
  for (const auto& call : message.calls) {
    // Arguments that were no JSON go back as they came.
    const std::string arguments =
        call.arguments->is_string() ? call.arguments->get<std::string>() : call.arguments.print();
    calls.push_back({{"id", call.id},
                     {"type", "function"},
                     {"function", {{"name", call.name}, {"arguments", arguments}}}});
  }
  out["tool_calls"] = std::move(calls);
  return out;
}

Result<std::string> remote_request_body(const RemoteSpec& spec, const infer::ChatRequest& request) {
  Json first = {{"model", spec.model}, {"stream", true}, {"stream_options", {{"include_usage", true}}}};
  if (!request.tools.empty()) first["tools"] = tools_json(spec, request);
  std::string messages;
  std::string words = schema_words(spec, request);
  for (const auto& message : request.messages) {
    if (!words.empty() && message.role != infer::Role::kSystem) {
      infer::Message told;
      told.role = infer::Role::kSystem;
      told.text = std::exchange(words, {});
      messages += (messages.empty() ? "" : ",") + print_json(remote_message(told));
    }
    messages += messages.empty() ? "" : ",";
    messages += message.raw.empty() ? print_json(remote_message(message)) : message.raw;
  }
  const auto& preset = spec.preset;
  Json last = {{preset.new_token_limit ? "max_completion_tokens" : "max_tokens", request.tokens_max}};
  if (!request.tools.empty()) {
    last["tool_choice"] = choice_text(request.tool_choice, preset.required_choice);
    if (preset.parallel_flag && request.calls_max == 1) last["parallel_tool_calls"] = false;
  }
  // A turn that may call tools is held to the schema only where the provider can do both.
  if (request.output_schema && preset.schema != SchemaSupport::kNone &&
      (preset.schema == SchemaSupport::kSchema || request.tools.empty() ||
       request.tool_choice == infer::ToolChoice::kNone)) {
    last["response_format"] = response_format(spec, **request.output_schema);
  }
  if (!request.stop.empty()) last["stop"] = request.stop;
  TSUKAI_TRY_VOID(add_sampling(spec, request.sampling, last));
  return fmt::format("{{{},\"messages\":[{}],{}}}", members(first), messages, members(last));
}

}  // namespace tsukai::agent
