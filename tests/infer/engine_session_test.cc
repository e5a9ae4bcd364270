// One plain pass is the truth; every other way to the same tokens must give the same bits.
#include <doctest/doctest.h>

#include <cmath>

#include "infer/local_model.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

// Sampled at temperature 1: a single changed bit of a logit would show sooner or later.
Generation sampled(std::vector<TokenId> prompt, std::size_t tokens_max) {
  Generation g = generation(std::move(prompt), tokens_max);
  g.sampling.temperature = 1;
  g.sampling.seed = 42;
  return g;
}

std::vector<TokenId> one_plain_pass(const std::string& model, const std::vector<TokenId>& prompt,
                                    std::size_t count) {
  EngineOptions options;
  options.draft_tokens_max = 0;
  return await(tiny_engine(model, options)->generate(sampled(prompt, count)))->tokens;
}

std::vector<TokenId> joined(std::vector<TokenId> a, const std::vector<TokenId>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_SUITE("infer/engine sessions") {
  TEST_CASE("a fork at any token gives what one plain pass gives") {
    const auto engine = tiny_engine("qwen3");
    const auto trunk = some_tokens(60, 1);
    REQUIRE(await(engine->generate(sampled(trunk, 10))).has_value());
    for (std::size_t at = 1; at <= trunk.size(); at += 7) {
      auto fork = std::vector<TokenId>(trunk.begin(), trunk.begin() + static_cast<std::ptrdiff_t>(at));
      fork.push_back((trunk[at % trunk.size()] + 1) % 64);
      const auto output = await(engine->generate(sampled(fork, 25)));
      REQUIRE(output.has_value());
      CHECK(output->usage.prefilled_tokens <= 1);
      CHECK(output->tokens == one_plain_pass("qwen3", fork, 25));
    }
  }

  TEST_CASE("what was evicted and computed again gives the same tokens") {
    EngineOptions options;
    options.kv_bytes_max = 10 * 16 * 2 * 2 * 2 * 16 * 2;  // 10 pages
    const auto engine = tiny_engine("llama", options);
    const auto prompt = some_tokens(90, 1);
    const auto expected = one_plain_pass("llama", prompt, 30);
    for (unsigned round = 0; round < 3; ++round) {
      const auto output = await(engine->generate(sampled(prompt, 30)));
      CHECK(output->tokens == expected);
      CHECK(output->usage.prefilled_tokens > 1);  // the other one has pushed it out, wholly or in part
      REQUIRE(await(engine->generate(sampled(some_tokens(120, 100 + round), 20))).has_value());
    }
  }

  TEST_CASE("a session saved by one process goes on in another with the same tokens") {
    const ScratchDir folder;
    const auto prompt = some_tokens(50, 1);
    const auto more = some_tokens(9, 2);
    std::vector<TokenId> history;
    {
      const auto engine = tiny_engine("qwen2");
      history = joined(prompt, await(engine->generate(sampled(prompt, 20)))->tokens);
      CHECK(await(engine->save(history, folder / "session.kv")) == 69u);  // the last token was never computed
    }
    const auto engine = tiny_engine("qwen2");
    CHECK(await(engine->load(folder / "session.kv")) == 69u);
    history = joined(history, more);
    const auto output = await(engine->generate(sampled(history, 20)));
    CHECK(output->usage.prefilled_tokens == 10);
    CHECK(output->tokens == one_plain_pass("qwen2", history, 20));
    CHECK(await(engine->load(folder / "session.kv")) ==
          69u);  // loading what is there already changes nothing
    CHECK(await(engine->generate(sampled(history, 20)))->tokens == output->tokens);
  }

  TEST_CASE("a saved session that was damaged, cut or made by another model is refused") {
    const ScratchDir folder;
    const auto engine = tiny_engine("llama");
    REQUIRE(await(engine->generate(generation(some_tokens(30, 1), 4))).has_value());
    REQUIRE(await(engine->save(some_tokens(30, 1), folder / "session.kv")) == 30u);
    const std::string whole = read_file(folder / "session.kv");
    const auto code_of = [&](const std::string& bytes) {
      const auto loaded = await(tiny_engine("llama")->load(folder.write("damaged.kv", bytes)));
      return loaded ? Code::kInternal : loaded.error().code();
    };
    for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 97) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ 4);
      CAPTURE(at);
      const Code code = code_of(flipped);
      CHECK((code == Code::kCorrupt || code == Code::kUnsupported));
      CHECK(code_of(whole.substr(0, at)) == Code::kCorrupt);
    }
    CHECK(code_of(whole + "x") == Code::kCorrupt);
    CHECK(await(tiny_engine("llama3")->load(folder / "session.kv")).error().code() == Code::kUnsupported);
    CHECK(await(tiny_engine("llama")->load(folder / "absent.kv")).error().code() == Code::kNotFound);
    CHECK(await(engine->save({63, 62, 61}, folder / "nothing.kv")).error().code() == Code::kNotFound);
    CHECK(await(engine->save(some_tokens(30, 1), folder / "no/such/folder.kv")).error().code() ==
          Code::kTransport);
    EngineOptions options;
    options.kernels = "reference";
    CHECK((available_kernels().size() == 1 ||
           await(tiny_engine("llama", options)->load(folder / "session.kv")).error().code() ==
               Code::kUnsupported));
  }

  TEST_CASE(
      "guessing by prompt lookup changes no token, greedy or sampled, and comes true on repeated text") {
    const auto phrase = some_tokens(12, 1);
    std::vector<TokenId> prompt;
    for (int i = 0; i < 6; ++i) prompt = joined(prompt, phrase);
    std::int64_t drafted = 0, accepted = 0;
    for (const char* model : {"llama", "llama3", "qwen2", "qwen3"}) {
      for (const float temperature : {0.0f, 0.5f, 1.0f}) {
        EngineOptions options;
        std::vector<EngineOutput> outputs;
        for (const int draft : {0, 1, 8}) {
          options.draft_tokens_max = draft;
          Generation g = generation(prompt, 120);
          g.sampling.temperature = temperature;
          g.sampling.seed = 5;
          outputs.push_back(*await(tiny_engine(model, options)->generate(std::move(g))));
        }
        CHECK(outputs[0].usage.drafted_tokens == 0);
        for (const EngineOutput& output : outputs) {
          CHECK(output.tokens == outputs[0].tokens);
          CHECK(output.usage.generated_tokens == 120);
          drafted += output.usage.drafted_tokens;
          accepted += output.usage.drafted_tokens - output.usage.rejected_tokens;
        }
      }
    }
    MESSAGE("guessed " << drafted << ", came true " << accepted);
    CHECK(accepted > 100);
  }

  TEST_CASE("guesses leave no trace in what a later turn finds") {
    const auto phrase = some_tokens(10, 3);
    std::vector<TokenId> prompt;
    for (int i = 0; i < 5; ++i) prompt = joined(prompt, phrase);
    for (std::size_t length = 1; length < 40; ++length) {
      const auto engine = tiny_engine("llama");
      const auto first = await(engine->generate(generation(prompt, length)));
      const auto next = joined(joined(prompt, first->tokens), {1, 2, 3});
      CHECK(await(engine->generate(generation(next, 2)))->usage.prefilled_tokens == 4);
    }
  }

  TEST_CASE("embeddings agree with transformers, however they are chunked") {
    for (const std::string model : {"llama", "qwen3"}) {
      const ReferenceLogits reference = reference_logits(model);
      const std::string data = read_file(test_data("tiny_" + model + ".pooled"));
      std::vector<float> pooled(data.size() / 4);
      std::memcpy(pooled.data(), data.data(), data.size());
      const std::size_t width = pooled.size() / 2;
      for (const int rows : {256, 5, 1}) {
        EngineOptions options;
        options.kv = "f32";
        options.step_rows = rows;
        const auto engine = tiny_engine(model, options);
        for (const Pooling pooling : {Pooling::kLast, Pooling::kMean}) {
          const auto vector = await(engine->embed(reference.tokens, pooling));
          REQUIRE(vector.has_value());
          REQUIRE(vector->size() == width);
          for (std::size_t i = 0; i < width; ++i) {
            CHECK(std::abs((*vector)[i] - pooled[i + (pooling == Pooling::kMean ? width : 0)]) < 1e-4f);
          }
        }
      }
    }
  }

  TEST_CASE("what is more urgent is admitted first") {
    EngineOptions options;
    options.kv_bytes_max = 4 * 16 * 2 * 2 * 2 * 16 * 2;  // room for one at a time
    const auto engine = tiny_engine("llama", options);
    std::vector<int> order;
    asio::io_context context;
    for (const int priority : {0, 0, 5, 1}) {
      Generation g = generation(some_tokens(30, static_cast<unsigned>(order.size() + 7 * priority)), 20);
      g.priority = priority;
      asio::co_spawn(
          context, engine->generate(std::move(g)),
          [&order, priority](std::exception_ptr, Result<EngineOutput>) { order.push_back(priority); });
    }
    context.run();
    REQUIRE(order.size() == 4);
    // The very first may have started before the others arrived.
    CHECK(std::is_sorted(order.begin() + 1, order.end(), std::greater<>()));
  }
}
