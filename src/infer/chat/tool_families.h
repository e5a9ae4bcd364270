// The tool-call syntaxes of the model families (tool_format.h). Source: the chat templates published with the
// models.
#pragma once

#include <string>
#include <vector>

#include "infer/chat/tool_format.h"

namespace tsukai::infer {

// Qwen2.5, Qwen3 and whatever follows Nous Hermes: <tool_call>\n{"name": N, "arguments": {...}}\n</tool_call>
class HermesFormat final : public ToolFormat {
 public:
  std::string_view name() const override { return "hermes"; }
  std::string call_marker() const override { return "<tool_call>"; }
  std::string call_begin() const override { return "<tool_call>\n"; }
  std::string between_calls() const override { return "\n</tool_call>\n<tool_call>\n"; }
  std::string call_end() const override { return "\n</tool_call>"; }
  Result<std::shared_ptr<const Grammar>> call(const std::vector<ToolDefinition>& allowed) const override;

 protected:
  Result<std::vector<ParsedTurn::Call>> take_calls(std::string& text,
                                                   const std::vector<ToolDefinition>& tools) const override;
  std::string spell_call(const std::string& name, const Json& arguments) const override;
  std::vector<std::string> markers() const override { return {"<tool_call>", "</tool_call>"}; }
};

// Qwen3-Coder: <tool_call>\n<function=N>\n<parameter=K>\nV\n</parameter>\n</function>\n</tool_call>. A V of a
// string parameter is plain text; written as a JSON string it is read as one, and so the grammar writes it.
// Other Vs are JSON.
class Qwen3CoderFormat final : public ToolFormat {
 public:
  std::string_view name() const override { return "qwen3coder"; }
  std::string call_marker() const override { return "<tool_call>"; }
  std::string call_begin() const override { return "<tool_call>\n"; }
  std::string between_calls() const override { return "\n</tool_call>\n<tool_call>\n"; }
  std::string call_end() const override { return "\n</tool_call>"; }
  Result<std::shared_ptr<const Grammar>> call(const std::vector<ToolDefinition>& allowed) const override;
  std::optional<Opening> opening(const ToolDefinition& tool) const override;

 protected:
  Result<std::vector<ParsedTurn::Call>> take_calls(std::string& text,
                                                   const std::vector<ToolDefinition>& tools) const override;
  std::string spell_call(const std::string& name, const Json& arguments) const override;
  std::vector<std::string> markers() const override { return {"<tool_call>", "</tool_call>"}; }
};

// Llama 3.1 and later: the turn is one bare {"name": N, "parameters": {...}}.
class Llama3Format final : public ToolFormat {
 public:
  std::string_view name() const override { return "llama3"; }
  std::string call_marker() const override { return "{"; }
  std::string call_begin() const override { return "{\"name\": \""; }
  std::string between_calls() const override { return "; {\"name\": \""; }
  std::string call_end() const override { return ""; }
  bool call_only_first() const override { return true; }
  std::size_t calls_max() const override { return 1; }
  Result<std::shared_ptr<const Grammar>> call(const std::vector<ToolDefinition>& allowed) const override;

 protected:
  Result<std::vector<ParsedTurn::Call>> take_calls(std::string& text,
                                                   const std::vector<ToolDefinition>& tools) const override;
  std::string spell_call(const std::string& name, const Json& arguments) const override;
  std::vector<std::string> markers() const override { return {"<|python_tag|>"}; }
};

// DeepSeek R1 and its distillations; the bars are U+FF5C and the low lines U+2581.
class DeepSeekFormat final : public ToolFormat {
 public:
  std::string_view name() const override { return "deepseek"; }
  std::string call_marker() const override;
  std::string call_begin() const override;
  std::string between_calls() const override;
  std::string call_end() const override;
  Result<std::shared_ptr<const Grammar>> call(const std::vector<ToolDefinition>& allowed) const override;

 protected:
  Result<std::vector<ParsedTurn::Call>> take_calls(std::string& text,
                                                   const std::vector<ToolDefinition>& tools) const override;
  std::string spell_call(const std::string& name, const Json& arguments) const override;
  std::vector<std::string> markers() const override;
  // Its templates join the arguments to other strings, and tell a call by content that is none.
  bool arguments_as_text() const override { return true; }
};

}  // namespace tsukai::infer
