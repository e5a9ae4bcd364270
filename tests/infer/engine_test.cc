#include "infer/engine.h"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <cmath>
#include <future>

#include "infer/local_model.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

// Runs several generations at once on one io thread; results in order.
std::vector<Result<EngineOutput>> together(Engine& engine, std::vector<Generation> generations) {
  asio::io_context context;
  std::vector<std::optional<Result<EngineOutput>>> results(generations.size());
  for (std::size_t i = 0; i < generations.size(); ++i) {
    asio::co_spawn(context, engine.generate(std::move(generations[i])),
                   [&results, i](std::exception_ptr, Result<EngineOutput> result) {
                     results[i].emplace(std::move(result));
                   });
  }
  context.run();
  std::vector<Result<EngineOutput>> all;
  for (auto& result : results) all.push_back(std::move(*result));
  return all;
}

std::vector<TokenId> engine_joined(std::vector<TokenId> a, const std::vector<TokenId>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_SUITE("infer/engine") {
  TEST_CASE("logits of every architecture agree with transformers within 1e-3, with every kernel") {
    for (const std::string model : {"llama", "llama3", "qwen2", "qwen3", "qwen3moe"}) {
      const ReferenceLogits reference = reference_logits(model);
      for (const std::string& kernels : available_kernels()) {
        CAPTURE(model);
        CAPTURE(kernels);
        EngineOptions options;
        options.kernels = kernels;
        options.kv = "f32";
        const auto engine = tiny_engine(model, options);
        CHECK(engine->kernels() == kernels);
        const auto logits = await(engine->logits(reference.tokens));
        REQUIRE(logits.has_value());
        REQUIRE(logits->size() == reference.logits.size());
        float worst = 0;
        for (std::size_t i = 0; i < logits->size(); ++i)
          worst = std::max(worst, std::abs((*logits)[i] - reference.logits[i]));
        MESSAGE(model << " " << kernels << ": largest difference " << worst);
        CHECK(worst <= 1e-3f);
      }
    }
  }

  TEST_CASE("logits are the same bits for any chunking and any number of threads") {
    const auto tokens = some_tokens(150, 1);
    for (const std::string& kernels : available_kernels()) {
      std::vector<float> first;
      for (const auto& [threads, rows] : {std::pair{1, 256}, {1, 1}, {2, 7}, {3, 64}, {4, 149}}) {
        EngineOptions options;
        options.kernels = kernels;
        options.threads = threads;
        options.step_rows = rows;
        const auto logits = await(tiny_engine("qwen3", options)->logits(tokens));
        REQUIRE(logits.has_value());
        if (first.empty()) first = *logits;
        CAPTURE(kernels);
        CAPTURE(rows);
        CHECK(std::memcmp(first.data(), logits->data(), first.size() * sizeof(float)) == 0);
      }
    }
  }

  TEST_CASE("a generation's tokens do not depend on who else is in the batch") {
    std::vector<std::vector<TokenId>> alone;
    for (unsigned i = 0; i < 12; ++i) {
      const auto engine = tiny_engine("llama");
      alone.push_back(await(engine->generate(generation(some_tokens(5 + 17 * i, i), 40)))->tokens);
    }
    const auto engine = tiny_engine("llama");
    std::vector<Generation> batch;
    for (unsigned i = 0; i < 12; ++i) batch.push_back(generation(some_tokens(5 + 17 * i, i), 40));
    const auto results = together(*engine, std::move(batch));
    for (std::size_t i = 0; i < alone.size(); ++i) CHECK(results[i]->tokens == alone[i]);
  }

  TEST_CASE("a conversation that grows prefills only what is new") {
    const auto engine = tiny_engine("llama");
    auto prompt = some_tokens(100, 3);
    std::int64_t prefilled = 0;
    for (unsigned turn = 0; turn < 5; ++turn) {
      const auto output = await(engine->generate(generation(prompt, 10)));
      REQUIRE(output.has_value());
      prefilled += output->usage.prefilled_tokens;
      CHECK(output->usage.prompt_tokens == static_cast<std::int64_t>(prompt.size()));
      CHECK(output->usage.reused_tokens + output->usage.prefilled_tokens == output->usage.prompt_tokens);
      prompt = engine_joined(engine_joined(prompt, output->tokens), some_tokens(7, turn + 50));
    }
    // 100, then each turn 7 new tokens and the last generated one, which was never computed.
    CHECK(prefilled == 100 + 4 * 8);
  }

  TEST_CASE("what was found in the cache gives the same tokens as what was computed") {
    const auto prefix = some_tokens(70, 5);
    for (unsigned tail = 0; tail < 20; ++tail) {  // leaves the shared part at every place inside a page
      const std::vector<TokenId> parent(prefix.begin(), prefix.begin() + 50 + tail);
      const auto child = engine_joined(parent, some_tokens(9, 90 + tail));
      const auto fresh = tiny_engine("qwen2");
      const auto expected = await(fresh->generate(generation(child, 20)));
      const auto warm = tiny_engine("qwen2");
      REQUIRE(await(warm->generate(generation(prefix, 4))).has_value());
      const auto output = await(warm->generate(generation(child, 20)));
      REQUIRE(output.has_value());
      CHECK(output->tokens == expected->tokens);
      CHECK(output->usage.prefilled_tokens <= 9);
      CHECK(expected->usage.prefilled_tokens == static_cast<std::int64_t>(child.size()));
    }
  }

  TEST_CASE("a prompt that is cached whole computes its last token again and nothing else") {
    const auto engine = tiny_engine("llama");
    for (const std::size_t length : {1u, 15u, 16u, 17u, 32u}) {
      const auto first = await(engine->generate(generation(some_tokens(length, 7), 5)));
      const auto second = await(engine->generate(generation(some_tokens(length, 7), 5)));
      CHECK(second->usage.prefilled_tokens == 1);
      CHECK(second->tokens == first->tokens);
    }
  }

  TEST_CASE("cold starts at the same time share their prefix") {
    const auto engine = tiny_engine("llama");
    const auto parent = some_tokens(200, 11);
    std::vector<Generation> children;
    for (unsigned i = 0; i < 8; ++i) {
      auto own = some_tokens(5, 100 + i);
      own.front() = static_cast<TokenId>(i);  // children part at their first own token
      children.push_back(generation(engine_joined(parent, own), 6));
    }
    std::int64_t prefilled = 0;
    for (const auto& result : together(*engine, std::move(children)))
      prefilled += result->usage.prefilled_tokens;
    CHECK(prefilled == 200 + 8 * 5);
  }

  TEST_CASE("a sequence beyond the context, a token beyond the vocabulary and an empty prompt are refused") {
    EngineOptions options;
    options.context = 64;
    const auto engine = tiny_engine("llama", options);
    CHECK(await(engine->generate(generation(some_tokens(60, 1), 5))).error().code() == Code::kExhausted);
    CHECK(await(engine->generate(generation({1, 64}, 5))).error().code() == Code::kInvalidArgument);
    CHECK(await(engine->generate(generation({}, 5))).error().code() == Code::kInvalidArgument);
    CHECK(await(engine->generate(generation(some_tokens(60, 1), 4)))->tokens.size() == 4);
  }

  TEST_CASE("when KV memory is short, generations wait, evict what is idle and come out right") {
    EngineOptions options;
    options.kv_bytes_max =
        12 * 16 * 2 * 2 * 2 * 16 * 2;  // 12 pages: 2 layers, K and V, 2 KV heads of 16, fp16
    const auto engine = tiny_engine("llama", options);
    std::vector<Generation> batch;
    std::vector<std::vector<TokenId>> expected;
    for (unsigned i = 0; i < 10; ++i) {
      expected.push_back(await(tiny_engine("llama")->generate(generation(some_tokens(60, i), 30)))->tokens);
      batch.push_back(generation(some_tokens(60, i), 30));
    }
    // One that could never fit is refused among the others and harms none of them.
    batch.insert(batch.begin() + 3, generation(some_tokens(190, 1), 30));
    expected.insert(expected.begin() + 3, std::vector<TokenId>{});
    const auto results = together(*engine, std::move(batch));
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (i == 3) {
        CHECK(results[i].error().code() == Code::kExhausted);
        continue;
      }
      REQUIRE(results[i].has_value());
      CHECK(results[i]->tokens == expected[i]);
    }
  }

  TEST_CASE("a cancelled generation ends between two tokens and the others go on") {
    const auto engine = tiny_engine("llama");
    const auto expected = await(tiny_engine("llama")->generate(generation(some_tokens(20, 2), 50)))->tokens;
    asio::io_context context;
    asio::cancellation_signal stop;
    std::optional<Result<EngineOutput>> cancelled, kept;
    Generation endless = generation(some_tokens(20, 1), 400);
    endless.on_token = [&, seen = 0](TokenId, bool) mutable {
      if (++seen == 3) asio::post(context, [&] { stop.emit(asio::cancellation_type::terminal); });
    };
    asio::co_spawn(
        context, engine->generate(std::move(endless)),
        asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr, Result<EngineOutput> result) {
          cancelled.emplace(std::move(result));
        }));
    asio::co_spawn(context, engine->generate(generation(some_tokens(20, 2), 50)),
                   [&](std::exception_ptr, Result<EngineOutput> result) { kept.emplace(std::move(result)); });
    context.run();
    REQUIRE(!cancelled->has_value());
    CHECK(cancelled->error().code() == Code::kCancelled);
    CHECK((*kept)->tokens == expected);
  }

  TEST_CASE("a cancelled generation leaves what it had come to") {
    EngineOptions options;
    options.draft_tokens_max = 0;  // One token a step.
    const auto engine = tiny_engine("llama", options);
    const auto expected = await(engine->generate(generation(some_tokens(20, 1), 8)))->tokens;
    asio::io_context context;
    asio::cancellation_signal stop;
    std::promise<void> stopped;
    std::optional<Result<EngineOutput>> outcome;
    Generation endless = generation(some_tokens(20, 1), 400);
    endless.cut = std::make_shared<EngineOutput>();
    const auto cut = endless.cut;
    endless.on_token = [&, seen = 0](TokenId, bool) mutable {
      if (++seen != 3) return;
      asio::post(context, [&] {
        stop.emit(asio::cancellation_type::terminal);
        stopped.set_value();
      });
      stopped.get_future().wait();
    };
    asio::co_spawn(
        context, engine->generate(std::move(endless)),
        asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr, Result<EngineOutput> result) {
          outcome.emplace(std::move(result));
        }));
    context.run();
    REQUIRE(outcome);
    REQUIRE(!outcome->has_value());
    CHECK(outcome->error().code() == Code::kCancelled);
    CHECK(cut->tokens == std::vector<TokenId>(expected.begin(), expected.begin() + 3));
    CHECK(cut->length);
    CHECK(cut->usage.generated_tokens == 3);
    CHECK(cut->usage.prompt_tokens == 20);
    CHECK(cut->usage.reused_tokens + cut->usage.prefilled_tokens == 20);
    CHECK(cut->usage.unread_tokens == 1);
  }

  TEST_CASE("a generation that is cancelled while its prompt is read counts what was read") {
    EngineOptions options;
    options.step_rows = 16;
    const auto engine = tiny_engine("llama", options);
    asio::io_context context;
    asio::cancellation_signal stop;
    std::promise<void> stopped;
    std::optional<Result<EngineOutput>> outcome;
    // Beside another that decodes, so that something happens between two pieces of the prompt.
    Generation beside = generation(some_tokens(4, 2), 30);
    beside.on_token = [&, seen = 0](TokenId, bool) mutable {
      if (++seen != 3) return;
      asio::post(context, [&] {
        stop.emit(asio::cancellation_type::terminal);
        stopped.set_value();
      });
      stopped.get_future().wait();
    };
    Generation endless = generation(some_tokens(100, 1), 8);
    endless.cut = std::make_shared<EngineOutput>();
    const auto cut = endless.cut;
    asio::co_spawn(context, engine->generate(std::move(beside)),
                   [](std::exception_ptr, Result<EngineOutput>) {});
    asio::co_spawn(
        context, engine->generate(std::move(endless)),
        asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr, Result<EngineOutput> result) {
          outcome.emplace(std::move(result));
        }));
    context.run();
    REQUIRE(outcome);
    CHECK(!outcome->has_value());
    CHECK(cut->tokens.empty());
    CHECK(cut->usage.generated_tokens == 0);
    CHECK(cut->usage.prompt_tokens < 100);
    CHECK(cut->usage.reused_tokens + cut->usage.prefilled_tokens == cut->usage.prompt_tokens);
  }

  TEST_CASE("ends, limits and forced tokens are counted as they should be") {
    class Forcing : public TokenConstraint {
     public:
      bool mask(TokenMask& out) override {
        out.reset();
        out.set(9);
        return true;
      }
      std::vector<TokenId> forced() override {
        return accepted_ == 1 ? std::vector<TokenId>{4, 5, 6} : std::vector<TokenId>{};
      }
      void accept(TokenId) override { ++accepted_; }
      bool finished() const override { return accepted_ == 6; }
      std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<Forcing>(*this); }

     private:
      int accepted_ = 0;
    };
    const auto engine = tiny_engine("llama");
    Generation g = generation(some_tokens(10, 1), 20);
    g.constraint = std::make_unique<Forcing>();
    std::vector<bool> seen;
    g.on_token = [&](TokenId, bool forced) { seen.push_back(forced); };
    const auto output = await(engine->generate(std::move(g)));
    REQUIRE(output.has_value());
    CHECK(output->tokens == std::vector<TokenId>{9, 4, 5, 6, 9, 9});
    CHECK(output->usage.generated_tokens == 6);
    CHECK(output->usage.forced_tokens == 3);
    CHECK(output->usage.unread_tokens == 1);
    CHECK(!output->length);
    CHECK(seen == std::vector<bool>{false, true, true, true, false, false});

    // Cut behind two forced tokens: the next turn computes them and the one before.
    Generation cut = generation(some_tokens(10, 1), 3);
    cut.constraint = std::make_unique<Forcing>();
    const auto short_output = await(engine->generate(std::move(cut)));
    CHECK(short_output->tokens == std::vector<TokenId>{9, 4, 5});
    CHECK(short_output->usage.unread_tokens == 3);

    const auto free = await(engine->generate(generation(some_tokens(10, 1), 6)));
    CHECK(free->length);
    Generation ending = generation(some_tokens(10, 1), 6);
    ending.ends = {free->tokens[0]};
    const auto ended = await(engine->generate(std::move(ending)));
    CHECK(ended->tokens == std::vector<TokenId>{free->tokens[0]});
    CHECK(!ended->length);
  }
}
