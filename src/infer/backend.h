// Backend: device memory, the dozen operations a forward pass is made of, and the choice of tokens.
// Implemented by cpu/; a CUDA backend is next.
//
// Nothing above it holds a host pointer to weights, activations, KV, logits or masks: memory is reached by
// upload() and download() alone. Every operation, copies included, is queued and takes place in the order of
// the calls; none waits. What was queued has been done when a fence made after it is reached. Spans and
// structures of the host that go in are copied before a call returns, but for Batch (see begin()); what comes
// out must stay in place, unread, until the fence. One thread uses a backend.
//
// All activations are fp32, row-major, one row per token of the batch. Every operation is batch-invariant: a
// row's result is the same bits whatever rows stand beside it and however many threads work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "infer/format/model_file.h"

namespace tsukai::infer {

constexpr int kPageTokens = 16;  // of one KV page
constexpr int kAttentionChunk =
    64;  // KV positions whose scores are reduced together; a multiple of kPageTokens

// Memory of the device.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual std::size_t bytes() const = 0;
};

// A weight matrix of the device, [rows, columns] in its file's element type: y = W x has `rows` elements.
class Matrix {
 public:
  virtual ~Matrix() = default;
  virtual std::size_t rows() const = 0;
  virtual std::size_t columns() const = 0;
};

// One sequence's part of a batch: `rows` consecutive tokens at positions position, position + 1, ...
struct BatchSequence {
  int first_row = 0;
  int rows = 0;
  int position = 0;
  int first_page =
      0;  // Its pages are Batch::pages[first_page ...]: page i holds positions [16 i, 16 i + 16).
};

// The tokens of one step: rows of several sequences, one sequence after another.
struct Batch {
  std::vector<std::int32_t> tokens;     // [rows]
  std::vector<std::int32_t> positions;  // [rows]
  std::vector<std::int32_t>
      slots;  // [rows] page * 16 + offset that receives K and V; -1: they are there already
  std::vector<BatchSequence> sequences;
  std::vector<std::int32_t> pages;
};

// How K and V are rounded.
enum class KvType {
  kF16,  // half the memory; the default
  kF32,  // nothing is lost: for tests against other implementations
  kQ8,   // about half the memory of kF16: each head vector in 8-bit integers with one scale, rounded to at
         // most 1/254 of its largest element
};

// Bytes of K, or of V, of one page of one KV head. kQ8: the integers, then 16 fp32 scales, one a position.
constexpr std::size_t kv_head_bytes(KvType type, int head_dim) {
  const auto elements = static_cast<std::size_t>(kPageTokens) * static_cast<std::size_t>(head_dim);
  return type == KvType::kF32   ? elements * 4
         : type == KvType::kF16 ? elements * 2
                                : elements + kPageTokens * sizeof(float);
}

struct KvShape {
  int layers = 0, kv_heads = 0, head_dim = 0;
  KvType type = KvType::kF16;
  std::size_t pages = 0;
};

// Which halves of a head vector rotate together.
enum class RopePairs {
  kAdjacent,  // (0, 1), (2, 3), ...: llama as converted to GGUF
  kHalves,    // (0, d/2), (1, d/2 + 1), ...: all others
};

// Rotary position embedding of the first `rotated` dimensions of each head.
struct Rope {
  RopePairs pairs = RopePairs::kHalves;
  int rotated = 0;
  const Buffer* cosines = nullptr;  // [context, rotated / 2] fp32
  const Buffer* sines = nullptr;
};

struct AttentionShape {
  int layer = 0, heads = 0;
  float scale = 1;  // of the scores
};

// One expert of a mixture: a feed-forward block of its own.
struct Expert {
  std::unique_ptr<Matrix> gate, up;  // [feed_forward, width]
  std::unique_ptr<Matrix> down;      // [width, feed_forward]
};

struct MixtureShape {
  int used = 0;  // Experts of one row.
  // The used experts' probabilities are scaled to sum to 1 (norm_topk_prob).
  bool normalises = true;
};

constexpr int kAlternativesMax = 20;  // most probable tokens told beside a chosen one

// What was said before and what the caller wishes, for one token of one row.
struct TokenAdjustment {
  std::int32_t token = 0;
  std::int32_t count = 0;  // how often it was said; 0: no penalty
  float bias = 0;          // added to its logit
};

// How one token is chosen. A draw depends on (seed, position, logits, mask, adjustments) alone.
struct SampleRow {
  std::int32_t logits_row = 0;
  std::int32_t mask_row = -1;  // -1: any token may come
  std::int32_t first_adjustment = 0, adjustments = 0;
  std::int32_t alternatives = -1;  // how many of the most probable tokens are told; -1: no log probabilities
  std::int32_t top_k = 0;          // 0: all
  float temperature = 0;           // 0: the largest
  float top_p = 1, min_p = 0;
  float repetition_penalty = 1, presence_penalty = 0, frequency_penalty = 0;
  std::uint64_t seed = 0;
  std::uint64_t position = 0;  // index of the token in its sequence
};

struct TokenLogprob {
  std::int32_t token = -1;
  float logprob = 0;
};

// 64-bit words of the mask of one row.
constexpr std::size_t mask_words(std::size_t vocabulary) { return (vocabulary + 63) / 64; }

