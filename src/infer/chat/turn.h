// One assistant turn as a constraint on tokens: free text until a call begins, then nothing but a valid call.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "infer/chat/tool_format.h"
#include "infer/engine.h"
#include "infer/grammar/grammar.h"
#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

// What the vocabulary of a model means for turns; made once a model, shared by all turns. Immutable.
class TurnVocabulary {
 public:
  //   vocabulary  the width of the model's logits, at least tokenizer.size()
  TurnVocabulary(const Tokenizer& tokenizer, const ToolFormat& format, std::size_t vocabulary);

  // Tokens that may stand in free text: no control tokens but the family's markers and those that end a turn.
  const TokenMask& free() const { return free_; }
  const std::vector<TokenId>& ends() const { return ends_; }
  // The tokens that begin with what is left of the call marker after its first `length` bytes.
  const std::vector<TokenId>& completing(std::size_t length) const { return completing_[length]; }
  const std::string& marker() const { return marker_; }

 private:
  TokenMask free_;
  std::vector<TokenId> ends_;
  std::string marker_;
  std::vector<std::vector<TokenId>> completing_;  // [marker_.size()]
};

// What a turn may consist of.
struct TurnRules {
  ToolChoice choice = ToolChoice::kAuto;
  std::size_t calls_max = 8;
  std::shared_ptr<const Grammar> call;    // One call; null: no tools.
  std::shared_ptr<const Grammar> output;  // The text must be of this grammar; null: free.
  bool thinking = false;                  // Reasoning comes first and is to be asked for.
  bool opened_thinking = false;           // The prompt already opened it.
  std::size_t thinking_tokens_max = 0;    // Then it is closed, at the end of a character; 0: no bound.
};

// Where a turn ended up; shared with whoever started it, read after the generation.
struct TurnTrace {
  std::size_t call_begin_bytes =
      std::string::npos;  // Offset of the first call's marker in the generated text.
  std::size_t calls_complete = 0;
  // How many of the last bytes may yet turn out to be the marker of a call: nothing to show as text so far.
  std::size_t undecided_bytes = 0;
};

std::unique_ptr<TokenConstraint> make_turn_constraint(std::shared_ptr<const Tokenizer> tokenizer,
                                                      std::shared_ptr<const ToolFormat> format,
                                                      std::shared_ptr<const TurnVocabulary> vocabulary,
                                                      std::shared_ptr<const MaskVocabulary> masks,
                                                      TurnRules rules, std::shared_ptr<TurnTrace> trace);

// A text of one grammar and then the end of the turn: for completions under a schema.
std::unique_ptr<TokenConstraint> make_grammar_constraint(std::shared_ptr<const Tokenizer> tokenizer,
                                                         std::shared_ptr<const MaskVocabulary> masks,
                                                         std::shared_ptr<const Grammar> grammar,
                                                         std::vector<TokenId> ends);

}  // namespace tsukai::infer
