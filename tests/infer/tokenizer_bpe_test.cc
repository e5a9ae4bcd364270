#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "infer/tokenizer/byte_alphabet.h"
#include "infer/tokenizer/pretokenizer.h"
#include "infer/tokenizer/tokenizer.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

// All 256 bytes, then what the merges make, then <|end|> (control), <call> (user-defined markup), two tabs
// (user-defined).
VocabularyData small_vocabulary() {
  VocabularyData data;
  data.model = "gpt2";
  data.pre = "gpt-2";
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    data.tokens.push_back(alphabet_from_bytes({&byte, 1}));
  }
  data.merges = {"h e",   "l l", "he ll",   "hell o", "Ġ w", "o r",
                 "Ġw or", "l d", "Ġwor ld", "x y",    "y z", "xy z"};
  for (const auto& merge : data.merges) {
    std::string whole = merge;
    whole.erase(whole.find(' '), 1);
    data.tokens.push_back(whole);
  }
  data.kinds.assign(data.tokens.size(), TokenKind::kNormal);
  data.tokens.insert(data.tokens.end(), {"<|end|>", "<call>", "\t\t"});
  data.kinds.insert(data.kinds.end(),
                    {TokenKind::kControl, TokenKind::kUserDefined, TokenKind::kUserDefined});
  data.eos = static_cast<TokenId>(data.tokens.size() - 3);
  return data;
}

std::unique_ptr<Tokenizer> made(VocabularyData data) {
  auto tokenizer = Tokenizer::make(std::move(data));
  REQUIRE(tokenizer.has_value());
  return *std::move(tokenizer);
}

std::vector<std::string> spelled(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens) {
  std::vector<std::string> out;
  for (const TokenId token : tokens) out.emplace_back(tokenizer.bytes(token, true));
  return out;
}

