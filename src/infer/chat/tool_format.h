// How one model family is told of tools, calls them and thinks: everything about a turn's text that differs
// by family.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "infer/chat/template.h"
#include "infer/grammar/grammar.h"
#include "infer/model.h"
#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

// A generated turn taken apart.
struct ParsedTurn {
  struct Call {
    std::string name;
    JsonValue arguments;  // An object.
  };
  std::string reasoning;  // Without the think markers, trimmed.
  std::string text;       // Without reasoning and calls, trimmed.
  std::vector<Call> calls;
};

// A turn with calls reads
//   [reasoning] [text] call_begin() CALL (between_calls() CALL)* call_end() end-of-turn
// where CALL is a text of the grammar call(). The fixed texts may spell control tokens (DeepSeek's do):
// tokenise them with encode_with_control(). Immutable, shared between threads.
class ToolFormat {
 public:
  virtual ~ToolFormat() = default;
  // By the markers that the template spells, else by architecture; "hermes" when neither tells.
  static std::unique_ptr<ToolFormat> choose(std::string_view template_source, std::string_view architecture,
                                            const Tokenizer& tokenizer);

  virtual std::string_view name() const = 0;  // "hermes", "qwen3coder", "llama3", "deepseek"

  // The prompt of the next turn: variables() through the template, generation prompt included, each assistant
  // message that has `raw` put in as exactly that text (whatever the template would have made of it, and
  // after what the generation prompt opened, so that a conversation renders as an extension of what the model
  // saw). Only the family's own markers inside raw may become control tokens.
  Result<std::vector<RenderedPiece>> render(const ChatTemplate& chat_template,
                                            const ChatRequest& request) const;

  // The variables of ChatTemplate::render for this request. A template without a tools branch gets the tools
  // described in the system message and tool results in user turns. Messages with `raw` hold it as plain
  // content here.
  Json variables(const ChatRequest& request, bool template_knows_tools) const;

  // The text that, once generated, means a call has begun; a prefix of call_begin().
  virtual std::string call_marker() const = 0;
  virtual std::string call_begin() const = 0;
  virtual std::string between_calls() const = 0;
  virtual std::string call_end() const = 0;
  // Calls come only first in a turn (after reasoning): elsewhere the marker is plain text.
  virtual bool call_only_first() const { return false; }
  // How a CALL to `tool` reads up to where its arguments begin, as the grammar writes it, and the JSON that
  // has begun with it; nothing where the arguments are not one JSON text.
  struct Opening {
    std::string text, json;
  };
  virtual std::optional<Opening> opening(const ToolDefinition& tool) const;
  // The most calls the family can write in one turn.
  virtual std::size_t calls_max() const { return 64; }
  // One call to one of `allowed`. kUnsupported names the tool and the schema keyword.
  virtual Result<std::shared_ptr<const Grammar>> call(const std::vector<ToolDefinition>& allowed) const = 0;

  // "<think>" and "</think>", or "" when the family does not think.
  const std::string& think_begin() const { return think_begin_; }
  const std::string& think_end() const { return think_end_; }
  // The prompt ends inside an opened thinking part, so the turn begins with reasoning.
  bool opens_thinking(std::string_view prompt_text) const;

  // Takes a generated turn apart (control tokens spelled out; the end-of-turn token may be there or not).
  // Tolerant about white space. kProtocol says which call is malformed and how; a call to a tool that is not
  // in `tools` is given as it is.
  Result<ParsedTurn> parse(std::string_view generated, const std::vector<ToolDefinition>& tools) const;

 protected:
  // Takes the calls out of `text` (reasoning is gone already) and leaves the rest in it.
  virtual Result<std::vector<ParsedTurn::Call>> take_calls(
      std::string& text, const std::vector<ToolDefinition>& tools) const = 0;
  // One CALL, as the model would write it between call_begin() and call_end().
  virtual std::string spell_call(const std::string& name, const Json& arguments) const = 0;
  // In the template's variables: arguments as JSON text rather than an object, and calls without content.
  virtual bool arguments_as_text() const { return false; }
  // The fixed texts of this family that stand for control tokens where the model wrote them.
  virtual std::vector<std::string> markers() const = 0;

 private:
  struct Raw {
    std::string placeholder, text;
  };
  Json variables_with(const ChatRequest& request, bool template_knows_tools, std::vector<Raw>* raws) const;
  Json message(const Message& message) const;
  std::string described(const std::vector<ToolDefinition>& tools) const;
  std::string opened_by_prompt(const ChatTemplate& chat_template, const ChatRequest& request) const;
  void append_raw(const std::string& raw, std::vector<RenderedPiece>& out) const;

  std::string think_begin_, think_end_;
  std::string bos_text_, end_of_turn_text_;
  std::vector<std::string> end_texts_;  // Spellings of the tokens that may end a turn.
};

}  // namespace tsukai::infer
