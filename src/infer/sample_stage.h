// Choosing the tokens of one round: what is asked for is collected on the host, then masked, sampled and
// fetched by the backend, all rows at once.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "infer/backend.h"
#include "infer/grammar/grammar.h"
#include "infer/model.h"

namespace tsukai::infer {

// What penalties and biases look at in one generation.
class Adjustments {
 public:
  Adjustments() = default;
  // REQUIRES: no token twice in its logit bias.
  explicit Adjustments(const Sampling& sampling);

  // The token was appended, sampled or forced.
  void said(TokenId token);
  void append_to(std::vector<TokenAdjustment>& out) const;

 private:
  bool counts_ = false;
  std::map<TokenId, TokenAdjustment> by_token_;
};

class SampleStage {
 public:
  // kExhausted: no memory for `rows_max` masks and results.
  static Result<std::unique_ptr<SampleStage>> make(Backend& backend, std::size_t vocabulary, int rows_max);

  void clear();
  bool empty() const { return rows_.empty(); }
  // Asks for one token and gives its index among the round's. `mask` null: any may come. Queues the copy of
  // the mask, nothing else. `alternatives` as in SampleRow.
  int add(std::int32_t logits_row, const Sampling& sampling, const Adjustments& adjustments,
          const TokenMask* mask, std::size_t position, int alternatives);
  // Queues the sampling of all and the copies of the results, which can be read once a fence made after this
  // is reached.
  void run(Buffer& logits);

  TokenId token(int index) const { return chosen_[static_cast<std::size_t>(index)]; }
  // The chosen token, then kAlternativesMax others.
  std::span<const TokenLogprob> logprobs(int index) const;

 private:
  SampleStage(Backend& backend, std::size_t vocabulary) : backend_(backend), vocabulary_(vocabulary) {}

  Backend& backend_;
  const std::size_t vocabulary_;
  std::unique_ptr<Buffer> masks_, chosen_buffer_, logprobs_buffer_;
  std::vector<SampleRow> rows_;
  std::vector<TokenAdjustment> adjustments_;
  std::int32_t mask_rows_ = 0;
  bool tells_ = false;  // a row wants log probabilities
  std::vector<TokenId> chosen_;
  std::vector<TokenLogprob> logprobs_;
};

}  // namespace tsukai::infer