std::vector<std::string> tokenizer_bpe_pieces(Pretokenizer kind, std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = piece_end(kind, text, at);
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_SUITE("infer/tokenizer/bpe") {
  TEST_CASE("the best merge comes first, the leftmost among equals, until nothing merges") {
    const auto tokenizer = made(small_vocabulary());
    CHECK(spelled(*tokenizer, tokenizer->encode("hello world")) == Words{"hello", " world"});
    CHECK(spelled(*tokenizer, tokenizer->encode("hell or")) == Words{"hell", " ", "or"});
    CHECK(spelled(*tokenizer, tokenizer->encode("xyz")) == Words{"xyz"});
    CHECK(spelled(*tokenizer, tokenizer->encode("xyyz")) == Words{"xy", "yz"});
    CHECK(tokenizer->encode("").empty());
  }

  TEST_CASE("a long word merges as its short parts do") {
    const auto tokenizer = made(small_vocabulary());
    std::string text, expected;
    for (int i = 0; i < 40; ++i) text += "hellold";
    const auto words = spelled(*tokenizer, tokenizer->encode(text));
    REQUIRE(words.size() == 80);
    for (std::size_t i = 0; i < words.size(); ++i) CHECK(words[i] == (i % 2 == 0 ? "hello" : "ld"));
  }

  TEST_CASE("any bytes come back, malformed UTF-8 too") {
    const auto tokenizer = made(small_vocabulary());
    std::string all;
    for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
    for (const std::string& text :
         {all, std::string("\xff\xfehe\xc3(\xe6\x9d hello \xf0\x9f\xa6"), std::string("東京 \0 x", 10)}) {
      CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
    }
  }

  TEST_CASE("control tokens are made from the template's text only") {
    const auto tokenizer = made(small_vocabulary());
    const TokenId end = tokenizer->find_control("<|end|>"), call = tokenizer->find_control("<call>");
    REQUIRE(end >= 0);
    REQUIRE(call >= 0);
    CHECK(tokenizer->encode("<|end|>").size() > 1);
    CHECK(spelled(*tokenizer, tokenizer->encode("<call>")) == Words{"<", "c", "a", "ll", ">"});
    CHECK(tokenizer->encode_with_control("<|end|>") == std::vector<TokenId>{end});
    CHECK(spelled(*tokenizer, tokenizer->encode_with_control("hello<|end|><call>xy")) ==
          Words{"hello", "<|end|>", "<call>", "xy"});
    CHECK(tokenizer->encode("\t\t").size() == 1);  // No markup: recognised anywhere.

    // Data can't spell a control token, not even together with the template around it.
    const std::array<TextPart, 3> parts = {TextPart{"<|e", false}, TextPart{"nd|>hel", true},
                                           TextPart{"lo<|end|>", false}};
    const auto tokens = tokenizer->encode_parts(parts);
    CHECK(std::count(tokens.begin(), tokens.end(), end) == 1);
    CHECK(tokens.back() == end);
    CHECK(spelled(*tokenizer, tokens)[tokens.size() - 2] == "hello");  // Merges run across the edge.
    CHECK(tokenizer->decode(tokens, true) == "<|end|>hello<|end|>");
    CHECK(tokenizer->decode(tokens) == "<|end|>hello");  // A control token shows no text.
  }

  TEST_CASE("the end of a turn is known by the file's ends and by its usual names") {
    auto data = small_vocabulary();
    data.tokens.push_back("<|im_end|>");
    data.kinds.push_back(TokenKind::kControl);
    const auto tokenizer = made(data);
    CHECK(tokenizer->ends_turn(tokenizer->find_control("<|end|>")));
    CHECK(tokenizer->ends_turn(tokenizer->find_control("<|im_end|>")));
    CHECK_FALSE(tokenizer->ends_turn(tokenizer->find_control("<call>")));
    CHECK(tokenizer->end_of_turn() == tokenizer->find_control("<|end|>"));
    CHECK_FALSE(tokenizer->ends_turn(-1));
    CHECK(tokenizer->bytes(1 << 20).empty());
  }

  TEST_CASE("a vocabulary that contradicts itself is refused in words") {
    auto refusal = [](VocabularyData data) {
      auto tokenizer = Tokenizer::make(std::move(data));
      REQUIRE_FALSE(tokenizer.has_value());
      return tokenizer.error().message();
    };
    auto data = small_vocabulary();
    data.kinds.pop_back();
    CHECK(refusal(data).find("271 tokens but 270 token types") != std::string::npos);
    data = small_vocabulary();
    data.merges.push_back("q q");
    CHECK(refusal(data).find("merge 12 \"q q\"") != std::string::npos);
    data = small_vocabulary();
    data.merges[3] = "nospace";
    CHECK(refusal(data).find("merge 3") != std::string::npos);
    data = small_vocabulary();
    data.eos = 4000;
    CHECK(refusal(data).find("token 4000") != std::string::npos);
    data = small_vocabulary();
    data.pre = "mystery";
    CHECK(refusal(data).find("\"mystery\"") != std::string::npos);
    data.model = "wordpiece";
    CHECK(refusal(data).find("\"wordpiece\"") != std::string::npos);
    CHECK(refusal({}).find("no tokens") != std::string::npos);
  }
}

TEST_SUITE("infer/tokenizer/pretokenizer") {
  TEST_CASE("GPT-2's expression, byte for byte") {
    const auto kind = Pretokenizer::kGpt2;
    CHECK(tokenizer_bpe_pieces(kind, "I don't  know") == Words{"I", " don", "'t", " ", " know"});
    CHECK(tokenizer_bpe_pieces(kind, "a\n\n b  ") == Words{"a", "\n\n", " b", "  "});
    CHECK(tokenizer_bpe_pieces(kind, "x  12a!?") == Words{"x", " ", " 12", "a", "!?"});
    CHECK(tokenizer_bpe_pieces(kind, "DON'T '") == Words{"DON", "'", "T", " '"});
    CHECK(tokenizer_bpe_pieces(kind, "東京。x") == Words{"東京", "。", "x"});
    CHECK(tokenizer_bpe_pieces(kind, "a\u3000b") == Words{"a", "\u3000", "b"});  // Only U+0020 leads a word.
    CHECK(tokenizer_bpe_pieces(kind, "a\xff\xfe b") == Words{"a", "\xff\xfe", " b"});
  }

  TEST_CASE("SmolLM2 takes digits one by one, and what lies between as a text of its own") {
    const auto kind = Pretokenizer::kSmollm;
    CHECK(tokenizer_bpe_pieces(kind, "in 2026") == Words{"in", " ", "2", "0", "2", "6"});
    CHECK(tokenizer_bpe_pieces(kind, "a   5") == Words{"a", "   ", "5"});
    CHECK(tokenizer_bpe_pieces(kind, "½x²") == Words{"½", "x", "²"});
  }

  TEST_CASE("Llama 3's expression, byte for byte") {
    const auto kind = Pretokenizer::kLlama3;
    CHECK(tokenizer_bpe_pieces(kind, "I DON'T know") == Words{"I", " DON", "'T", " know"});
    CHECK(tokenizer_bpe_pieces(kind, "1234567") == Words{"123", "456", "7"});
    CHECK(tokenizer_bpe_pieces(kind, "a \n\n  b") == Words{"a", " \n\n", " ", " b"});
    CHECK(tokenizer_bpe_pieces(kind, "x!\n\ny") == Words{"x", "!\n\n", "y"});
    CHECK(tokenizer_bpe_pieces(kind, "(word) \t") == Words{"(word", ")", " \t"});
    CHECK(tokenizer_bpe_pieces(kind, "it'\u017f") == Words{"it", "'\u017f"});
    CHECK(tokenizer_bpe_pieces(kind, " 12") == Words{" ", "12"});
    CHECK(tokenizer_bpe_pieces(Pretokenizer::kQwen2, "1234") == Words{"1", "2", "3", "4"});
  }
}

TEST_SUITE("infer/tokenizer/sentencepiece") {
  VocabularyData sentence_vocabulary() {
    VocabularyData data;
    data.model = "llama";
    auto add = [&](std::string token, TokenKind kind, float score) {
      data.tokens.push_back(std::move(token));
      data.kinds.push_back(kind);
      data.scores.push_back(score);
    };
    add("<unk>", TokenKind::kUnknown, 0);
    add("<s>", TokenKind::kControl, 0);
    add("</s>", TokenKind::kControl, 0);
    for (int b = 0; b < 256; ++b) {
      char spelling[8];
      std::snprintf(spelling, sizeof spelling, "<0x%02X>", static_cast<unsigned>(b));
      add(spelling, TokenKind::kByte, 0);
    }
    float score = -1;
    for (const char* token : {"▁t", "he", "▁the", "in", "▁", "t", "h", "e", "i", "n", "a", "é"})
      add(token, TokenKind::kNormal, score--);
    data.bos = 1;
    data.eos = 2;
    data.unknown = 0;
    data.add_bos = true;
    data.add_space_prefix = true;
    return data;
  }

  TEST_CASE("characters merge by score; what is no token becomes bytes") {
    const auto tokenizer = made(sentence_vocabulary());
    CHECK(spelled(*tokenizer, tokenizer->encode("the inn")) == Words{" the", " ", "in", "n"});
    CHECK(spelled(*tokenizer, tokenizer->encode("éü")) == Words{" ", "é", "\xc3", "\xbc"});
    CHECK(tokenizer->decode(tokenizer->encode("the \xff東\n")) == " the \xff東\n");
    CHECK(tokenizer->adds_bos());
  }

  TEST_CASE("a space goes in front after each marker, and nowhere else") {
    const auto tokenizer = made(sentence_vocabulary());
    CHECK(spelled(*tokenizer, tokenizer->encode_with_control("the</s>the")) == Words{" the", "</s>", " the"});
    auto data = sentence_vocabulary();
    data.add_space_prefix = false;
    const auto plain = made(data);
    CHECK(spelled(*plain, plain->encode("the")) == Words{"t", "he"});
  }

  TEST_CASE("scores that are missing or not finite are refused") {
    auto data = sentence_vocabulary();
    data.scores.pop_back();
    CHECK_FALSE(Tokenizer::make(data).has_value());
    data = sentence_vocabulary();
    data.scores[5] = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(Tokenizer::make(data).has_value());
    data = sentence_vocabulary();
    data.tokens[7] = "<0xZZ>";
    CHECK_FALSE(Tokenizer::make(data).has_value());
  }
}
