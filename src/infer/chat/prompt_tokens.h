// From rendered pieces to tokens, keeping every token that the model has already seen.
#pragma once

#include <string>
#include <vector>

#include "infer/chat/template.h"
#include "infer/model.h"
#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

// The tokens of `pieces` from byte `from` on. Control tokens are found only in what the template wrote;
// everything between two of them is encoded as one text, whatever pieces it came from (as Hugging Face does).
std::vector<TokenId> tokens_of(const Tokenizer& tokenizer, const std::vector<RenderedPiece>& pieces,
                               std::size_t from);

// The prompt for `pieces` after `so_far`. Where the rendered text extends so_far.text, all its tokens are
// kept and only the rest is encoded; where the template rewrote history, the tokens up to the last control
// token before the first changed byte are kept. A tokenizer that adds BOS gets it in front unless the
// template wrote it.
Prompt extend_prompt(const Tokenizer& tokenizer, std::vector<RenderedPiece> pieces, const Transcript& so_far);

}  // namespace tsukai::infer
