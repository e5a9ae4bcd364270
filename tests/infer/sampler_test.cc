#include "infer/sampler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

using namespace tsukai::infer;

TEST_SUITE("infer/sampler") {
  TEST_CASE("greedy takes the largest logit, the lowest id among equals, within the mask") {
    Sampler sampler({});
    std::vector<float> logits{1, 5, 5, 2};
    CHECK(sampler.sample(logits, nullptr, {}, 0) == 1);
    TokenMask mask(4);
    mask.set(0), mask.set(3);
    logits = {1, 5, 5, 2};
    CHECK(sampler.sample(logits, &mask, {}, 0) == 3);
  }

  TEST_CASE("the same seed and position draw the same token, other positions others") {
    Sampling sampling{.temperature = 1, .seed = 42};
    std::map<TokenId, int> seen;
    for (std::uint64_t position = 0; position < 200; ++position) {
      std::vector<float> a(16, 0), b(16, 0);
      const auto token = Sampler(sampling).sample(a, nullptr, {}, position);
      CHECK(token == Sampler(sampling).sample(b, nullptr, {}, position));
      ++seen[token];
    }
    CHECK(seen.size() == 16);
  }

  TEST_CASE("draws follow the softmax") {
    Sampling sampling{.temperature = 2, .seed = 3};
    Sampler sampler(sampling);
    int ones = 0;
    const int n = 20'000;
    for (int i = 0; i < n; ++i) {
      std::vector<float> logits{0, 2};
      ones += sampler.sample(logits, nullptr, {}, static_cast<std::uint64_t>(i));
    }
    CHECK(std::abs(ones / double(n) - 1 / (1 + std::exp(-1.0))) < 0.015);
  }

  TEST_CASE("top_k, top_p and min_p cut the tail") {
    auto drawn = [](Sampling sampling) {
      sampling.temperature = 1;
      std::map<TokenId, int> seen;
      for (std::uint64_t i = 0; i < 2'000; ++i) {
        std::vector<float> logits{std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
        ++seen[Sampler(sampling).sample(logits, nullptr, {}, i)];
      }
      return seen.size();
    };
    CHECK(drawn({}) == 4);
    CHECK(drawn({.top_k = 2}) == 2);
    CHECK(drawn({.top_p = 0.6f}) == 2);
    CHECK(drawn({.top_p = 0.4f}) == 1);
    CHECK(drawn({.min_p = 0.25f}) == 3);
  }

  TEST_CASE("penalties weigh on what was said already") {
    const std::vector<TokenId> said{0, 0, 1};
    std::vector<float> logits{4, 3.5f, 1};
    CHECK(Sampler({.repetition_penalty = 5}).sample(logits, nullptr, said, 0) == 2);
    logits = {4, 3.5f, 1};
    CHECK(Sampler({.presence_penalty = 0.2f}).sample(logits, nullptr, said, 0) == 0);
    logits = {4, 3.5f, 1};
    CHECK(Sampler({.frequency_penalty = 0.6f}).sample(logits, nullptr, said, 0) == 1);
  }

  TEST_CASE("logits that are no numbers never win") {
    std::vector<float> logits{NAN, 1, NAN};
    CHECK(Sampler({}).sample(logits, nullptr, {}, 0) == 1);
    logits = {NAN, 1, NAN};
    CHECK(Sampler({.temperature = 1}).sample(logits, nullptr, {}, 0) == 1);
  }
}
