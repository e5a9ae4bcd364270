// A model file small enough to be made in a test, whose words are known beforehand.
#pragma once

#include <string>

namespace tsukai::cli {

struct ChainOptions {
  // Said after "<|im_start|>assistant\n", then the turn ends. No letter twice: each letter decides the next.
  std::string answer = "Old gate.";
  // The tool it calls, where it must choose one, is the first whose name goes on with this behind "__".
  char tool_letter = 'g';
};

// The bytes of a GGUF of architecture llama that goes through the engine like any other: one layer whose
// attention and feed-forward weights are zero, one-hot embeddings, and an output matrix that maps each byte
// to the one that follows. Where the grammar forbids that one, the token with the lowest id wins: '}', then
// '"'.
std::string chain_model(const ChainOptions& options = {});

}  // namespace tsukai::cli
