// Opening a model of this machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "infer/model.h"

namespace tsukai::infer {

struct LocalModelOptions {
  std::string path;              // A .gguf file or a Hugging Face folder.
  int threads = 0;               // 0: the number of physical cores.
  std::size_t context = 0;       // Tokens; 0: what the model was trained for, at most 8,192.
  std::string kv = "f16";        // How K and V are kept: f16 | q8 (half of it) | f32.
  std::string kernels = "auto";  // auto | reference | avx2 | avx512: for tests and doctor
};

// Facts of a model, read from the headers of its files alone.
struct ModelFileInfo {
  std::string path;
  std::string name, architecture, quantisation, tokenizer, chat_format;
  std::uint64_t file_bytes = 0, weight_bytes = 0, parameters = 0;
  std::size_t layers = 0, embedding = 0, heads = 0, kv_heads = 0, head_dim = 0, feed_forward = 0,
              vocabulary = 0, context_tokens = 0;
  std::vector<std::pair<std::string, std::size_t>> tensor_types;  // "Q4_1", how many tensors
};
class ModelFile;
Result<ModelFileInfo> read_model_file_info(const ModelFile& file);
Result<ModelFileInfo> read_model_file_info(const std::string& path);

struct GenerateOptions {
  std::size_t tokens_max = 128;
  Sampling sampling;
  std::optional<JsonValue> schema;
  std::vector<std::string> stop;  // The text ends before the first of these; the tokens end with it.
  std::optional<int> logprobs;    // Of each token, and of so many of the most probable beside it.
};

// How probable the model holds a token to be among those that the constraint allows, before penalties, biases
// and temperature: natural logarithms. A forced token is certain: 0, and nothing stands beside it.
struct TokenProbability {
  double logprob = 0;
  std::vector<std::pair<TokenId, double>> alternatives;  // Most probable first; may hold the token itself.
};

struct Generated {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<TokenProbability> probabilities;  // Of each token, when asked for; else empty.
  bool length = false;                          // tokens_max was reached first.
  Usage usage;
};

// How the positions of a text become one vector.
enum class Pooling {
  kLast,  // the last position's: Qwen3-Embedding and most that grew out of chat models
  kMean,  // the mean of all positions'
};

// A local model: a ChatModel whose inside can also be reached directly. Owns the engine thread.
class LocalModel : public ChatModel {
 public:
  // Loads the weights (memory-mapped), the tokenizer and the template, and starts the engine. Takes up to
  // seconds.
  static Result<std::unique_ptr<LocalModel>> open(LocalModelOptions options);

  virtual std::vector<TokenId> tokenize(std::string_view text, bool control) const = 0;
  virtual std::string token_text(TokenId token) const = 0;
  // Continues a plain prompt, without a template.
  virtual Task<Generated> complete(std::vector<TokenId> prompt, GenerateOptions options, OnText on_text) = 0;
  // Logits of every position of `tokens`, row-major [tokens.size(), vocabulary]: for tests and perplexity.
  virtual Task<std::vector<float>> logits(std::vector<TokenId> tokens) = 0;
  // One unit vector for the whole text, without a template.
  virtual Task<std::vector<float>> embed(std::vector<TokenId> tokens, Pooling pooling) = 0;
  virtual std::size_t vocabulary() const = 0;
  virtual std::string kernels() const = 0;  // "avx512" ...
};

// The kernels this processor can run, best first ("avx512", "avx2", "reference").
std::vector<std::string> available_kernels();

}  // namespace tsukai::infer
