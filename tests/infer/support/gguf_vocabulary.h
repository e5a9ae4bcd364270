// The tokenizer metadata of a GGUF file, read in the plainest way, apart from the reader under test
// elsewhere.
#pragma once

#include <optional>
#include <string>

#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer::test {

struct GgufText {
  VocabularyData vocabulary;
  std::string chat_template;
};
// Nothing when the file is not there. Trusts the file.
std::optional<GgufText> read_gguf_text(const std::string& path);

// $TSUKAI_SMOLLM2, else where quickstart puts the model; empty when it is in neither place.
std::string smollm2_path();

}  // namespace tsukai::infer::test
