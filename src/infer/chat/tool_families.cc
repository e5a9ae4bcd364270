#include "infer/chat/tool_families.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::infer {
namespace {

using Call = ParsedTurn::Call;
using Calls = std::vector<Call>;

constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>", kCallsEnd = "<｜tool▁calls▁end｜>";
constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>", kCallEnd = "<｜tool▁call▁end｜>";
constexpr std::string_view kSeparator = "<｜tool▁sep｜>";

tl::unexpected<Error> malformed(std::size_t number, std::string_view what) {
  return fail(Code::kProtocol, fmt::format("call {} of the turn: {}", number, what));
}

// {"name": N, "arguments"|"parameters": {...}}
Result<Call> call_from_json(const Json& json, std::size_t number) {
  if (!json.is_object()) return malformed(number, "it is no JSON object");
  const Json* name = find(json, "name");
  if (!name || !name->is_string() || name->get_ref<const std::string&>().empty()) {
    return malformed(number, "it names no tool (\"name\")");
  }
  const Json* arguments = find(json, "arguments");
  if (!arguments) arguments = find(json, "parameters");
  Call call{name->get<std::string>(), Json::object()};
  if (!arguments || arguments->is_null()) return call;
  if (arguments->is_string()) {  // Some write the arguments as JSON within a string.
    auto inner = parse_json(arguments->get_ref<const std::string&>());
    if (!inner || !inner->is_object()) return malformed(number, "its arguments are a string, not an object");
    call.arguments = *std::move(inner);
    return call;
  }
  if (!arguments->is_object()) return malformed(number, "its arguments are no object");
  call.arguments = *arguments;
  return call;
}

Result<Json> json_of_call(std::string_view text, std::size_t number) {
  auto json = parse_json(trimmed(text));
  if (!json) return malformed(number, fmt::format("not JSON: {}", json.error().message()));
  return *std::move(json);
}

// Cuts every part between `begin` and `end` (or the end of the text) out of `text`.
std::vector<std::string> cut_parts(std::string& text, std::string_view begin, std::string_view end) {
  std::vector<std::string> parts;
  std::string rest;
  std::size_t at = 0;
  for (;;) {
    const std::size_t open = text.find(begin, at);
    rest += text.substr(at, open == std::string::npos ? std::string::npos : open - at);
    if (open == std::string::npos) break;
    const std::size_t from = open + begin.size(), close = text.find(end, from);
    parts.push_back(text.substr(from, close == std::string::npos ? std::string::npos : close - from));
    if (close == std::string::npos) break;
    at = close + end.size();
  }
  text = std::move(rest);
  return parts;
}

Result<std::shared_ptr<const Grammar>> arguments_of(const ToolDefinition& tool) {
  auto grammar = Grammar::from_schema(*tool.input_schema);
  if (!grammar) return fail(std::move(grammar).error().in(fmt::format("tool \"{}\"", tool.name)));
  return grammar;
}

// One choice per tool: the text before its arguments, the arguments, the text after them.
Result<std::shared_ptr<const Grammar>> json_calls(
    const std::vector<ToolDefinition>& tools, const std::function<std::string(const std::string&)>& before,
    const std::string& after) {
  if (tools.empty()) return fail(Code::kInvalidArgument, "tool calls: there is no tool to call");
  std::vector<std::shared_ptr<const Grammar>> choices;
  for (const auto& tool : tools) {
    TSUKAI_TRY(auto arguments, arguments_of(tool));
    choices.push_back(Grammar::sequence({{before(tool.name), nullptr}, {"", arguments}, {after, nullptr}}));
  }
  return choices.size() == 1 ? choices[0] : Grammar::any_of(std::move(choices));
}

// Any string at all: nothing but annotations beside its type.
bool is_plain_string(const Json& schema) {
  static constexpr std::string_view kAnnotations[] = {"title", "description", "default", "examples",
                                                      "$comment"};
  if (string_at(schema, "type") != "string") return false;
  for (const auto& [keyword, value] : schema.items()) {
    if (keyword != "type" && std::ranges::find(kAnnotations, keyword) == std::end(kAnnotations)) return false;
  }
  return true;
}

// A parameter as Qwen3-Coder writes it: text for strings, JSON for all else.
Json parameter_value(std::string text, const Json* schema) {
  if (text.starts_with('\n')) text.erase(0, 1);
  if (text.ends_with('\n')) text.pop_back();
  if (schema && is_plain_string(*schema)) return text;
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  if (schema && string_at(*schema, "type") == "string" && !quoted) return text;
  auto json = parse_json(trimmed(text));
  return json ? *std::move(json) : Json(text);
}

const Json* parameter_schema(const std::vector<ToolDefinition>& tools, const std::string& tool,
                             const std::string& name) {
  for (const auto& known : tools) {
    if (known.name != tool) continue;
    const Json* properties = find(*known.input_schema, "properties");
    return properties ? find(*properties, name) : nullptr;
  }
  return nullptr;
}

Result<Call> call_from_xml(std::string_view text, const std::vector<ToolDefinition>& tools,
                           std::size_t number) {
  constexpr std::string_view kFunction = "<function=", kParameter = "<parameter=";
  const std::size_t open = text.find(kFunction);
  if (open == std::string_view::npos) return malformed(number, "<function=NAME> is missing");
  const std::size_t close = text.find('>', open);
  if (close == std::string_view::npos) return malformed(number, "<function=NAME> is not closed");
  Call call{std::string(trimmed(text.substr(open + kFunction.size(), close - open - kFunction.size()))),
            Json::object()};
  if (call.name.empty()) return malformed(number, "it names no tool");
  Json arguments = Json::object();
  for (std::size_t at = text.find(kParameter, close); at != std::string_view::npos;) {
    const std::size_t end = text.find('>', at);
    if (end == std::string_view::npos) return malformed(number, "<parameter=NAME> is not closed");
    const std::string name(trimmed(text.substr(at + kParameter.size(), end - at - kParameter.size())));
    const std::size_t stop = text.find("</parameter>", end);
    if (stop == std::string_view::npos)
      return malformed(number, fmt::format("parameter \"{}\" is not closed", name));
    arguments[name] = parameter_value(std::string(text.substr(end + 1, stop - end - 1)),
                                      parameter_schema(tools, call.name, name));
    at = text.find(kParameter, stop);
  }
  call.arguments = std::move(arguments);
  return call;
}

}  // namespace

