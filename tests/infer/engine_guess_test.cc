// Guesses under a grammar: all of a draft is looked at in one step, and no token differs from what one step
// each would have given.
#include <doctest/doctest.h>

#include "infer/chat/turn.h"
#include "infer/support/random_model.h"
#include "infer/support/random_schema.h"
#include "infer/support/tiny_models.h"
#include "support/byte_tokenizer.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

struct GuessWorld {
  std::shared_ptr<const ByteTokenizer> tokenizer = std::make_shared<ByteTokenizer>(
      std::vector<std::string>{"{\"", "\":", "\",\"", "\"}", "},{", "true", "null", "\"a\"", "name", "tags",
                               "kind", "ab", "12", "0,"},
      std::vector<std::string>{"<end>"});
  std::shared_ptr<const MaskVocabulary> masks = MaskVocabulary::make(*tokenizer);
  std::string bytes = RandomModel({.layers = 1,
                                   .embedding = 16,
                                   .heads = 1,
                                   .kv_heads = 1,
                                   .head_dim = 16,
                                   .feed_forward = 16,
                                   .vocabulary = static_cast<std::uint32_t>(tokenizer->size())})
                          .bytes();

  std::unique_ptr<Engine> open(int draft) const {
    auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "random");
    EngineOptions options;
    options.kv_bytes_max = 16u << 20;
    options.threads = 1;
    options.draft_tokens_max = draft;
    return std::move(*Engine::open(*file, options));
  }

  Generation writing(std::shared_ptr<const Grammar> grammar, std::vector<TokenId> prompt) const {
    Generation g = generation(std::move(prompt), 48);
    g.constraint = make_grammar_constraint(tokenizer, masks, std::move(grammar), {tokenizer->end_of_turn()});
    g.ends = {tokenizer->end_of_turn()};
    return g;
  }
};

struct GuessCounts {
  std::int64_t drafted = 0, came_true = 0;
  void add(const Usage& usage) {
    drafted += usage.drafted_tokens;
    came_true += usage.drafted_tokens - usage.rejected_tokens;
  }
};

bool guess_same(const EngineOutput& a, const EngineOutput& b) {
  return a.tokens == b.tokens && a.length == b.length && a.usage.forced_tokens == b.usage.forced_tokens &&
         a.usage.unread_tokens == b.usage.unread_tokens &&
         std::ranges::equal(a.probabilities, b.probabilities,
                            [](const TokenProbability& x, const TokenProbability& y) {
                              return x.logprob == y.logprob && x.alternatives == y.alternatives;
                            });
}

}  // namespace

TEST_SUITE("infer/engine guesses") {
  TEST_CASE("under 150 random grammars, at any temperature and seed, guessing changes no token") {
    const GuessWorld world;
    const auto plain = world.open(0);
    const auto short_guesses = world.open(2), guesses = world.open(8);
    std::mt19937 random(7);
    GuessCounts counts;
    for (int done = 0; done < 150;) {
      const Json schema = random_schema(random);
      const auto grammar = Grammar::from_schema(schema);
      if (!grammar) continue;
      ++done;
      CAPTURE(schema.dump());
      // The prompt holds a text of the grammar, so that there is something to repeat.
      const auto prompt =
          world.tokenizer->encode("x" + random_text(*grammar, world.masks, *world.tokenizer, random) + "\n");
      const auto asked = [&] {
        Generation g = world.writing(*grammar, prompt);
        g.sampling.temperature = static_cast<float>(done % 3) * 0.6f;
        g.sampling.seed = static_cast<std::uint64_t>(done);
        if (done % 2 == 0) {
          g.sampling.repetition_penalty = 1.2f;
          g.sampling.frequency_penalty = 0.1f;
          g.sampling.logit_bias = {{'"', 1.5f}};
        }
        if (done % 5 == 0) g.logprobs = 2;
        return g;
      };
      const auto expected = await(plain->generate(asked()));
      REQUIRE(expected.has_value());
      CHECK(expected->usage.drafted_tokens == 0);
      for (const auto* engine : {&short_guesses, &guesses}) {
        const auto output = await((*engine)->generate(asked()));
        REQUIRE(output.has_value());
        CHECK(guess_same(*output, *expected));
        counts.add(output->usage);
      }
    }
    MESSAGE("guessed " << counts.drafted << ", came true " << counts.came_true);
    CHECK(counts.came_true > 300);
  }

  TEST_CASE("what a later turn prefills depends on no guess, forced endings included") {
    const GuessWorld world;
    const auto grammar = Grammar::from_schema(
        Json::parse(R"({"type":"object","properties":{"name":{"enum":["a","ab"]},"tags":{"const":[1,2,3]}},)"
                    R"("required":["name","tags"]})"));
    const auto prompt =
        world.tokenizer->encode("{\"name\":\"ab\",\"tags\":[1,2,3]}{\"name\":\"a\",\"tags\":");
    std::vector<Usage> first, second;
    for (const int draft : {0, 8}) {
      const auto engine = world.open(draft);
      const auto output = await(engine->generate(world.writing(*grammar, prompt)));
      REQUIRE(output.has_value());
      CHECK(output->usage.forced_tokens > 5);
      CHECK(output->usage.unread_tokens > 5);
      auto history = prompt;
      history.insert(history.end(), output->tokens.begin(), output->tokens.end());
      history.push_back('\n');
      first.push_back(output->usage);
      second.push_back(await(engine->generate(generation(history, 1)))->usage);
    }
    CHECK(first[0].unread_tokens == first[1].unread_tokens);
    for (const Usage& usage : second) CHECK(usage.prefilled_tokens == first[0].unread_tokens + 1);
  }

  TEST_CASE(
      "a token that the grammar leaves almost no choice about is guessed without having been said before") {
    const GuessWorld world;
    const auto grammar = Grammar::from_schema(
        Json::parse(R"({"type":"array","minItems":6,"maxItems":6,"items":{"type":"object","properties":)"
                    R"({"kind":{"type":"boolean"}},"required":["kind"]}})"));
    const auto engine = world.open(8), plain = world.open(0);
    const auto output = await(engine->generate(world.writing(*grammar, {'\n'})));
    REQUIRE(output.has_value());
    CHECK(output->tokens == await(plain->generate(world.writing(*grammar, {'\n'})))->tokens);
    CHECK(output->usage.drafted_tokens > output->usage.rejected_tokens);
  }

  TEST_CASE("a copy of a constraint goes its own way and tells nobody") {
    const GuessWorld world;
    const auto grammar = Grammar::choices({"abc", "abd"});
    const auto constraint =
        make_grammar_constraint(world.tokenizer, world.masks, grammar, {world.tokenizer->end_of_turn()});
    TokenMask before(world.tokenizer->size()), after(world.tokenizer->size());
    constraint->mask(before);
    const auto copy = constraint->clone();
    copy->accept('a');
    copy->accept('b');
    copy->mask(after);
    CHECK(after.test('c'));
    CHECK(after.test('d'));
    CHECK_FALSE(after.test('a'));
    copy->accept('c');
    CHECK(copy->finished());
    CHECK_FALSE(constraint->finished());
    constraint->mask(after);
    CHECK(after.words() == before.words());
  }
}
