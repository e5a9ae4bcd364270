// Choosing tokens through a backend, one row or several at once.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "infer/cpu/cpu_backend.h"
#include "infer/sample_stage.h"

namespace tsukai::infer {

// What one row is chosen from.
struct Choice {
  std::vector<float> logits;
  Sampling sampling;
  std::vector<TokenId> allowed;  // empty: all
  std::vector<TokenId> said;
  std::size_t position = 0;
  int alternatives = -1;
};

struct Chosen {
  TokenId token = -1;
  std::vector<TokenLogprob> logprobs;
};

// All in one call. REQUIRES: as many logits in each.
inline std::vector<Chosen> choose(Backend& backend, std::span<const Choice> choices) {
  const std::size_t width = choices[0].logits.size();
  auto stage = *SampleStage::make(backend, width, static_cast<int>(choices.size()));
  auto logits = *backend.allocate(choices.size() * width * sizeof(float));
  stage->clear();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const Choice& one = choices[i];
    backend.upload(*logits, i * width * sizeof(float), std::as_bytes(std::span(one.logits)));
    Adjustments adjustments(one.sampling);
    for (const TokenId token : one.said) adjustments.said(token);
    TokenMask mask(width);
    for (const TokenId token : one.allowed) mask.set(token);
    stage->add(static_cast<std::int32_t>(i), one.sampling, adjustments, one.allowed.empty() ? nullptr : &mask,
               one.position, one.alternatives);
  }
  stage->run(*logits);
  backend.fence({})->wait();
  std::vector<Chosen> chosen;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    Chosen& one = chosen.emplace_back();
    one.token = stage->token(static_cast<int>(i));
    if (choices[i].alternatives < 0) continue;
    const auto told = stage->logprobs(static_cast<int>(i));
    one.logprobs.assign(told.begin(), told.end());
  }
  return chosen;
}

inline std::unique_ptr<Backend> cpu_backend(const std::string& kernels, int threads = 1) {
  return std::move(*make_cpu_backend(kernels, threads));
}

}  // namespace tsukai::infer
