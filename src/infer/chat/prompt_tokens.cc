#include "infer/chat/prompt_tokens.h"

#include <algorithm>

namespace tsukai::infer {
namespace {

void append(std::vector<TokenId>& out, const std::vector<TokenId>& more) {
  out.insert(out.end(), more.begin(), more.end());
}

// How many of so_far's tokens, and bytes, lie before byte `changed` and end with a control token: there a
// tokenizer always starts afresh, so what follows can be encoded by itself.
void keep_to_control_token(const Tokenizer& tokenizer, const Transcript& so_far, std::size_t changed,
                           Prompt& prompt) {
  std::size_t bytes = 0, kept_bytes = 0, kept_tokens = 0;
  for (std::size_t i = 0; i < so_far.tokens.size(); ++i) {
    bytes += tokenizer.bytes(so_far.tokens[i], true).size();
    if (bytes <= changed && tokenizer.kind(so_far.tokens[i]) == TokenKind::kControl) {
      kept_bytes = bytes;
      kept_tokens = i + 1;
    }
  }
  // A vocabulary whose tokens do not spell the text byte for byte (a SentencePiece space prefix) can't be cut
  // this way.
  if (bytes != so_far.text.size()) return;
  prompt.kept_bytes = kept_bytes;
  prompt.kept_tokens = kept_tokens;
}

}  // namespace

std::vector<TokenId> tokens_of(const Tokenizer& tokenizer, const std::vector<RenderedPiece>& pieces,
                               std::size_t from) {
  std::vector<TextPart> parts;
  std::size_t begin = 0;
  for (const auto& piece : pieces) {
    const std::size_t skip = from > begin ? std::min(from - begin, piece.text.size()) : 0;
    begin += piece.text.size();
    parts.push_back({std::string_view(piece.text).substr(skip), piece.from_data});
  }
  return tokenizer.encode_parts(parts);
}

Prompt extend_prompt(const Tokenizer& tokenizer, std::vector<RenderedPiece> pieces,
                     const Transcript& so_far) {
  if (tokenizer.adds_bos() && tokenizer.bos() >= 0) {
    const std::string bos(tokenizer.bytes(tokenizer.bos(), true));
    const bool written =
        !pieces.empty() && !pieces.front().from_data && pieces.front().text.rfind(bos, 0) == 0;
    if (!written) pieces.insert(pieces.begin(), RenderedPiece{bos, false});
  }
  Prompt prompt;
  for (const auto& piece : pieces) prompt.text += piece.text;
  const auto difference =
      std::mismatch(so_far.text.begin(), so_far.text.end(), prompt.text.begin(), prompt.text.end());
  const auto common = static_cast<std::size_t>(difference.first - so_far.text.begin());
  if (common == so_far.text.size()) {
    prompt.kept_bytes = common;
    prompt.kept_tokens = so_far.tokens.size();
  } else {
    keep_to_control_token(tokenizer, so_far, common, prompt);
  }
  prompt.tokens.assign(so_far.tokens.begin(),
                       so_far.tokens.begin() + static_cast<std::ptrdiff_t>(prompt.kept_tokens));
  append(prompt.tokens, tokens_of(tokenizer, pieces, prompt.kept_bytes));
  return prompt;
}

}  // namespace tsukai::infer
