// The real vocabularies against Hugging Face's tokenizers, by stored references (make_tokenizer_references.py
// made them).
#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/hash.h"
#include "base/json.h"
#include "infer/support/gguf_vocabulary.h"
#include "infer/support/tokenizer_corpus.h"
#include "infer/tokenizer/tokenizer_json.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

std::string tokenizer_reference_slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Json references() {
  auto json =
      parse_json(tokenizer_reference_slurp(TSUKAI_SOURCE_DIR "/tests/infer/data/tokenizer_references.json"));
  REQUIRE(json.has_value());
  return *json;
}

// The first 16 hexadecimal digits of SHA-256 over the ids as the script packs them.
std::string digest(const std::vector<TokenId>& tokens) {
  std::string bytes(tokens.size() * 4, '\0');
  std::memcpy(bytes.data(), tokens.data(), bytes.size());
  return sha256_hex(bytes).substr(0, 16);
}

void tokenizer_reference_compare(const Tokenizer& tokenizer, const Json& reference) {
  const std::string text =
      test::tokenizer_corpus(static_cast<std::size_t>(integer_at(reference, "megabytes")) << 20,
                             static_cast<unsigned>(integer_at(reference, "seed")));
  const Json& parts = reference["parts"];
  std::int64_t tokens = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::size_t end = text.size() * (i + 1) / parts.size();
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    const auto ids = tokenizer.encode_with_control(std::string_view(text).substr(begin, end - begin));
    tokens += static_cast<std::int64_t>(ids.size());
    CAPTURE(i);
    CHECK(digest(ids) == parts[i].get<std::string>());
    begin = end;
  }
  CHECK(tokens == integer_at(reference, "tokens"));
}

}  // namespace

TEST_SUITE("infer/tokenizer/reference") {
  TEST_CASE("SmolLM2's vocabulary gives the tokens of Hugging Face tokenizers on the whole corpus") {
    const auto file = test::read_gguf_text(test::smollm2_path());
    if (!file) {
      MESSAGE("skipped: no SmolLM2 GGUF (set TSUKAI_SMOLLM2)");
      return;
    }
    auto tokenizer = Tokenizer::make(file->vocabulary);
    REQUIRE(tokenizer.has_value());
    tokenizer_reference_compare(**tokenizer, references()["smollm2"]);
    CHECK((*tokenizer)->encode_with_control("<|im_start|>user\n").front() == 1);
    CHECK((*tokenizer)->ends_turn(2));
  }

  TEST_CASE(
      "Qwen's and Llama's tokenizer.json give the tokens of Hugging Face tokenizers on the whole corpus") {
    const char* folder = std::getenv("TSUKAI_TOKENIZERS");
    if (!folder) {
      MESSAGE("skipped: no vocabularies (set TSUKAI_TOKENIZERS to a folder of NAME/tokenizer.json)");
      return;
    }
    const Json all = references();
    for (const auto& [name, reference] : all.items()) {
      const std::string text =
          tokenizer_reference_slurp(std::string(folder) + "/" + name + "/tokenizer.json");
      if (text.empty()) continue;
      CAPTURE(name);
      auto data = read_tokenizer_json(
          text, tokenizer_reference_slurp(std::string(folder) + "/" + name + "/tokenizer_config.json"));
      REQUIRE_MESSAGE(data.has_value(), data.error().text());
      auto tokenizer = Tokenizer::make(*std::move(data));
      REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().text());
      tokenizer_reference_compare(**tokenizer, reference);
      MESSAGE(name, " compared");
    }
  }
}
