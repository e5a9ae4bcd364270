// SmolLM2-135M-Instruct (Q4_1) against transformers in fp32 on the dequantised weights (make_references.py
// smollm2).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "infer/support/tiny_models.h"
#include "support/smollm2.h"

using namespace tsukai;
using namespace tsukai::infer;

TEST_SUITE("infer/smollm2") {
  TEST_CASE("the most likely token is the reference's wherever the reference is sure") {
    const std::string path = smollm2_path();
    if (path.empty()) {
      MESSAGE("SKIPPED: SmolLM2-135M-Instruct.Q4_1.gguf is not here; set TSUKAI_SMOLLM2 to its path");
      return;
    }
    auto file = GgufFile::open(path);
    REQUIRE_MESSAGE(file.has_value(), path);
    EngineOptions options;
    options.kv_bytes_max = 64u << 20;
    const auto engine = Engine::open(*file, options);
    REQUIRE(engine.has_value());
    const std::size_t vocabulary = (*engine)->vocabulary();
    const auto reference = parse_json(read_file(test_data("smollm2_top1.json")));
    REQUIRE(reference.has_value());
    REQUIRE(reference->size() == 20);
    int positions = 0, sure = 0, equal = 0;
    for (const Json& prompt : *reference) {
      const auto tokens = prompt["tokens"].get<std::vector<TokenId>>();
      const auto logits = await((*engine)->logits(tokens));
      REQUIRE(logits.has_value());
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        const auto row = logits->begin() + static_cast<std::ptrdiff_t>(i * vocabulary);
        const auto top = std::max_element(row, row + static_cast<std::ptrdiff_t>(vocabulary)) - row;
        const bool same = top == prompt["top1"][i].get<TokenId>();
        ++positions;
        equal += same ? 1 : 0;
        if (prompt["gap_thousandths"][i].get<int>() <= 50) continue;
        ++sure;
        CAPTURE(i);
        CHECK(same);
      }
    }
    MESSAGE(positions << " positions, " << sure << " with a gap above 0.05; " << equal
                      << " of all have the same top-1");
    CHECK(sure > 2000);
  }
}
