// Text to tokens and back, from the vocabulary stored with a model.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
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
  // Unset: as the published models of the pre-tokenizer do (qwen2: NFC; llama-bpe: ignore_merges).
  std::optional<bool> nfc;            // Normalise text to NFC first.
  std::optional<bool> ignore_merges;  // A piece that is a token is that token, whatever the merges say.
};

// A part of a text to encode. Parts are one text: words and merges run across their edges.
struct TextPart {
  std::string_view text;
  bool from_data = false;  // True: markers spelled here stay text.
};

// Markers are the control tokens (<|im_end|>) and the user-defined tokens that look like markup (<tool_call>,
// <think>). Other user-defined tokens are recognised in any text. With NFC (the pre-tokenizer "qwen2") text
// is first normalised to NFC where it is well-formed, as the models were trained: decode(encode(text)) is
// then text in NFC. All others give back every byte, malformed UTF-8 included. Immutable after make(); safe
// to use from several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // kUnsupported names an unknown model or pre-tokenizer; kCorrupt a vocabulary that contradicts itself.
  static Result<std::unique_ptr<Tokenizer>> make(VocabularyData data);

  // Ordinary text: markers spelled in it stay text. No BOS is added.
  virtual std::vector<TokenId> encode(std::string_view text) const = 0;
  // Text of our own making (a rendered template): markers spelled in it become those tokens.
  virtual std::vector<TokenId> encode_with_control(std::string_view text) const = 0;
  // A rendered template with data in it: a marker is recognised only where no byte of it comes from data.
  virtual std::vector<TokenId> encode_parts(std::span<const TextPart> parts) const = 0;

  // The bytes of one token; a control token spells itself only if `control`, else it is empty.
  // SentencePiece's leading space is part of them.
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
