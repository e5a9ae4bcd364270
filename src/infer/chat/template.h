// A model's own chat template: the Jinja that comes with its weights, rendered by a small interpreter.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "infer/model.h"

namespace tsukai::infer {

// Rendered text in pieces that remember where they came from: special tokens may be spelled only by the
// template.
struct RenderedPiece {
  std::string text;
  bool from_data =
      false;  // True: from a message, a tool or any other value; its text never becomes a control token.
};

class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  // kInvalidArgument names line and column of a mistake, or the construct that is not known.
  static Result<std::unique_ptr<ChatTemplate>> parse(std::string source);

  // Renders with the variables Hugging Face templates expect (messages, tools, add_generation_prompt,
  // bos_token, eos_token, enable_thinking, ...), as the members of `variables`. Bounded in steps and output;
  // kExhausted beyond.
  virtual Result<std::vector<RenderedPiece>> render(const Json& variables) const = 0;

  // Does the source mention the variable `tools`?
  virtual bool knows_tools() const = 0;
};

}  // namespace tsukai::infer
