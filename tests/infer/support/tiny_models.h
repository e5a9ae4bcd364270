// Tiny random models stored with the tests, and the logits transformers computed for them (make_references.py
// tiny).
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "infer/engine.h"
#include "infer/format/gguf.h"
#include "support/await.h"
#include "support/scratch_dir.h"

namespace tsukai::infer {

inline std::string test_data(const std::string& name) {
  return std::string(TSUKAI_SOURCE_DIR) + "/tests/infer/data/" + name;
}

struct ReferenceLogits {
  std::vector<TokenId> tokens;
  std::size_t vocabulary = 0;
  std::vector<float> logits;  // [tokens, vocabulary]
};

inline ReferenceLogits reference_logits(const std::string& model) {
  const std::string data = read_file(test_data("tiny_" + model + ".logits"));
  std::int32_t header[2] = {};
  std::memcpy(header, data.data(), sizeof(header));
  ReferenceLogits reference;
  reference.tokens.resize(static_cast<std::size_t>(header[0]));
  reference.vocabulary = static_cast<std::size_t>(header[1]);
  reference.logits.resize(reference.tokens.size() * reference.vocabulary);
  std::memcpy(reference.tokens.data(), data.data() + 8, reference.tokens.size() * 4);
  std::memcpy(reference.logits.data(), data.data() + 8 + reference.tokens.size() * 4,
              reference.logits.size() * 4);
  return reference;
}

inline std::unique_ptr<Engine> tiny_engine(const std::string& model, EngineOptions options = {}) {
  if (options.kv_bytes_max == 0) options.kv_bytes_max = 8u << 20;
  auto file = GgufFile::open(test_data("tiny_" + model + ".gguf"));
  if (!file) throw std::runtime_error(file.error().text());
  auto engine = Engine::open(*file, options);
  if (!engine) throw std::runtime_error(engine.error().text());
  return std::move(*engine);
}

inline Generation generation(std::vector<TokenId> prompt, std::size_t tokens_max) {
  Generation g;
  g.prompt = std::move(prompt);
  g.tokens_max = tokens_max;
  return g;
}

// `count` tokens below 64, the same for the same seed.
inline std::vector<TokenId> some_tokens(std::size_t count, unsigned seed) {
  std::vector<TokenId> tokens;
  std::uint32_t state = seed * 2654435761u + 12345;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    tokens.push_back(static_cast<TokenId>(state >> 26));
  }
  return tokens;
}

}  // namespace tsukai::infer
