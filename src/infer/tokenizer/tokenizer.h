// Text to tokens and back, from the vocabulary stored with a model.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "infer/model.h"

namespace tsukai::infer {

// How a token may be used.
enum class TokenKind : unsigned char {
  kNormal,
  kControl,  // <|im_end|>: never produced from ordinary text, never shown as text.
  kUserDefined,
  kUnused,
  kByte,  // SentencePiece <0x0A>.
  kUnknown,
};

// What a tokenizer is made from; filled by the format readers (GGUF, tokenizer.json).
struct VocabularyData {
  std::string model;  // GGUF tokenizer.ggml.model: "gpt2" (byte-level BPE), "llama" (SentencePiece BPE)
  std::string pre;    // GGUF tokenizer.ggml.pre: "smollm", "qwen2", "llama-bpe", ...
  std::vector<std::string> tokens;  // As stored (byte-level alphabet for gpt2).
  std::vector<TokenKind> kinds;
  std::vector<std::string> merges;  // "left right", best first
  std::vector<float> scores;        // SentencePiece only
  TokenId bos = -1, eos = -1, eot = -1, unknown = -1, padding = -1;
  std::vector<TokenId> more_ends;  // Further end-of-generation tokens.
  bool add_bos = false;
  bool add_space_prefix = false;
};

// Immutable after make(); safe to use from several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // kUnsupported names an unknown model or pre-tokenizer; kCorrupt a vocabulary that contradicts itself.
  static Result<std::unique_ptr<Tokenizer>> make(VocabularyData data);

  // Ordinary text: control tokens spelled in it stay text. No BOS is added.
  virtual std::vector<TokenId> encode(std::string_view text) const = 0;
  // Text of our own making (a rendered template): control tokens spelled in it become those tokens.
  virtual std::vector<TokenId> encode_with_control(std::string_view text) const = 0;

  // The bytes of one token; a control token spells itself only if `control`, else it is empty.
  virtual std::string_view bytes(TokenId token, bool control = false) const = 0;
  std::string decode(const std::vector<TokenId>& tokens, bool control = false) const;

  virtual std::size_t size() const = 0;
  virtual TokenKind kind(TokenId token) const = 0;
  virtual TokenId bos() const = 0;  // -1: none
  virtual bool adds_bos() const = 0;
  virtual bool ends_turn(TokenId token) const = 0;  // eos, eot and their like
  virtual TokenId end_of_turn() const = 0;          // The token to force when a turn must end.
  virtual TokenId find_control(std::string_view spelling) const = 0;  // -1: none
};

}  // namespace tsukai::infer
