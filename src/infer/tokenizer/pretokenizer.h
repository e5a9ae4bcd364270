// Cutting text into the pieces that byte-level BPE works on, one hand-written scanner per published regular
// expression. Each gives, byte for byte, what the expression gives; time is linear in the text whatever the
// text is.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tsukai::infer {

enum class Pretokenizer {
  kGpt2,    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kSmollm,  // Each \p{N} alone first, then kGpt2 on what lies between.
  kLlama3,  // (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
            // ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
            // \s+(?!\S)|\s+
  kQwen2,   // kLlama3 with \p{N} in place of \p{N}{1,3}
};

// From GGUF's tokenizer.ggml.pre; nothing for a name that is not known.
std::optional<Pretokenizer> find_pretokenizer(std::string_view pre);

// The end of the piece that begins at `at` (at < text.size()). Malformed bytes count as neither letter,
// number nor space.
std::size_t piece_end(Pretokenizer kind, std::string_view text, std::size_t at);

// All pieces of a text in order, as piece_end() would give them one after another.
using PieceSink = void (*)(void* context, std::size_t begin, std::size_t end);
void for_pieces(Pretokenizer kind, std::string_view text, PieceSink sink, void* context);

}  // namespace tsukai::infer
