// The engine: weights, KV cache and one thread that turns prompts into tokens. Knows tokens only, no text.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "infer/grammar/grammar.h"
#include "infer/local_model.h"
#include "infer/model.h"

namespace tsukai::infer {

// What may be generated, token by token. Called on the engine thread only; owned by its generation.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  // Fills `out` with the tokens that may come next and returns true; false: any token may (out is not read).
  virtual bool mask(TokenMask& out) = 0;
  // Tokens that must come next whatever the model thinks: appended without sampling (jump-forward). Usually
  // empty.
  virtual std::vector<TokenId> forced() = 0;
  // Tokens that are likely to come next, though others may: worth a guess. Usually empty.
  virtual std::vector<TokenId> likely() { return {}; }
  // A token was appended, sampled or forced.
  virtual void accept(TokenId token) = 0;
  // The generation is complete: nothing more is generated.
  virtual bool finished() const = 0;
  // A copy in the same state that goes its own way, for looking ahead along guesses.
  virtual std::unique_ptr<TokenConstraint> clone() const = 0;
};

struct EngineOutput {
  std::vector<TokenId> tokens;                  // The ending token included.
  std::vector<TokenProbability> probabilities;  // Of each token, when asked for; else empty.
  bool length = false;                          // tokens_max was reached first, or it was cut off.
  Usage usage;                                  // All but rewound_tokens.
};

struct Generation {
  std::vector<TokenId> prompt;  // Whole; not empty.
  std::size_t tokens_max = 0;   // Generated at most; forced ones count.
  Sampling sampling;
  // Log probabilities are told of each token and of so many of the most probable ones in its place, at most
  // kAlternativesMax; nothing: of none.
  std::optional<int> logprobs;
  std::unique_ptr<TokenConstraint> constraint;  // May be null.
  std::vector<TokenId> ends;                    // Any of these, once appended, ends the generation.
  int priority = 0;  // Among those that wait for a place, larger first; equal ones in order of arrival.
  // Every token as it is appended, on the engine thread; must be quick. May be empty.
  std::function<void(TokenId token, bool forced)> on_token;
  // Asked after each on_token, on the engine thread: true ends the generation. May be empty.
  std::function<bool()> stops;
  // Takes what a cancelled generation had come to, before generate() ends with kCancelled. May be null.
  std::shared_ptr<EngineOutput> cut;
};

struct EngineOptions {
  int threads = 0;               // 0: the number of physical cores.
  std::size_t context = 0;       // Tokens of one sequence; 0: what the model was trained for, at most 8,192.
  std::size_t kv_bytes_max = 0;  // 0: a quarter of the memory that is free.
  std::string kernels = "auto";  // auto | reference | avx2 | avx512
  std::string kv = "f16";        // How K and V are kept: f16 | q8 | f32.
  int draft_tokens_max =
      8;              // Guessed by prompt lookup in one step at most; 0: never. Changes speed, never results.
  int step_rows = 0;  // Rows computed together at most; 0: 256. Changes speed and memory, never results.
};

class Backend;
class ModelFile;

// Thread-safe. Prefixes are shared: a prompt that begins like any sequence still in the KV cache, running or
// finished, prefills only what is new (token granularity). The logits of the last prompt token are always
// needed, so when a whole prompt is cached its last token alone is computed again, unless its logits were
// kept. Results do not depend on what else runs, on chunking or on the number of threads.
class Engine {
 public:
  // kUnsupported names the architecture or the tensor type; kCorrupt a tensor that is missing or of the wrong
  // shape.
  static Result<std::unique_ptr<Engine>> open(std::shared_ptr<const ModelFile> file, EngineOptions options);
  // On this backend: `threads` and `kernels` of the options are not read.
  static Result<std::unique_ptr<Engine>> open(std::shared_ptr<const ModelFile> file, EngineOptions options,
                                              std::unique_ptr<Backend> backend);
  virtual ~Engine() = default;  // Cancels what runs, joins the thread.

  // Resumes on the caller's executor. Cancellation takes effect between two tokens (kCancelled). kExhausted:
  // the sequence does not fit the context, or the KV memory.
  virtual Task<EngineOutput> generate(Generation generation) = 0;
  // Logits of every position, row-major [tokens.size(), vocabulary].
  virtual Task<std::vector<float>> logits(std::vector<TokenId> tokens) = 0;

  // One unit vector [embedding width] for the whole text: what the last layer makes of it, normed and pooled.
  virtual Task<std::vector<float>> embed(std::vector<TokenId> tokens, Pooling pooling) = 0;

  // Writes K and V of the longest cached prefix of `tokens` to a file and gives its length; load() puts them
  // into the cache of an engine of the same model, kernels and KV type, as if they had just been computed.
  // The file holds the tokens in the clear. Both stop other generations while they last (about 0.5 s for 1
  // GB). save: kNotFound when nothing is cached, kTransport when the file can't be written (nothing is left
  // of it then). load: kNotFound, kCorrupt (every page has a checksum), kUnsupported (made by another model
  // or other kernels), kExhausted (the KV memory is too small).
  virtual Task<std::size_t> save(std::vector<TokenId> tokens, std::string path) = 0;
  virtual Task<std::size_t> load(std::string path) = 0;

  virtual std::size_t context_tokens() const = 0;
  virtual std::size_t vocabulary() const = 0;
  virtual std::string kernels() const = 0;
};

}  // namespace tsukai::infer
