#include "infer/chat/tool_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "infer/chat/tool_families.h"

namespace tsukai::infer {
namespace {

constexpr std::string_view kDescription =
    "# Tools\n\n"
    "You may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n";

Json tool_json(const ToolDefinition& tool) {
  return Json{{"type", "function"},
              {"function",
               {{"name", tool.name}, {"description", tool.description}, {"parameters", *tool.input_schema}}}};
}

// A value that fits a schema well enough to show how arguments are written.
Json sample(const Json& schema) {
  if (const Json* choices = find(schema, "enum"); choices && choices->is_array() && !choices->empty())
    return choices->front();
  for (const char* key : {"const", "default"}) {
    if (const Json* value = find(schema, key)) return *value;
  }
  if (const Json* examples = find(schema, "examples");
      examples && examples->is_array() && !examples->empty()) {
    return examples->front();
  }
  const std::string type = string_at(schema, "type", "string");
  if (type == "integer" || type == "number") return integer_at(schema, "minimum", 1);
  if (type == "boolean") return true;
  if (type == "array") return Json::array();
  if (type == "object") return Json::object();
  return "...";
}

Json sample_arguments(const Json& schema) {
  Json out = Json::object();
  const Json *required = find(schema, "required"), *properties = find(schema, "properties");
  if (!required || !required->is_array() || !properties || !properties->is_object()) return out;
  for (const Json& name : *required) {
    if (name.is_string() && properties->contains(name))
      out[name.get<std::string>()] = sample((*properties)[name]);
  }
  return out;
}

std::string joined(const std::vector<RenderedPiece>& pieces) {
  std::string out;
  for (const auto& piece : pieces) out += piece.text;
  return out;
}

}  // namespace

std::unique_ptr<ToolFormat> ToolFormat::choose(std::string_view source, std::string_view architecture,
                                               const Tokenizer& tokenizer) {
  auto mentions = [&](std::string_view text) { return source.find(text) != std::string_view::npos; };
  std::unique_ptr<ToolFormat> made;
  if (mentions("<function="))
    made = std::make_unique<Qwen3CoderFormat>();
  else if (mentions("<｜tool▁call▁begin｜>"))
    made = std::make_unique<DeepSeekFormat>();
  else if (mentions("<tool_call>"))
    made = std::make_unique<HermesFormat>();
  else if (mentions("<|start_header_id|>") && mentions("ipython"))
    made = std::make_unique<Llama3Format>();
  else if (architecture == "deepseek2")
    made = std::make_unique<DeepSeekFormat>();
  else
    made = std::make_unique<HermesFormat>();
  if (mentions("<think>") || mentions("</think>") || tokenizer.find_control("<think>") >= 0) {
    made->think_begin_ = "<think>";
    made->think_end_ = "</think>";
  }
  if (tokenizer.bos() >= 0) made->bos_text_ = tokenizer.bytes(tokenizer.bos(), true);
  if (tokenizer.end_of_turn() >= 0) made->end_of_turn_text_ = tokenizer.bytes(tokenizer.end_of_turn(), true);
  for (std::size_t i = 0; i < tokenizer.size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    if (tokenizer.ends_turn(token)) made->end_texts_.emplace_back(tokenizer.bytes(token, true));
  }
  return made;
}

std::optional<ToolFormat::Opening> ToolFormat::opening(const ToolDefinition& tool) const {
  constexpr std::string_view kNone = "{}";
  auto text = spell_call(tool.name, Json::object());
  const auto at = text.rfind(kNone);
  if (at == std::string::npos) return std::nullopt;
  text.resize(at);
  return Opening{std::move(text), ""};
}

bool ToolFormat::opens_thinking(std::string_view prompt_text) const {
  return !think_begin_.empty() && trimmed(prompt_text).ends_with(think_begin_);
}

// What the system message says of tools where the template has no words for them.
std::string ToolFormat::described(const std::vector<ToolDefinition>& tools) const {
  std::string out(kDescription);
  for (const auto& tool : tools) {
    out += fmt::format("{{\"name\":{},\"description\":{},\"parameters\":{}}}\n", print_json(tool.name),
                       print_json(tool.description), tool.input_schema.print());
  }
  const ToolDefinition& first = tools.front();
  out += fmt::format(
      "</tools>\n\nFor each function call, return the function name and arguments in exactly this "
      "form:\n{}{}{}",
      call_begin(), spell_call(first.name, sample_arguments(*first.input_schema)), call_end());
  return out;
}

Json ToolFormat::message(const Message& message) const {
  Json out{{"role", infer::name(message.role)}, {"content", message.text}};
  if (message.role == Role::kTool) {
    out["tool_call_id"] = message.call_id;
    out["name"] = message.tool_name;
  }
  if (message.role != Role::kAssistant) return out;
  if (!message.reasoning.empty()) out["reasoning_content"] = message.reasoning;
  if (message.calls.empty()) return out;
  Json calls = Json::array();
  for (const auto& call : message.calls) {
    const Json arguments = arguments_as_text() ? Json(call.arguments.print()) : *call.arguments;
    calls.push_back({{"type", "function"},
                     {"id", call.id},
                     {"function", {{"name", call.name}, {"arguments", arguments}}}});
  }
  out["tool_calls"] = std::move(calls);
  if (arguments_as_text() && message.text.empty()) out["content"] = nullptr;
  return out;
}

Json ToolFormat::variables(const ChatRequest& request, bool template_knows_tools) const {
  return variables_with(request, template_knows_tools, nullptr);
}

Json ToolFormat::variables_with(const ChatRequest& request, bool template_knows_tools,
                                std::vector<Raw>* raws) const {
  // A placeholder is a word that stands in none of the messages, and that no template changes.
  std::string word = "tsukairaw";
  if (raws) {
    for (const auto& message : request.messages) {
      while (message.text.find(word) != std::string::npos || message.raw.find(word) != std::string::npos)
        word += 'x';
    }
  }
  Json messages = Json::array();
  const bool describes = !template_knows_tools && !request.tools.empty();
  if (describes && (request.messages.empty() || request.messages[0].role != Role::kSystem)) {
    messages.push_back({{"role", "system"}, {"content", described(request.tools)}});
  }
  bool answering = false;  // The last message put in is a user turn of tool results.
  for (std::size_t i = 0; i < request.messages.size(); ++i) {
    const Message& given = request.messages[i];
    const bool was_answering = std::exchange(answering, false);
    if (given.role == Role::kAssistant && !given.raw.empty()) {
      std::string content = given.raw;
      if (raws) {
        content = fmt::format("{}{}z", word, i);
        raws->push_back({content, given.raw});
      }
      messages.push_back({{"role", "assistant"}, {"content", content}});
      continue;
    }
    Json next = message(given);
    if (!template_knows_tools) {
      if (given.role == Role::kSystem && i == 0 && describes) {
        next["content"] = given.text + "\n\n" + described(request.tools);
      } else if (given.role == Role::kTool) {
        const std::string result = "<tool_response>\n" + given.text + "\n</tool_response>";
        answering = true;
        if (was_answering) {
          auto& content = messages.back()["content"];
          content = content.get<std::string>() + "\n" + result;
          continue;
        }
        next = {{"role", "user"}, {"content", result}};
      } else if (!given.calls.empty()) {
        std::string content = given.text.empty() ? "" : given.text + "\n";
        for (std::size_t c = 0; c < given.calls.size(); ++c) {
          content += c == 0 ? call_begin() : between_calls();
          content += spell_call(given.calls[c].name, *given.calls[c].arguments);
        }
        next.erase("tool_calls");
        next["content"] = content + call_end();
      }
    }
    messages.push_back(std::move(next));
  }
  Json out{{"messages", std::move(messages)},     {"add_generation_prompt", true},
           {"enable_thinking", request.thinking}, {"bos_token", bos_text_},
           {"eos_token", end_of_turn_text_},      {"tools", nullptr}};
  if (template_knows_tools && !request.tools.empty()) {
    Json tools = Json::array();
    for (const auto& tool : request.tools) tools.push_back(tool_json(tool));
    out["tools"] = std::move(tools);
  }
  return out;
}

// What the generation prompt holds beyond the beginning of an assistant's turn ("<think>\n"): it was in front
// of every raw text when that was generated, but templates do not print it again in front of a past turn.
std::string ToolFormat::opened_by_prompt(const ChatTemplate& chat_template,
                                         const ChatRequest& request) const {
  constexpr std::string_view kProbe = "tsukaiprobe";
  ChatRequest probe;
  probe.thinking = request.thinking;
  probe.messages = {{.text = "a"}};
  Json asked = variables(probe, true);
  Json answered = asked;
  answered["messages"].push_back({{"role", "assistant"}, {"content", kProbe}});
  answered["messages"].push_back({{"role", "user"}, {"content", "b"}});
  answered["add_generation_prompt"] = false;
  const auto opened = chat_template.render(asked), past = chat_template.render(answered);
  if (!opened || !past) return {};
  const std::string prompt = joined(*opened), turns = joined(*past);
  const std::size_t begin = turns.find(kProbe);
  if (begin == std::string::npos || prompt.compare(0, begin, turns, 0, begin) != 0) return {};
  return prompt.substr(begin);
}

// The model's own text: its family's markers may be control tokens, all else is plain text.
void ToolFormat::append_raw(const std::string& raw, std::vector<RenderedPiece>& out) const {
  std::vector<std::string> known = markers();
  if (!think_begin_.empty()) known.insert(known.end(), {think_begin_, think_end_});
  std::size_t plain = 0;
  for (std::size_t at = 0; at < raw.size();) {
    std::size_t length = 0;
    for (const auto& marker : known) {
      if (raw.compare(at, marker.size(), marker) == 0) length = std::max(length, marker.size());
    }
    if (length == 0) {
      ++at;
      continue;
    }
    if (at > plain) out.push_back({raw.substr(plain, at - plain), true});
    out.push_back({raw.substr(at, length), false});
    at += length;
    plain = at;
  }
  if (plain < raw.size()) out.push_back({raw.substr(plain), true});
}

Result<std::vector<RenderedPiece>> ToolFormat::render(const ChatTemplate& chat_template,
                                                      const ChatRequest& request) const {
  std::vector<Raw> raws;
  const Json variables = variables_with(request, chat_template.knows_tools(), &raws);
  TSUKAI_TRY(auto pieces, chat_template.render(variables));
  if (raws.empty()) return pieces;
  const std::string opened = opened_by_prompt(chat_template, request);
  std::vector<RenderedPiece> out;
  std::size_t next = 0;
  for (auto& piece : pieces) {
    std::size_t from = 0;
    while (next < raws.size()) {
      // A template that drops a past turn drops its placeholder: look for the next ones too.
      std::size_t which = next, found = std::string::npos;
      while (which < raws.size() &&
             (found = piece.text.find(raws[which].placeholder, from)) == std::string::npos)
        ++which;
      if (found == std::string::npos) break;
      if (found > from) out.push_back({piece.text.substr(from, found - from), piece.from_data});
      if (!opened.empty()) out.push_back({opened, false});
      std::string raw = raws[which].text;
      for (const auto& end : end_texts_) {
        if (!end.empty() && raw.ends_with(end)) {
          raw.resize(raw.size() - end.size());
          break;
        }
      }
      append_raw(raw, out);
      from = found + raws[which].placeholder.size();
      next = which + 1;
    }
    if (from < piece.text.size()) out.push_back({piece.text.substr(from), piece.from_data});
  }
  return out;
}

Result<ParsedTurn> ToolFormat::parse(std::string_view generated,
                                     const std::vector<ToolDefinition>& tools) const {
  for (const auto& end : end_texts_) {
    if (!end.empty() && trimmed(generated).ends_with(end)) {
      generated = generated.substr(0, generated.rfind(end));
      break;
    }
  }
  ParsedTurn turn;
  std::string_view rest = generated;
  if (!think_begin_.empty()) {
    const bool opened = trimmed(rest).starts_with(think_begin_);
    const std::size_t end = rest.find(think_end_);
    std::string_view reasoning =
        rest.substr(0, end == std::string_view::npos ? (opened ? rest.size() : 0) : end);
    if (opened) reasoning.remove_prefix(reasoning.find(think_begin_) + think_begin_.size());
    turn.reasoning = trimmed(reasoning);
    if (end != std::string_view::npos)
      rest = rest.substr(end + think_end_.size());
    else if (opened)
      rest = {};
  }
  turn.text = rest;
  TSUKAI_TRY(turn.calls, take_calls(turn.text, tools));
  turn.text = std::string(trimmed(turn.text));
  return turn;
}

}  // namespace tsukai::infer
