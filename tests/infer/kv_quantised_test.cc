// Keys and values in 8 bits: how far results move, and what must not change.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "infer/backend.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

EngineOptions with_kv(const std::string& kv, const std::string& kernels = "auto", int rows = 0) {
  EngineOptions options;
  options.kv = kv;
  options.kernels = kernels;
  options.step_rows = rows;
  return options;
}

std::vector<float> logits(const std::string& model, const EngineOptions& options,
                          const std::vector<TokenId>& tokens) {
  return *await(tiny_engine(model, options)->logits(tokens));
}

// Root of the mean square of the difference, by that of `exact`.
double relative_error(const std::vector<float>& exact, const std::vector<float>& other) {
  double difference = 0, whole = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    difference += (exact[i] - other[i]) * (exact[i] - other[i]);
    whole += exact[i] * exact[i];
  }
  return std::sqrt(difference / whole);
}

}  // namespace

TEST_SUITE("infer/kv_quantised") {
  TEST_CASE("logits with 8-bit keys and values are within 1.5 % of those with fp32, with every kernel") {
    // Each element is rounded by at most 1/254 = 0.4 % of its vector's largest.
    const auto tokens = some_tokens(150, 4);
    for (const std::string model : {"llama", "qwen2", "qwen3", "qwen3moe"}) {
      for (const std::string& kernels : available_kernels()) {
        const auto exact = logits(model, with_kv("f32", kernels), tokens);
        const double eight = relative_error(exact, logits(model, with_kv("q8", kernels), tokens));
        const double sixteen = relative_error(exact, logits(model, with_kv("f16", kernels), tokens));
        MESSAGE(model << " " << kernels << ": 8-bit " << eight << ", 16-bit " << sixteen);
        CHECK(eight > 0);
        CHECK(eight < 0.015);
        CHECK(sixteen < 0.001);
      }
    }
  }

  TEST_CASE("kernels agree on what is stored in 8 bits") {
    const auto tokens = some_tokens(100, 5);
    const auto reference = logits("llama", with_kv("q8", "reference"), tokens);
    for (const std::string& kernels : available_kernels())
      CHECK(relative_error(reference, logits("llama", with_kv("q8", kernels), tokens)) < 0.01);
  }

  TEST_CASE("chunking and the cache change no bit with 8-bit keys and values") {
    const auto tokens = some_tokens(90, 6);
    const auto whole = logits("qwen3", with_kv("q8"), tokens);
    for (const int rows : {1, 7, 64}) {
      const auto parts = logits("qwen3", with_kv("q8", "auto", rows), tokens);
      CHECK(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)) == 0);
    }
    const auto expected = await(tiny_engine("qwen3", with_kv("q8"))->generate(generation(tokens, 20)));
    const auto warm = tiny_engine("qwen3", with_kv("q8"));
    REQUIRE(await(warm->generate(generation(some_tokens(90, 6), 3))).has_value());
    const auto again = await(warm->generate(generation(tokens, 20)));
    CHECK(again->tokens == expected->tokens);
    CHECK(again->usage.reused_tokens > 80);
  }

  TEST_CASE("a page in 8 bits takes little more than half the bytes, and sessions say which kind they are") {
    CHECK(kv_head_bytes(KvType::kQ8, 128) * 100 <= kv_head_bytes(KvType::kF16, 128) * 52);
    const ScratchDir folder;
    const auto tokens = some_tokens(40, 7);
    const auto eight = tiny_engine("llama", with_kv("q8"));
    const auto expected = await(eight->generate(generation(tokens, 10)));
    REQUIRE(await(eight->save(tokens, folder / "kv")).has_value());
    const auto other = tiny_engine("llama", with_kv("q8"));
    REQUIRE(await(other->load(folder / "kv")).has_value());
    const auto resumed = await(other->generate(generation(tokens, 10)));
    CHECK(resumed->tokens == expected->tokens);
    CHECK(resumed->usage.prefilled_tokens <= 1);
    CHECK(await(tiny_engine("llama")->load(folder / "kv")).error().code() == Code::kUnsupported);
  }
}
