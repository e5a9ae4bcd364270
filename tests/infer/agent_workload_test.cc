#include "support/agent_workload.h"

#include <doctest/doctest.h>

#include "infer/support/random_model.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

struct Workshop {
  std::string bytes = RandomModel({.architecture = "llama",
                                   .layers = 1,
                                   .embedding = 16,
                                   .heads = 1,
                                   .kv_heads = 1,
                                   .head_dim = 16,
                                   .feed_forward = 16})
                          .bytes();
  std::unique_ptr<Engine> open() {
    auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "random");
    EngineOptions options;
    options.kv_bytes_max = 64u << 20;
    return std::move(*Engine::open(*file, options));
  }
};

}  // namespace

TEST_SUITE("infer/agent workload") {
  TEST_CASE("an agent's loop of 20 turns prefills 5,019 tokens and not one more") {
    Workshop shop;
    const auto engine = shop.open();
    std::vector<TokenId> history;
    const auto usage = await(run_agent(*engine, {}, 0, 0, 20, history));
    REQUIRE(usage.has_value());
    CHECK(usage->prefilled_tokens == 5019);
    CHECK(usage->generated_tokens == 800);
    CHECK(history.size() == 2000 + 20 * 190);
  }

  TEST_CASE("four agents with a common prefix, started at once, prefill it once: 8,036 tokens in 10 turns") {
    Workshop shop;
    const auto engine = shop.open();
    std::vector<std::vector<TokenId>> histories(4);
    std::vector<Task<Usage>> tasks;
    for (unsigned i = 0; i < 4; ++i) tasks.push_back(run_agent(*engine, {}, i, 0, 10, histories[i]));
    const auto usage = all_together(std::move(tasks));
    REQUIRE(usage.has_value());
    CHECK(usage->prefilled_tokens == 8036);
  }

  TEST_CASE("eight children of one parent of 2,000 tokens prefill 2,400 tokens") {
    Workshop shop;
    const auto engine = shop.open();
    std::vector<Task<Usage>> tasks;
    for (unsigned i = 0; i < 8; ++i) tasks.push_back(run_child(*engine, {}, i, 50));
    const auto usage = all_together(std::move(tasks));
    REQUIRE(usage.has_value());
    CHECK(usage->prefilled_tokens == 2400);
  }

  TEST_CASE("a resumed process prefills only what is new") {
    Workshop shop;
    const ScratchDir folder;
    std::vector<TokenId> history;
    {
      const auto engine = shop.open();
      REQUIRE(await(run_agent(*engine, {}, 0, 0, 3, history)).has_value());
      REQUIRE(await(engine->save(history, folder / "run.kv")) == history.size() - 1);
    }
    const auto engine = shop.open();
    REQUIRE(await(engine->load(folder / "run.kv")) == history.size() - 1);
    const auto usage = await(run_agent(*engine, {}, 0, 3, 2, history));
    REQUIRE(usage.has_value());
    CHECK(usage->prefilled_tokens == 2 * 151);
  }
}
