// Mixtures of experts: the choice of experts, and models made of them.
#include "infer/cpu/expert_choice.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;
using cpu::choose_experts;
using cpu::ExpertShare;

namespace {

std::vector<float> logits_of(const std::string& path, const std::vector<TokenId>& tokens, int rows = 0) {
  auto file = ModelFile::open(path);
  REQUIRE_MESSAGE(file.has_value(), file.error().text());
  EngineOptions options;
  options.kv = "f32";
  options.kv_bytes_max = 8u << 20;
  options.step_rows = rows;
  auto engine = Engine::open(*file, options);
  REQUIRE_MESSAGE(engine.has_value(), engine.error().text());
  return *await((*engine)->logits(tokens));
}

}  // namespace

TEST_SUITE("infer/experts") {
  TEST_CASE("the experts of the largest scores are used, with their share of the softmax over all") {
    const float scores[] = {0.0f, std::log(4.0f), std::log(2.0f), 0.0f};
    std::vector<ExpertShare> two(2);
    choose_experts(scores, 4, false, two);
    CHECK(two[0].expert == 1);
    CHECK(two[1].expert == 2);
    CHECK(two[0].share == doctest::Approx(0.5));
    CHECK(two[1].share == doctest::Approx(0.25));
    choose_experts(scores, 4, true, two);
    CHECK(two[0].share == doctest::Approx(2.0 / 3));
    CHECK(two[1].share == doctest::Approx(1.0 / 3));
  }

  TEST_CASE("of equal scores the lower index is taken, and what is no number comes last") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float scores[] = {1, nan, 1, 1, 0.5f};
    std::vector<ExpertShare> chosen(2);
    choose_experts(scores, 5, true, chosen);
    CHECK(chosen[0].expert == 0);
    CHECK(chosen[1].expert == 2);
    std::vector<ExpertShare> all(5);
    choose_experts(scores, 5, true, all);
    CHECK(all[1].share == 0);
    const float none[] = {nan, nan};
    choose_experts(none, 2, true, {all.data(), 2});
    CHECK(all[0].share == 0);
  }

  TEST_CASE("a folder with a tensor for each expert gives the logits of the GGUF that stacks them") {
    const ReferenceLogits reference = reference_logits("qwen3moe");
    const auto stacked = logits_of(test_data("tiny_qwen3moe.gguf"), reference.tokens);
    const auto single = logits_of(test_data("hf/qwen3moe"), reference.tokens);
    CHECK(std::memcmp(stacked.data(), single.data(), stacked.size() * sizeof(float)) == 0);
    float worst = 0;
    for (std::size_t i = 0; i < single.size(); ++i)
      worst = std::max(worst, std::abs(single[i] - reference.logits[i]));
    CHECK(worst <= 1e-3f);
  }

  TEST_CASE("logits of a mixture are the same bits for any chunking") {
    const auto tokens = some_tokens(60, 2);
    const auto whole = logits_of(test_data("tiny_qwen3moe.gguf"), tokens);
    for (const int rows : {1, 3, 17}) {
      const auto parts = logits_of(test_data("tiny_qwen3moe.gguf"), tokens, rows);
      CHECK(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)) == 0);
    }
  }

  TEST_CASE("a mixture whose numbers contradict its tensors is refused") {
    const auto refusal = [](const std::string& from, const std::string& to) {
      std::string bytes = read_file(test_data("tiny_qwen3moe.gguf"));
      bytes.replace(bytes.find(from), to.size(), to);
      auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "moe");
      REQUIRE(file.has_value());
      auto engine = Engine::open(*file, {});
      REQUIRE(!engine.has_value());
      return engine.error().text();
    };
    CHECK(refusal("qwen3moe.expert_count", "qwen3moe.expert_cownt").find("expert_count") !=
          std::string::npos);
    CHECK(refusal("blk.0.ffn_up_exps.weight", "blk.0.ffn_op_exps.weight").find("blk.0.ffn_up.0.weight") !=
          std::string::npos);
    // u32: type 4, then the value.
    const std::string key = "qwen3moe.expert_used_count";
    CHECK(refusal(key, key + std::string("\x04\0\0\0\x07", 5)).find("expert_used_count is 7") !=
          std::string::npos);
  }
}