// Hermes

Result<std::shared_ptr<const Grammar>> HermesFormat::call(const std::vector<ToolDefinition>& allowed) const {
  return json_calls(
      allowed,
      [](const std::string& name) { return fmt::format("{{\"name\": \"{}\", \"arguments\": ", name); }, "}");
}

std::string HermesFormat::spell_call(const std::string& name, const Json& arguments) const {
  return fmt::format("{{\"name\": \"{}\", \"arguments\": {}}}", name, print_json(arguments));
}

Result<Calls> HermesFormat::take_calls(std::string& text, const std::vector<ToolDefinition>&) const {
  Calls calls;
  for (const auto& part : cut_parts(text, "<tool_call>", "</tool_call>")) {
    TSUKAI_TRY(const Json json, json_of_call(part, calls.size() + 1));
    const Json list = json.is_array() ? json : Json::array({json});  // SmolLM2 writes a list.
    for (const Json& item : list) {
      TSUKAI_TRY(auto call, call_from_json(item, calls.size() + 1));
      calls.push_back(std::move(call));
    }
  }
  return calls;
}

// Qwen3-Coder

Result<std::shared_ptr<const Grammar>> Qwen3CoderFormat::call(
    const std::vector<ToolDefinition>& allowed) const {
  if (allowed.empty()) return fail(Code::kInvalidArgument, "tool calls: there is no tool to call");
  std::vector<std::shared_ptr<const Grammar>> choices;
  for (const auto& tool : allowed) {
    const Json& schema = *tool.input_schema;
    // The parameters are written one by one, so the schema may say nothing of the object beyond its
    // properties.
    TSUKAI_TRY(auto whole, arguments_of(tool));
    for (const auto& [keyword, value] : schema.items()) {
      static const std::vector<std::string> kKnown = {
          "type",     "properties", "required",    "additionalProperties",
          "$schema",  "title",      "description", "$id",
          "$comment", "examples",   "default"};
      if (std::find(kKnown.begin(), kKnown.end(), keyword) == kKnown.end()) {
        return fail(Code::kUnsupported,
                    fmt::format("tool \"{}\": /: keyword \"{}\" of the parameters as a whole can't be "
                                "honoured in this model's call format",
                                tool.name, keyword));
      }
    }
    std::vector<Grammar::Piece> pieces{{fmt::format("<function={}>\n", tool.name), nullptr}};
    const Json* properties = find(schema, "properties");
    const Json* required = find(schema, "required");
    if (properties && properties->is_object()) {
      for (const auto& [name, property] : properties->items()) {
        // A string goes as it is, up to the mark; one with conditions is written, and checked, as JSON.
        auto value = is_plain_string(property) ? Grammar::text_until({"</parameter>", "</tool_call>"})
                                               : Grammar::from_schema(property);
        if (!value) {
          return fail(
              std::move(value).error().in(fmt::format("tool \"{}\": /properties/{}", tool.name, name)));
        }
        auto parameter = Grammar::sequence(
            {{fmt::format("<parameter={}>\n", name), nullptr}, {"", *value}, {"\n</parameter>\n", nullptr}});
        const bool needed = required && required->is_array() &&
                            std::find(required->begin(), required->end(), Json(name)) != required->end();
        if (!needed) parameter = Grammar::any_of({parameter, Grammar::literal("")});
        pieces.push_back({"", std::move(parameter)});
      }
    }
    pieces.push_back({"</function>", nullptr});
    choices.push_back(Grammar::sequence(std::move(pieces)));
  }
  return choices.size() == 1 ? choices[0] : Grammar::any_of(std::move(choices));
}

std::string Qwen3CoderFormat::spell_call(const std::string& name, const Json& arguments) const {
  std::string out = fmt::format("<function={}>\n", name);
  for (const auto& [key, value] : arguments.items()) {
    out += fmt::format("<parameter={}>\n{}\n</parameter>\n", key,
                       value.is_string() ? value.get<std::string>() : print_json(value));
  }
  return out + "</function>";
}

