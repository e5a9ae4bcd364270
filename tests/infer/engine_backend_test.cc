// The engine over a backend that does everything later, as a device does.
#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <cmath>
#include <thread>

#include "infer/local_model.h"
#include "infer/support/queued_backend.h"
#include "infer/support/sampling.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

struct Queued {
  std::unique_ptr<Engine> engine;
  QueuedBackend* backend = nullptr;  // the engine's
};

Queued queued_engine(const std::string& model, EngineOptions options = {}) {
  if (options.kv_bytes_max == 0) options.kv_bytes_max = 8u << 20;
  auto file = GgufFile::open(test_data("tiny_" + model + ".gguf"));
  auto backend = std::make_unique<QueuedBackend>(cpu_backend("auto", 2));
  Queued queued;
  queued.backend = backend.get();
  queued.engine = std::move(*Engine::open(*file, options, std::move(backend)));
  return queued;
}

// Runs until a step is with the backend, which holds it.
void run_until_in_flight(asio::io_context& context, const QueuedBackend& backend, std::size_t fences) {
  while (backend.fences() == fences) {
    context.poll();
    std::this_thread::yield();
  }
}

// Even tokens only, and 7 after every third token.
class Even : public TokenConstraint {
 public:
  bool mask(TokenMask& out) override {
    out.reset();
    for (TokenId token = 0; token < 64; token += 2) out.set(token);
    return true;
  }
  std::vector<TokenId> forced() override {
    return accepted_ % 4 == 3 ? std::vector<TokenId>{7} : std::vector<TokenId>{};
  }
  void accept(TokenId) override { ++accepted_; }
  bool finished() const override { return false; }
  std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<Even>(*this); }

 private:
  int accepted_ = 0;
};

Generation asked(std::vector<TokenId> prompt, std::size_t tokens_max) {
  Generation g = generation(std::move(prompt), tokens_max);
  g.constraint = std::make_unique<Even>();
  g.sampling = {.temperature = 0.6f, .top_p = 0.9f, .repetition_penalty = 1.1f, .seed = 9};
  g.sampling.logit_bias = {{4, 1.5f}, {6, -1.5f}};
  g.logprobs = 3;
  return g;
}

std::vector<TokenId> repeated(const std::vector<TokenId>& phrase, int times) {
  std::vector<TokenId> whole;
  for (int i = 0; i < times; ++i) whole.insert(whole.end(), phrase.begin(), phrase.end());
  return whole;
}

bool same(const std::vector<TokenProbability>& a, const std::vector<TokenProbability>& b) {
  return std::ranges::equal(a, b, [](const TokenProbability& x, const TokenProbability& y) {
    return x.logprob == y.logprob && x.alternatives == y.alternatives;
  });
}

}  // namespace

