#include "infer/sample_stage.h"

#include <algorithm>

namespace tsukai::infer {

Adjustments::Adjustments(const Sampling& sampling)
    : counts_(sampling.repetition_penalty != 1 || sampling.presence_penalty != 0 ||
              sampling.frequency_penalty != 0) {
  for (const auto& [token, value] : sampling.logit_bias) by_token_[token] = {token, 0, value};
}

void Adjustments::said(TokenId token) {
  if (!counts_) return;
  TokenAdjustment& one = by_token_[token];
  one.token = token;
  ++one.count;
}

void Adjustments::append_to(std::vector<TokenAdjustment>& out) const {
  for (const auto& [token, one] : by_token_) out.push_back(one);
}

Result<std::unique_ptr<SampleStage>> SampleStage::make(Backend& backend, std::size_t vocabulary,
                                                       int rows_max) {
  std::unique_ptr<SampleStage> stage(new SampleStage(backend, vocabulary));
  const auto rows = static_cast<std::size_t>(rows_max);
  TSUKAI_TRY(stage->masks_, backend.allocate(rows * mask_words(vocabulary) * sizeof(std::uint64_t)));
  TSUKAI_TRY(stage->chosen_buffer_, backend.allocate(rows * sizeof(TokenId)));
  TSUKAI_TRY(stage->logprobs_buffer_, backend.allocate(rows * (1 + kAlternativesMax) * sizeof(TokenLogprob)));
  return stage;
}

void SampleStage::clear() {
  rows_.clear();
  adjustments_.clear();
  mask_rows_ = 0;
  tells_ = false;
}

int SampleStage::add(std::int32_t logits_row, const Sampling& sampling, const Adjustments& adjustments,
                     const TokenMask* mask, std::size_t position, int alternatives) {
  SampleRow& row = rows_.emplace_back();
  row.logits_row = logits_row;
  if (mask != nullptr) {
    TSUKAI_CHECK(mask->words().size() == mask_words(vocabulary_), "a mask of another vocabulary");
    row.mask_row = mask_rows_++;
    const auto bytes = std::as_bytes(std::span(mask->words()));
    backend_.upload(*masks_, static_cast<std::size_t>(row.mask_row) * bytes.size(), bytes);
  }
  row.first_adjustment = static_cast<std::int32_t>(adjustments_.size());
  adjustments.append_to(adjustments_);
  row.adjustments = static_cast<std::int32_t>(adjustments_.size()) - row.first_adjustment;
  row.alternatives = std::min(alternatives, kAlternativesMax);
  row.top_k = std::max(sampling.top_k, 0);
  row.temperature = sampling.temperature;
  row.top_p = sampling.top_p;
  row.min_p = sampling.min_p;
  row.repetition_penalty = sampling.repetition_penalty;
  row.presence_penalty = sampling.presence_penalty;
  row.frequency_penalty = sampling.frequency_penalty;
  row.seed = sampling.seed;
  row.position = position;
  tells_ = tells_ || alternatives >= 0;
  return static_cast<int>(rows_.size()) - 1;
}

void SampleStage::run(Buffer& logits) {
  chosen_.resize(rows_.size());
  logprobs_.resize(tells_ ? rows_.size() * (1 + kAlternativesMax) : 0);
  backend_.sample(logits, static_cast<int>(vocabulary_), *masks_, rows_, adjustments_, *chosen_buffer_,
                  *logprobs_buffer_);
  backend_.download(*chosen_buffer_, 0, std::as_writable_bytes(std::span(chosen_)));
  if (tells_) backend_.download(*logprobs_buffer_, 0, std::as_writable_bytes(std::span(logprobs_)));
}

std::span<const TokenLogprob> SampleStage::logprobs(int index) const {
  return std::span(logprobs_).subspan(static_cast<std::size_t>(index) * (1 + kAlternativesMax),
                                      1 + kAlternativesMax);
}

}  // namespace tsukai::infer
