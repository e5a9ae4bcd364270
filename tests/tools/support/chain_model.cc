#include "tools/support/chain_model.h"

#include <array>
#include <cstring>
#include <vector>

#include "infer/support/gguf_bytes.h"
#include "infer/tokenizer/byte_alphabet.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kStart = 256, kEnd = 257, kWidth = 288;  // Tokens, and numbers in an embedding.
constexpr std::size_t kFeedForward = 32;

// Tokens in order: the favourites of ties first, then the other bytes, then the control tokens.
std::array<std::size_t, 256> token_of_byte() {
  std::array<std::size_t, 256> tokens{};
  std::size_t next = 2;
  for (std::size_t byte = 0; byte < 256; ++byte) tokens[byte] = byte == '}' ? 0 : byte == '"' ? 1 : next++;
  return tokens;
}

struct Weights {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<float> values;
};

std::vector<Weights> weights_of(const ChainOptions& options) {
  const auto token = token_of_byte();
  std::vector<std::size_t> next(kWidth, kEnd);
  const auto link = [&](char from, std::size_t to) { next[token[static_cast<unsigned char>(from)]] = to; };
  const auto link_bytes = [&](char from, char to) { link(from, token[static_cast<unsigned char>(to)]); };
  link_bytes('\n', options.answer.front());
  for (std::size_t i = 0; i + 1 < options.answer.size(); ++i)
    link_bytes(options.answer[i], options.answer[i + 1]);
  link(options.answer.back(), kEnd);
  link_bytes('_', options.tool_letter);
  // Inside arguments: a text of one letter.
  link_bytes('"', 'M');
  link_bytes('M', '"');

  std::vector<float> embedding(kWidth * kWidth), output(kWidth * kWidth);
  for (std::size_t i = 0; i < kWidth; ++i) {
    embedding[i * kWidth + i] = 1;
    output[next[i] * kWidth + i] = 1;
  }
  const auto zeros = [](std::size_t columns, std::size_t rows) { return std::vector<float>(columns * rows); };
  const std::vector<float> ones(kWidth, 1.0f);
  std::vector<Weights> all = {{"token_embd.weight", {kWidth, kWidth}, std::move(embedding)},
                              {"output.weight", {kWidth, kWidth}, std::move(output)},
                              {"output_norm.weight", {kWidth}, ones},
                              {"blk.0.attn_norm.weight", {kWidth}, ones},
                              {"blk.0.ffn_norm.weight", {kWidth}, ones},
                              {"blk.0.ffn_gate.weight", {kWidth, kFeedForward}, zeros(kWidth, kFeedForward)},
                              {"blk.0.ffn_up.weight", {kWidth, kFeedForward}, zeros(kWidth, kFeedForward)},
                              {"blk.0.ffn_down.weight", {kFeedForward, kWidth}, zeros(kFeedForward, kWidth)}};
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
    all.push_back({std::string("blk.0.") + name + ".weight", {kWidth, kWidth}, zeros(kWidth, kWidth)});
  }
  return all;
}

}  // namespace

std::string chain_model(const ChainOptions& options) {
  std::vector<std::string> tokens(kWidth);
  std::vector<std::int32_t> kinds(kWidth, 1);
  const auto token = token_of_byte();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char one = static_cast<char>(byte);
    tokens[token[byte]] = infer::alphabet_from_bytes(std::string_view(&one, 1));
  }
  tokens[kStart] = "<|im_start|>";
  tokens[kEnd] = "<|im_end|>";
  tokens[258] = "<|endoftext|>";
  for (std::size_t i = 259; i < kWidth; ++i) tokens[i] = "<|unused" + std::to_string(i) + "|>";
  for (std::size_t i = 256; i < kWidth; ++i) kinds[i] = 3;

  infer::GgufBytes file;
  const auto weights = weights_of(options);
  file.header(weights.size(), 14);
  file.key_text("general.architecture", "llama");
  file.key_text("general.name", "chain");
  file.key_u32("llama.block_count", 1);
  file.key_u32("llama.embedding_length", kWidth);
  file.key_u32("llama.feed_forward_length", kFeedForward);
  file.key_u32("llama.attention.head_count", 9);
  file.key_u32("llama.context_length", 8192);
  file.key_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  file.key_text("tokenizer.ggml.model", "gpt2");
  file.key_text("tokenizer.ggml.pre", "smollm");
  file.key_texts("tokenizer.ggml.tokens", tokens);
  file.key_numbers<std::int32_t>("tokenizer.ggml.token_type", 5, kinds);
  file.key_texts("tokenizer.ggml.merges", {});
  file.key_u32("tokenizer.ggml.eos_token_id", kEnd);
  std::uint64_t offset = 0;
  const auto padded = [](std::size_t bytes) { return (bytes + 31) / 32 * 32; };
  for (const Weights& one : weights) {
    file.tensor(one.name, one.shape, 0, offset);
    offset += padded(one.values.size() * sizeof(float));
  }
  std::string bytes = file.data(0).bytes();
  for (const Weights& one : weights) {
    const std::size_t at = bytes.size(), size = one.values.size() * sizeof(float);
    bytes.resize(at + padded(size));
    std::memcpy(bytes.data() + at, one.values.data(), size);
  }
  return bytes;
}

}  // namespace tsukai::cli
