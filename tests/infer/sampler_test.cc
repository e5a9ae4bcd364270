// Masks, sampling and log probabilities as operations of a backend.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "infer/local_model.h"
#include "infer/support/sampling.h"

using namespace tsukai::infer;

namespace {

// With every kernel, which must agree.
Chosen chosen(const Choice& choice) {
  std::optional<Chosen> first;
  for (const std::string& kernels : available_kernels()) {
    const auto backend = cpu_backend(kernels);
    Chosen one = choose(*backend, std::span(&choice, 1))[0];
    if (first) {
      CHECK(first->token == one.token);
    } else {
      first = std::move(one);
    }
  }
  return *first;
}

TokenId token(const Choice& choice) { return chosen(choice).token; }

// How often each token is drawn at positions 0 to `draws`.
std::map<TokenId, int> drawn(Choice choice, std::size_t draws) {
  std::vector<Choice> all(draws, choice);
  for (std::size_t i = 0; i < draws; ++i) all[i].position = i;
  std::map<TokenId, int> seen;
  for (const Chosen& one : choose(*cpu_backend("auto"), all)) ++seen[one.token];
  return seen;
}

}  // namespace

TEST_SUITE("infer/sampler") {
  TEST_CASE("greedy takes the largest logit, the lowest id among equals, within the mask") {
    CHECK(token({.logits = {1, 5, 5, 2}}) == 1);
    CHECK(token({.logits = {1, 5, 5, 2}, .allowed = {0, 3}}) == 3);
  }

  TEST_CASE("the same seed and position draw the same token, other positions others") {
    std::map<TokenId, int> seen;
    for (std::size_t position = 0; position < 200; ++position) {
      const Choice choice{.logits = std::vector<float>(16, 0),
                          .sampling = {.temperature = 1, .seed = 42},
                          .position = position};
      const auto once = token(choice);
      CHECK(token(choice) == once);
      ++seen[once];
    }
    CHECK(seen.size() == 16);
  }

  TEST_CASE("a seed draws today what it drew when its run was recorded") {
    const std::vector<TokenId> cut{33, 5, 36, 41, 39, 3, 1, 32, 28, 20, 3, 34, 30, 7, 44, 12};
    const std::vector<TokenId> plain{46, 3, 36, 45, 26, 44, 1, 37, 15, 35, 1, 36, 15, 37, 23, 10};
    for (std::size_t position = 0; position < 16; ++position) {
      Choice choice{.sampling = {.temperature = 0.7f, .top_p = 0.9f, .min_p = 0.02f, .seed = 42},
                    .position = position};
      for (std::size_t i = 0; i < 50; ++i)
        choice.logits.push_back(0.5f * static_cast<float>((i * 7 + position * 3) % 13));
      CHECK(token(choice) == cut[position]);
      choice.sampling = {.temperature = 1, .seed = 42};
      CHECK(token(choice) == plain[position]);
    }
  }

  TEST_CASE("draws follow the softmax") {
    const int draws = 20'000;
    const auto seen = drawn({.logits = {0, 2}, .sampling = {.temperature = 2, .seed = 3}}, draws);
    CHECK(std::abs(seen.at(1) / double(draws) - 1 / (1 + std::exp(-1.0))) < 0.015);
  }

  TEST_CASE("top_k, top_p and min_p cut the tail") {
    const auto left = [](Sampling sampling) {
      sampling.temperature = 1;
      return drawn({.logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)},
                    .sampling = sampling},
                   2'000)
          .size();
    };
    CHECK(left({}) == 4);
    CHECK(left({.top_k = 2}) == 2);
    CHECK(left({.top_p = 0.6f}) == 2);
    CHECK(left({.top_p = 0.4f}) == 1);
    CHECK(left({.min_p = 0.25f}) == 3);
  }

  TEST_CASE("penalties weigh on what was said already") {
    const auto said = [](const Sampling& sampling) {
      return token({.logits = {4, 3.5f, 1}, .sampling = sampling, .said = {0, 0, 1}});
    };
    CHECK(said({.repetition_penalty = 5}) == 2);
    CHECK(said({.presence_penalty = 0.2f}) == 0);
    CHECK(said({.frequency_penalty = 0.6f}) == 1);
  }

  TEST_CASE("a bias moves a token up or down, before penalties, and never past the mask") {
    CHECK(token({.logits = {1, 2, 3}, .sampling = {.logit_bias = {{0, 2.5f}}}}) == 0);
    CHECK(token({.logits = {1, 2, 3}, .sampling = {.logit_bias = {{2, -100.0f}}}}) == 1);
    CHECK(token({.logits = {1, 2, 3}, .sampling = {.logit_bias = {{0, 100.0f}}}, .allowed = {1, 2}}) == 2);
    // (1 + 3) / 2 stays below 3; 1 / 2 + 3 would not.
    CHECK(token({.logits = {1, 2, 3},
                 .sampling = {.repetition_penalty = 2, .logit_bias = {{0, 3.0f}}},
                 .said = {0}}) == 2);
  }

  TEST_CASE("logits that are no numbers never win; where there are no others the lowest id does") {
    for (const float temperature : {0.0f, 1.0f}) {
      const Sampling sampling{.temperature = temperature};
      CHECK(token({.logits = {NAN, 1, NAN}, .sampling = sampling}) == 1);
      CHECK(token({.logits = {NAN, NAN, NAN}, .sampling = sampling, .allowed = {1, 2}}) == 1);
      CHECK(token({.logits = {NAN, NAN, -INFINITY}, .sampling = sampling}) == 2);
      CHECK(token({.logits = {1, -INFINITY, -INFINITY}, .sampling = sampling, .allowed = {1, 2}}) == 1);
    }
  }

  TEST_CASE("log probabilities are those of the tokens that may come, whatever is done to draw one") {
    const std::vector<float> logits{std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
    const Choice choice{.logits = logits,
                        .sampling = {.repetition_penalty = 9, .logit_bias = {{3, 0.5f}}},
                        .allowed = {0, 1, 3},
                        .said = {0},
                        .alternatives = 2};
    for (const std::string& kernels : available_kernels()) {
      const auto told = choose(*cpu_backend(kernels), std::span(&choice, 1))[0];
      CHECK(told.token == 1);  // log 0.5 times 9 is less, and 0.05 e^0.5 is
      REQUIRE(told.logprobs.size() == 1 + kAlternativesMax);
      CHECK(told.logprobs[0].token == 1);
      CHECK(std::abs(told.logprobs[0].logprob - std::log(0.3 / 0.85)) < 1e-6);
      CHECK(told.logprobs[1].token == 0);
      CHECK(std::abs(told.logprobs[1].logprob - std::log(0.5 / 0.85)) < 1e-6);
      CHECK(told.logprobs[2].token == 1);
      CHECK(told.logprobs[3].token == -1);
    }
  }

  TEST_CASE("every kernel chooses what the reference chooses, bit for bit, whatever is asked") {
    std::mt19937_64 random(20261125);
    const auto uniform = [&](double from, double to) {
      return std::uniform_real_distribution<double>(from, to)(random);
    };
    const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
    for (int round = 0; round < 400; ++round) {
      const std::size_t width =
          round % 40 == 0 ? 60'000 + below(9'000) : 1 + below(round % 4 == 0 ? 5'000 : 300);
      std::vector<Choice> choices(1 + below(3));
      for (Choice& one : choices) {
        // A few levels only, now and then: many ties.
        const bool coarse = below(3) == 0;
        const double spread = uniform(0.1, 12);
        for (std::size_t i = 0; i < width; ++i) {
          const double value = spread * std::normal_distribution<double>()(random);
          one.logits.push_back(static_cast<float>(coarse ? std::round(value) : value));
          if (below(50) == 0 && round % 3 == 0)
            one.logits.back() = below(2) == 0 ? -INFINITY : (below(8) == 0 ? INFINITY : NAN);
        }
        Sampling& s = one.sampling;
        s.temperature = below(4) == 0 ? 0 : static_cast<float>(std::exp(uniform(-4, 2)));
        if (below(2) == 0) s.top_k = static_cast<int>(1 + below(below(2) == 0 ? 60 : width + 5));
        if (below(2) == 0) s.top_p = static_cast<float>(uniform(0.01, 1));
        if (below(2) == 0) s.min_p = static_cast<float>(uniform(0, below(10) == 0 ? 1.1 : 0.3));
        if (below(2) == 0) s.repetition_penalty = static_cast<float>(uniform(0.5, 2));
        if (below(2) == 0) s.frequency_penalty = static_cast<float>(uniform(-1, 1));
        if (below(2) == 0) s.presence_penalty = static_cast<float>(uniform(-1, 1));
        s.seed = random();
        one.position = below(100'000);
        for (std::size_t i = below(20); i > 0; --i) one.said.push_back(static_cast<TokenId>(below(width)));
        if (below(3) == 0)
          one.sampling.logit_bias = {
              {static_cast<TokenId>(below(width)), static_cast<float>(uniform(-9, 9))}};
        if (below(2) == 0) {
          const std::size_t share = below(2) == 0 ? width : 1 + below(20);
          for (std::size_t i = 0; i < share; ++i) one.allowed.push_back(static_cast<TokenId>(below(width)));
        }
        if (below(3) == 0) one.alternatives = static_cast<int>(below(kAlternativesMax + 1));
      }
      const auto expected = choose(*cpu_backend("reference"), choices);
      for (const std::string& kernels : available_kernels()) {
        const auto together = choose(*cpu_backend(kernels, 2), choices);
        for (std::size_t i = 0; i < choices.size(); ++i) {
          CAPTURE(round);
          CAPTURE(kernels);
          CHECK(together[i].token == expected[i].token);
          CHECK(together[i].token == choose(*cpu_backend(kernels), std::span(&choices[i], 1))[0].token);
          REQUIRE(together[i].logprobs.size() == expected[i].logprobs.size());
          for (std::size_t j = 0; j < expected[i].logprobs.size(); ++j) {
            const TokenLogprob &a = together[i].logprobs[j], &b = expected[i].logprobs[j];
            CHECK(a.token == b.token);
            CHECK((a.logprob == b.logprob || (std::isnan(a.logprob) && std::isnan(b.logprob))));
          }
        }
      }
    }
  }
}
