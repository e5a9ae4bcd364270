// Who is computed when: decoding never waits long for others' prompts, and whoever gives up is let go.
#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "infer/support/queued_backend.h"
#include "infer/support/random_model.h"
#include "infer/support/sampling.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

constexpr int kChunk = 64;  // rows of a prompt in one step while others decode

struct Shop {
  std::string bytes =
      RandomModel(
          {.layers = 1, .embedding = 16, .heads = 1, .kv_heads = 1, .head_dim = 16, .feed_forward = 16})
          .bytes();
  QueuedBackend* backend = nullptr;  // the engine's
  std::unique_ptr<Engine> engine;

  explicit Shop(EngineOptions options = {}) {
    options.draft_tokens_max = 0;
    if (options.kv_bytes_max == 0) options.kv_bytes_max = 16u << 20;
    auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "random");
    auto queued = std::make_unique<QueuedBackend>(cpu_backend("auto", 1));
    backend = queued.get();
    engine = std::move(*Engine::open(*file, options, std::move(queued)));
  }
};

using Outcome = std::optional<Result<EngineOutput>>;

void start(asio::io_context& context, Engine& engine, Generation generation, Outcome& outcome) {
  asio::co_spawn(
      context, engine.generate(std::move(generation)),
      [&outcome](std::exception_ptr, Result<EngineOutput> result) { outcome.emplace(std::move(result)); });
}

// Five tokens are forced after every second one that was chosen.
class Runs : public TokenConstraint {
 public:
  bool mask(TokenMask&) override { return false; }
  std::vector<TokenId> forced() override {
    return accepted_ % 7 == 2 ? std::vector<TokenId>{1, 2, 3, 4, 5} : std::vector<TokenId>{};
  }
  void accept(TokenId) override { ++accepted_; }
  bool finished() const override { return false; }
  std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<Runs>(*this); }

 private:
  int accepted_ = 0;
};

}  // namespace

TEST_SUITE("infer/engine fairness") {
  TEST_CASE("between two tokens of those that decode lies one chunk of a long prompt at most") {
    Shop shop;
    asio::io_context context;
    Outcome plain, forcing, late;
    Generation first = generation(some_tokens(20, 1), 150);
    Generation second = generation(some_tokens(20, 2), 150);
    second.constraint = std::make_unique<Runs>();
    // Once both decode, a prompt of 1,000 tokens comes.
    second.on_token = [&, seen = 0](TokenId, bool) mutable {
      if (++seen != 10) return;
      asio::post(context, [&] { start(context, *shop.engine, generation(some_tokens(1000, 3), 2), late); });
    };
    start(context, *shop.engine, std::move(first), plain);
    start(context, *shop.engine, std::move(second), forcing);
    context.run();
    REQUIRE(plain->has_value());
    REQUIRE(forcing->has_value());
    REQUIRE(late->has_value());
    CHECK((*forcing)->usage.forced_tokens > 90);
    CHECK((*late)->usage.prefilled_tokens == 1000);
    int chunks = 0, prefilled = 0;
    for (const std::vector<int>& rows : shop.backend->batches()) {
      if (rows.back() <= 20) continue;  // their own short prompts, or no prompt at all
      ++chunks;
      prefilled += rows.back();
      CHECK(rows.back() <= kChunk);
      REQUIRE(rows.size() == 3);  // both others are in every step, the forced run of five as well
      CHECK(rows[0] == 1);
      CHECK(rows[1] <= 6);
    }
    CHECK(chunks >= 15);
    CHECK(prefilled >= 980);
  }

  TEST_CASE("a prompt that is still being read is given up within one step") {
    EngineOptions options;
    options.step_rows = 16;
    Shop shop(options);
    asio::io_context context;
    asio::cancellation_signal stop;
    Outcome given_up;
    shop.backend->hold(true);
    const std::size_t fences = shop.backend->fences();
    asio::co_spawn(
        context, shop.engine->generate(generation(some_tokens(1000, 1), 5)),
        asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr, Result<EngineOutput> result) {
          given_up.emplace(std::move(result));
        }));
    while (shop.backend->fences() == fences) {
      context.poll();
      std::this_thread::yield();
    }
    stop.emit(asio::cancellation_type::terminal);
    context.poll();  // the signal reaches the engine while the backend is held
    shop.backend->hold(false);
    context.run();
    CHECK(given_up->error().code() == Code::kCancelled);
    CHECK(shop.backend->batches().size() == 1);
  }

  TEST_CASE("one that waits for memory is given up, and those that wait behind it go on") {
    EngineOptions options;
    options.kv_bytes_max = 4 * 16 * 2 * 16 * 2;  // four pages of one layer and one head of 16, fp16
    Shop shop(options);
    asio::io_context context;
    asio::cancellation_signal stop;
    Outcome running, behind;
    std::optional<Result<EngineOutput>> given_up;
    shop.backend->hold(true);
    const std::size_t fences = shop.backend->fences();
    start(context, *shop.engine, generation(some_tokens(30, 1), 20), running);
    while (shop.backend->fences() == fences) {
      context.poll();
      std::this_thread::yield();
    }
    asio::co_spawn(
        context, shop.engine->generate(generation(some_tokens(30, 2), 20)),
        asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr, Result<EngineOutput> result) {
          CHECK(!running);  // it does not wait for its turn
          given_up.emplace(std::move(result));
        }));
    start(context, *shop.engine, generation(some_tokens(30, 3), 20), behind);
    context.poll();
    stop.emit(asio::cancellation_type::terminal);
    context.poll();  // the signal reaches the engine while the backend is held
    shop.backend->hold(false);
    context.run();
    CHECK(given_up->error().code() == Code::kCancelled);
    CHECK((*running)->tokens.size() == 20);
    CHECK((*behind)->tokens.size() == 20);
  }
}
