#include "infer/tokenizer/tokenizer_json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "infer/tokenizer/byte_alphabet.h"
#include "infer/tokenizer/token_stream.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

// 256 bytes, "he", "hel", a control token and a user-defined one.
Json tokenizer_json_small() {
  Json vocabulary = Json::object();
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    vocabulary[alphabet_from_bytes({&byte, 1})] = b;
  }
  vocabulary["he"] = 256;
  vocabulary["hel"] = 257;
  return Json{{"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"h e", "he l"}}}},
              {"added_tokens",
               {{{"id", 258}, {"content", "<|end|>"}, {"special", true}},
                {{"id", 259}, {"content", "<call>"}, {"special", false}}}},
              {"normalizer", nullptr},
              {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}}};
}

Error tokenizer_json_refusal(const Json& json) {
  auto data = read_tokenizer_json(print_json(json));
  REQUIRE_FALSE(data.has_value());
  return data.error();
}

std::unique_ptr<Tokenizer> tokenizer_json_made(const Json& json, const char* config = "") {
  auto data = read_tokenizer_json(print_json(json), config);
  REQUIRE_MESSAGE(data.has_value(), data.error().text());
  auto tokenizer = Tokenizer::make(*std::move(data));
  REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().text());
  return *std::move(tokenizer);
}

}  // namespace

TEST_SUITE("infer/tokenizer/json") {
  TEST_CASE("a byte-level vocabulary is read with its merges, its markers and its ends") {
    const auto tokenizer = tokenizer_json_made(tokenizer_json_small(),
                                               R"({"eos_token": {"content": "<|end|>"}, "bos_token": null})");
    CHECK(tokenizer->encode_with_control("hell<|end|>") == std::vector<TokenId>{257, 'l', 258});
    CHECK(tokenizer->kind(258) == TokenKind::kControl);
    CHECK(tokenizer->kind(259) == TokenKind::kUserDefined);
    CHECK(tokenizer->end_of_turn() == 258);
    CHECK(tokenizer->bos() == -1);
    auto pairs = tokenizer_json_small();
    pairs["model"]["merges"] = Json::array({Json::array({"h", "e"}), Json::array({"he", "l"})});
    CHECK(tokenizer_json_made(pairs)->encode("hel") == std::vector<TokenId>{257});
  }

  TEST_CASE("the pre-tokenizer and the normalizer are recognised, or refused by name") {
    auto json = tokenizer_json_small();
    json["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers",
                              {{{"type", "Digits"}, {"individual_digits", true}},
                               {{"type", "ByteLevel"}, {"add_prefix_space", false}}}}};
    CHECK(read_tokenizer_json(print_json(json))->pre == "smollm");
    json["pre_tokenizer"] = {{"type", "Whitespace"}};
    CHECK(tokenizer_json_refusal(json).code() == Code::kUnsupported);
    CHECK(tokenizer_json_refusal(json).message().find("\"Whitespace\"") != std::string::npos);
    json = tokenizer_json_small();
    json["normalizer"] = {{"type", "NFC"}};
    CHECK(tokenizer_json_made(json)->encode("e\u0301") == tokenizer_json_made(json)->encode("\u00e9"));
    json["normalizer"] = {{"type", "Lowercase"}};
    CHECK(tokenizer_json_refusal(json).message().find("\"Lowercase\"") != std::string::npos);
    json["model"]["type"] = "Unigram";
    CHECK(tokenizer_json_refusal(json).message().find("\"Unigram\"") != std::string::npos);
  }

  TEST_CASE("byte fallback means SentencePiece, scored by the order of merges") {
    Json json{{"model",
               {{"type", "BPE"},
                {"byte_fallback", true},
                {"unk_token", "<unk>"},
                {"vocab",
                 {{"<unk>", 0},
                  {"<s>", 1},
                  {"▁", 2},
                  {"a", 3},
                  {"b", 4},
                  {"▁a", 5},
                  {"ab", 6},
                  {"<0xC3>", 7},
                  {"<0xA9>", 8}}},
                {"merges", {"a b", "▁ a"}}}},
              {"added_tokens",
               {{{"id", 0}, {"content", "<unk>"}, {"special", true}},
                {{"id", 1}, {"content", "<s>"}, {"special", true}}}},
              {"normalizer",
               {{"type", "Sequence"},
                {"normalizers", {{{"type", "Prepend"}, {"prepend", "▁"}}, {{"type", "Replace"}}}}}},
              {"post_processor",
               {{"type", "TemplateProcessing"}, {"single", {{{"SpecialToken", {{"id", "<s>"}}}}}}}}};
    const auto tokenizer = tokenizer_json_made(json);
    CHECK(tokenizer->encode("ab a") == std::vector<TokenId>{2, 6, 5});
    CHECK(tokenizer->encode("é") == std::vector<TokenId>{2, 7, 8});
    CHECK(tokenizer->adds_bos());
    CHECK(tokenizer->bos() == 1);
  }

  TEST_CASE(
      "a file that contradicts itself is refused in words, and never makes us allocate what it does not "
      "hold") {
    CHECK(read_tokenizer_json("{").error().message().find("tokenizer.json") != std::string::npos);
    CHECK(tokenizer_json_refusal(Json::array()).code() == Code::kCorrupt);
    CHECK(tokenizer_json_refusal(Json::object()).message().find("\"model\"") != std::string::npos);
    for (const Json& bad : {Json(-1), Json(4'000'000), Json(1.5), Json("x"), Json(nullptr)}) {
      auto json = tokenizer_json_small();
      json["model"]["vocab"]["he"] = bad;
      CHECK(tokenizer_json_refusal(json).message().find("token \"he\" has id") != std::string::npos);
    }
    auto json = tokenizer_json_small();
    json["model"]["vocab"]["he"] = 65;
    CHECK(tokenizer_json_refusal(json).message().find("id 65 belongs to") != std::string::npos);
    json = tokenizer_json_small();
    json["model"]["merges"] = {1};
    CHECK(tokenizer_json_refusal(json).code() == Code::kCorrupt);
    json["model"].erase("merges");
    CHECK(tokenizer_json_refusal(json).message().find("merges") != std::string::npos);
    json = tokenizer_json_small();
    json["added_tokens"] = {{{"content", "x"}}};
    CHECK(tokenizer_json_refusal(json).message().find("added token") != std::string::npos);
  }
}

TEST_SUITE("infer/tokenizer/stream") {
  TEST_CASE("a character comes out when its last byte has come, never in parts") {
    const auto tokenizer = tokenizer_json_made(tokenizer_json_small());
    TokenStream stream(*tokenizer);
    std::string out;
    for (const TokenId token : tokenizer->encode("a東🦊é")) {
      const std::string piece = stream.push(token);
      CHECK((piece.empty() || piece == "a" || piece == "東" || piece == "🦊" || piece == "é"));
      out += piece;
    }
    CHECK(out + stream.finish() == "a東🦊é");
  }

  TEST_CASE("what is no character, or stops within one, comes out as U+FFFD") {
    const auto tokenizer = tokenizer_json_made(tokenizer_json_small());
    TokenStream stream(*tokenizer, true);
    CHECK(stream.push(0x80) + stream.push('a') + stream.push(258) ==
          "\xef\xbf\xbd"
          "a<|end|>");
    CHECK(stream.push(0xe6) + stream.push(0x9d) == "");
    CHECK(stream.finish() == "\xef\xbf\xbd\xef\xbf\xbd");
    CHECK(stream.finish() == "");
  }
}
