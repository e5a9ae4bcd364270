// Hugging Face's tokenizer.json (and tokenizer_config.json beside it) as VocabularyData.
// Source: github.com/huggingface/tokenizers, the serialisation of Tokenizer.
#pragma once

#include <string_view>

#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

inline constexpr std::size_t kTokenizerJsonBytesMax = 64u << 20;

// `config` is tokenizer_config.json, or empty: it names the begin- and end-of-text tokens. Byte-level BPE
// with the pre-tokenizers of pretokenizer.h, and SentencePiece BPE with byte fallback. Time and memory are
// linear in the text. kCorrupt names the member that is missing or wrong; kUnsupported the model type,
// pre-tokenizer or normalizer.
Result<VocabularyData> read_tokenizer_json(std::string_view tokenizer, std::string_view config = {});

}  // namespace tsukai::infer