// A point in the order of operations.
class Fence {
 public:
  virtual ~Fence() = default;
  virtual bool reached() const = 0;
  // Blocks until reached: for loading, saving and tests. A step is waited for by `on_reached` instead.
  virtual void wait() = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string kernels() const = 0;  // "avx2", "reference", ...

  // Memory. allocate: kExhausted when there is none. A matrix may alias the tensor's bytes, which must stay
  // mapped.
  virtual Result<std::unique_ptr<Buffer>> allocate(std::size_t bytes) = 0;
  virtual Result<std::unique_ptr<Matrix>> matrix(const TensorView& tensor) = 0;
  virtual void upload(Buffer& to, std::size_t offset, std::span<const std::byte> from) = 0;
  virtual void download(const Buffer& from, std::size_t offset, std::span<std::byte> to) = 0;
  // Behind all that was queued before. `on_reached`, unless empty, is called once, when reached() has become
  // true: from any thread, perhaps before this returns, never after the backend is gone; it must be quick and
  // must not use the backend.
  virtual std::unique_ptr<Fence> fence(std::function<void()> on_reached) = 0;

  // The KV cache: pages of K and V of all layers. Its layout is the backend's own.
  virtual Result<void> allocate_kv(const KvShape& shape) = 0;
  virtual std::size_t page_bytes() const = 0;
  virtual void copy_page(std::int32_t from, std::int32_t to) = 0;
  virtual void download_page(std::int32_t page, std::span<std::byte> to) = 0;
  virtual void upload_page(std::int32_t page, std::span<const std::byte> from) = 0;

  // Makes `batch` the one that the operations below are about; it must stay unchanged until what was queued
  // about it has been done.
  virtual void begin(const Batch& batch) = 0;

  // out[r] = table[tokens[r]]
  virtual void embed(const Matrix& table, Buffer& out) = 0;
  // out[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight      x, out [rows, width], weight [width]
  virtual void rms_norm(const Buffer& x, const Buffer& weight, int rows, int width, float epsilon,
                        Buffer& out) = 0;
  // y[r] = W x[r] (+ bias) (+ y[r] when `add`)                 x [rows, columns], y [rows, W.rows]
  virtual void multiply(const Buffer& x, const Matrix& weight, const Buffer* bias, int rows, Buffer& y,
                        bool add) = 0;
  // In place, for each head of x [rows, heads, head_dim]: RMS norm by `norm` [head_dim] unless null, then
  // rotation by the row's position.
  virtual void norm_and_rotate(Buffer& x, int heads, int head_dim, const Buffer* norm, float epsilon,
                               const Rope& rope) = 0;
  // Stores k, v [rows, kv_heads, head_dim] of a layer into the rows' slots, rounded to the cache's type.
  virtual void store_kv(int layer, const Buffer& k, const Buffer& v) = 0;
  // Causal grouped-query attention of each row over its sequence's positions up to its own.
  //   q, out [rows, heads, head_dim]
  // Reduced in chunks of kAttentionChunk positions, merged in order.
  virtual void attention(const AttentionShape& shape, const Buffer& q, Buffer& out) = 0;
  // gate[r] = silu(gate[r]) * up[r]                            [rows, width]
  virtual void silu_multiply(Buffer& gate, const Buffer& up, int rows, int width) = 0;
  // x[r] += sum over the `used` experts e of the largest router[r][e], in the order of e, of
  //         p[e] * down_e(silu(gate_e(in[r])) * up_e(in[r])),   p = softmax(router[r]) over all experts
  // Of equal ones the expert of the lower index is taken.     in, x [rows, width], router [rows, experts]
  virtual void mix_experts(const MixtureShape& shape, std::span<const Expert> experts, const Buffer& in,
                           const Buffer& router, int rows, Buffer& x) = 0;
  // out[i] = x[rows[i]]                                        x [.., width], out [rows.size(), width]
  virtual void gather_rows(const Buffer& x, std::span<const std::int32_t> rows, int width, Buffer& out) = 0;
  // chosen[i] = the token that rows[i] asks for.
  //   logits       [.., vocabulary] fp32; the rows named, each once, are left undefined
  //   masks        [.., mask_words(vocabulary)] of 64 bits: bit t % 64 of word t / 64 is set when token t may
  //                come; at least one bit of a row that is named, and none from `vocabulary` on
  //   adjustments  of all rows, each row's together, by token, no token twice in a row
  //   chosen       [rows] int32
  //   logprobs     [rows, 1 + kAlternativesMax] TokenLogprob, written for rows with alternatives >= 0: the
  //                chosen token, then the most probable ones (the lower id among equals), token -1 where
  //                fewer may come. The distribution is the softmax of the logits over the tokens that may
  //                come, before adjustments and temperature.
  // Order: mask, bias, penalties, (temperature 0: the largest, the lowest id among equals), temperature,
  // top_k, top_p, min_p. A logit that is not a number never wins against one that is.
  virtual void sample(Buffer& logits, int vocabulary, const Buffer& masks, std::span<const SampleRow> rows,
                      std::span<const TokenAdjustment> adjustments, Buffer& chosen, Buffer& logprobs) = 0;
};

}  // namespace tsukai::infer