TEST_SUITE("infer/engine backend") {
  TEST_CASE("a backend that does everything later gives the same bits") {
    const auto prompt = repeated(some_tokens(12, 1), 5);
    for (const std::string model : {"llama", "qwen2", "qwen3", "qwen3moe"}) {
      CAPTURE(model);
      const auto plain = tiny_engine(model);
      const auto later = queued_engine(model);
      CHECK(await(later.engine->logits(prompt)).value() == await(plain->logits(prompt)).value());
      for (const Pooling pooling : {Pooling::kLast, Pooling::kMean})
        CHECK(await(later.engine->embed(prompt, pooling)).value() ==
              await(plain->embed(prompt, pooling)).value());
      const auto expected = await(plain->generate(asked(prompt, 60)));
      const auto output = await(later.engine->generate(asked(prompt, 60)));
      REQUIRE(output.has_value());
      CHECK(output->tokens == expected->tokens);
      CHECK(same(output->probabilities, expected->probabilities));
      CHECK(output->usage.drafted_tokens == expected->usage.drafted_tokens);
      CHECK(output->usage.rejected_tokens == expected->usage.rejected_tokens);

      const ScratchDir folder;
      const auto history = repeated(some_tokens(12, 1), 40);  // pages of more than one group of the copy
      REQUIRE(await(later.engine->generate(generation(history, 4))).has_value());
      REQUIRE(await(later.engine->save(history, folder / "kv")) == history.size());
      const auto resumed = queued_engine(model);
      REQUIRE(await(resumed.engine->load(folder / "kv")) == history.size());
      const auto again = await(resumed.engine->generate(generation(history, 10)));
      CHECK(again->usage.prefilled_tokens == 1);
      CHECK(again->tokens == await(plain->generate(generation(history, 10)))->tokens);
    }
  }

  TEST_CASE("while the backend computes, the engine takes requests and answers those it refuses") {
    const auto later = queued_engine("llama");
    const auto expected = await(tiny_engine("llama")->generate(generation(some_tokens(40, 1), 12)));
    asio::io_context context;
    std::optional<Result<EngineOutput>> slow, refused;
    later.backend->hold(true);
    const std::size_t fences = later.backend->fences();
    asio::co_spawn(context, later.engine->generate(generation(some_tokens(40, 1), 12)),
                   [&](std::exception_ptr, Result<EngineOutput> result) { slow.emplace(std::move(result)); });
    run_until_in_flight(context, *later.backend, fences);
    asio::co_spawn(context, later.engine->generate(generation({}, 5)),
                   [&](std::exception_ptr, Result<EngineOutput> result) {
                     refused.emplace(std::move(result));
                     CHECK(!slow);
                     later.backend->hold(false);
                   });
    context.run();
    CHECK(refused->error().code() == Code::kInvalidArgument);
    CHECK((*slow)->tokens == expected->tokens);
  }

  TEST_CASE("an engine that closes while the backend computes ends what runs and waits for the backend") {
    asio::io_context context;
    std::optional<Result<EngineOutput>> ended;
    {
      const auto later = queued_engine("llama");
      later.backend->hold(true);
      const std::size_t fences = later.backend->fences();
      asio::co_spawn(
          context, later.engine->generate(generation(some_tokens(40, 1), 400)),
          [&](std::exception_ptr, Result<EngineOutput> result) { ended.emplace(std::move(result)); });
      run_until_in_flight(context, *later.backend, fences);
      later.backend->hold(false);
    }
    context.run();
    CHECK(ended->error().code() == Code::kCancelled);
  }

  TEST_CASE("biases, penalties and log probabilities are the same however tokens were guessed") {
    for (const char* model : {"llama", "qwen3"}) {
      for (const float temperature : {0.0f, 0.7f}) {
        std::vector<EngineOutput> outputs;
        for (const int draft : {0, 1, 8}) {
          EngineOptions options;
          options.draft_tokens_max = draft;
          Generation g = asked(repeated(some_tokens(12, 1), 6), 100);
          g.sampling.temperature = temperature;
          outputs.push_back(*await(tiny_engine(model, options)->generate(std::move(g))));
        }
        for (const EngineOutput& output : outputs) {
          CHECK(output.tokens == outputs[0].tokens);
          CHECK(same(output.probabilities, outputs[0].probabilities));
        }
        REQUIRE(outputs[0].probabilities.size() == outputs[0].tokens.size());
        for (std::size_t i = 0; i < outputs[0].tokens.size(); ++i) {
          const TokenProbability& one = outputs[0].probabilities[i];
          if (outputs[0].tokens[i] == 7) {
            CHECK(one.logprob == 0);
            CHECK(one.alternatives.empty());
            continue;
          }
          REQUIRE(one.alternatives.size() == 3);
          CHECK(one.logprob <= one.alternatives[0].second);
          CHECK(one.alternatives[0].second < 0);
          CHECK(one.alternatives[2].second <= one.alternatives[1].second);
          CHECK(one.alternatives[0].first % 2 == 0);
        }
      }
    }
  }

  TEST_CASE("log probabilities agree with the logits of the same text") {
    const auto engine = tiny_engine("qwen2");
    const auto prompt = some_tokens(30, 2);
    Generation g = generation(prompt, 10);
    g.logprobs = 0;
    const auto output = await(engine->generate(std::move(g)));
    REQUIRE(output->probabilities.size() == 10);
    auto text = prompt;
    text.insert(text.end(), output->tokens.begin(), output->tokens.end());
    const auto logits = await(engine->logits(text));
    const std::size_t vocabulary = engine->vocabulary();
    for (std::size_t i = 0; i < 10; ++i) {
      const float* row = logits->data() + (prompt.size() - 1 + i) * vocabulary;
      double sum = 0;
      for (std::size_t t = 0; t < vocabulary; ++t) sum += std::exp(static_cast<double>(row[t]));
      const double expected = static_cast<double>(row[output->tokens[i]]) - std::log(sum);
      CHECK(std::abs(output->probabilities[i].logprob - expected) < 1e-5);
      CHECK(output->probabilities[i].alternatives.empty());
    }
  }

  TEST_CASE("sampling that can't be done is refused and named") {
    const auto engine = tiny_engine("llama");
    const auto code = [&](auto change) {
      Generation g = generation(some_tokens(5, 1), 3);
      change(g);
      const auto output = await(engine->generate(std::move(g)));
      return output ? Code::kInternal : output.error().code();
    };
    CHECK(code([](Generation& g) { g.sampling.temperature = NAN; }) == Code::kInvalidArgument);
    CHECK(code([](Generation& g) { g.sampling.repetition_penalty = 0; }) == Code::kInvalidArgument);
    CHECK(code([](Generation& g) { g.sampling.logit_bias = {{64, 1.0f}}; }) == Code::kInvalidArgument);
    CHECK(code([](Generation& g) { g.sampling.logit_bias = {{1, 1.0f}, {1, 2.0f}}; }) ==
          Code::kInvalidArgument);
    CHECK(code([](Generation& g) { g.sampling.logit_bias = {{1, INFINITY}}; }) == Code::kInvalidArgument);
    CHECK(code([](Generation& g) { g.logprobs = 21; }) == Code::kInvalidArgument);
    CHECK(code([](Generation& g) { g.logprobs = -1; }) == Code::kInvalidArgument);
  }
}