// Arguments that are a single value of JSON.
std::optional<ToolFormat::Opening> Qwen3CoderFormat::opening(const ToolDefinition& tool) const {
  const Json* properties = find(*tool.input_schema, "properties");
  if (properties == nullptr || properties->size() != 1 || is_plain_string(properties->front()))
    return std::nullopt;
  const auto name = properties->begin().key();
  return Opening{fmt::format("<function={}>\n<parameter={}>\n", tool.name, name),
                 "{" + print_json(Json(name)) + ":"};
}

Result<Calls> Qwen3CoderFormat::take_calls(std::string& text,
                                           const std::vector<ToolDefinition>& tools) const {
  Calls calls;
  for (const auto& part : cut_parts(text, "<tool_call>", "</tool_call>")) {
    TSUKAI_TRY(auto call, call_from_xml(part, tools, calls.size() + 1));
    calls.push_back(std::move(call));
  }
  return calls;
}

// Llama 3

Result<std::shared_ptr<const Grammar>> Llama3Format::call(const std::vector<ToolDefinition>& allowed) const {
  return json_calls(
      allowed, [](const std::string& name) { return fmt::format("{}\", \"parameters\": ", name); }, "}");
}

std::string Llama3Format::spell_call(const std::string& name, const Json& arguments) const {
  return fmt::format("{}\", \"parameters\": {}}}", name, print_json(arguments));
}

Result<Calls> Llama3Format::take_calls(std::string& text, const std::vector<ToolDefinition>&) const {
  constexpr std::string_view kPythonTag = "<|python_tag|>";
  Calls calls;
  std::string_view rest = trimmed(text);
  const bool tagged = rest.starts_with(kPythonTag);
  if (tagged) rest = trimmed(rest.substr(kPythonTag.size()));
  if (!rest.starts_with('{')) return calls;
  auto json = parse_json(rest);
  if (!json) {
    // Cut-off or wrong JSON is a call only where it begins like one: an answer may begin with a brace too.
    if (tagged || rest.starts_with("{\"name\"")) {
      return malformed(1, fmt::format("not JSON: {}", json.error().message()));
    }
    return calls;
  }
  const bool call_like =
      json->contains("name") && (json->contains("parameters") || json->contains("arguments"));
  if (!call_like && !tagged) return calls;
  TSUKAI_TRY(auto call, call_from_json(*json, 1));
  calls.push_back(std::move(call));
  text.clear();
  return calls;
}

// DeepSeek

std::string DeepSeekFormat::call_marker() const { return std::string(kCallsBegin); }
std::string DeepSeekFormat::call_begin() const {
  return fmt::format("{}{}function{}", kCallsBegin, kCallBegin, kSeparator);
}
std::string DeepSeekFormat::between_calls() const {
  return fmt::format("{}\n{}function{}", kCallEnd, kCallBegin, kSeparator);
}
std::string DeepSeekFormat::call_end() const { return fmt::format("{}{}", kCallEnd, kCallsEnd); }
std::vector<std::string> DeepSeekFormat::markers() const {
  return {std::string(kCallsBegin), std::string(kCallsEnd), std::string(kCallBegin), std::string(kCallEnd),
          std::string(kSeparator)};
}

Result<std::shared_ptr<const Grammar>> DeepSeekFormat::call(
    const std::vector<ToolDefinition>& allowed) const {
  return json_calls(
      allowed, [](const std::string& name) { return fmt::format("{}\n```json\n", name); }, "\n```");
}

std::string DeepSeekFormat::spell_call(const std::string& name, const Json& arguments) const {
  return fmt::format("{}\n```json\n{}\n```", name, print_json(arguments));
}

Result<Calls> DeepSeekFormat::take_calls(std::string& text, const std::vector<ToolDefinition>&) const {
  Calls calls;
  for (const auto& part : cut_parts(text, kCallBegin, kCallEnd)) {
    const std::size_t number = calls.size() + 1;
    const std::size_t separator = part.find(kSeparator);
    if (separator == std::string::npos)
      return malformed(number, "the separator before the tool's name is missing");
    std::string_view body = std::string_view(part).substr(separator + kSeparator.size());
    const std::size_t line = std::min(body.find('\n'), body.size());
    const std::string name(trimmed(body.substr(0, line)));
    if (name.empty()) return malformed(number, "it names no tool");
    body = trimmed(body.substr(line));
    if (body.starts_with("```json")) body.remove_prefix(7);
    if (body.ends_with("```")) body.remove_suffix(3);
    TSUKAI_TRY(const Json arguments, json_of_call(body, number));
    if (!arguments.is_object()) return malformed(number, "its arguments are no object");
    calls.push_back({name, arguments});
  }
  for (const std::string_view marker : {kCallsBegin, kCallsEnd}) {
    for (std::size_t at = text.find(marker); at != std::string::npos; at = text.find(marker))
      text.erase(at, marker.size());
  }
  return calls;
}

}  // namespace tsukai::infer
