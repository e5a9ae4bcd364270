// Masks, forced text and completions: each equal to its plain definition.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/json_schema.h"
#include "infer/grammar/grammar.h"
#include "infer/support/fake_tokenizer.h"
#include "support/byte_tokenizer.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

const std::vector<std::string> kSchemas{
    R"({"type":"object","properties":{"age":{"type":"integer","minimum":0,"maximum":150},"name":{"type":"string","maxLength":6},"tags":{"type":"array","items":{"enum":["a","b","the"]},"maxItems":3}},"required":["name"]})",
    R"({"type":"object","properties":{"id":{"type":"string","pattern":"^[a-z]{1,4}(-[0-9]+)?$"},"x":{"type":"number","minimum":-2.5}},"required":["id","x"]})",
    R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"a":{"$ref":"#/$defs/n"},"b":{"type":["null","boolean"]}}}}})",
    R"({"anyOf":[{"type":"string","minLength":2},{"type":"array","items":{"type":"string","format":"date"},"minItems":1},{"const":"the"}]})",
    R"({})",
};

std::shared_ptr<const Grammar> compile(const std::string& schema) {
  auto grammar = Grammar::from_schema(*parse_json(schema));
  REQUIRE_MESSAGE(grammar.has_value(), (grammar ? "" : grammar.error().text()));
  return *grammar;
}

}  // namespace

TEST_SUITE("infer/grammar/mask") {
  TEST_CASE("a mask holds exactly the tokens that accept() would take, at every step of random texts") {
    const auto tokenizer = FakeTokenizer::json(2'000);
    const auto vocabulary = MaskVocabulary::make(tokenizer);
    std::mt19937 random(11);
    for (const auto& schema : kSchemas) {
      CAPTURE(schema);
      const auto grammar = compile(schema);
      for (int walk = 0; walk < 4; ++walk) {
        auto matcher = Matcher::make(grammar, vocabulary);
        TokenMask mask(tokenizer.size());
        std::string text;
        for (int step = 0; step < 20; ++step) {
          CAPTURE(text);
          matcher->mask(mask);
          std::vector<TokenId> allowed;
          std::size_t wrong = 0;
          for (std::size_t i = 0; i < tokenizer.size(); ++i) {
            const auto token = static_cast<TokenId>(i);
            const auto bytes = tokenizer.bytes(token, false);
            const bool fits = !bytes.empty() && matcher->clone()->accept(bytes);
            if (fits != mask.test(token)) ++wrong;
            if (fits) allowed.push_back(token);
          }
          REQUIRE(wrong == 0);
          if (allowed.empty()) {
            CHECK(matcher->must_end());
            break;
          }
          CHECK_FALSE(matcher->must_end());
          const auto token = allowed[random() % allowed.size()];
          REQUIRE(matcher->accept(tokenizer.bytes(token, false)));
          text += tokenizer.bytes(token, false);
        }
      }
    }
  }

  TEST_CASE(
      "whatever is written under a schema satisfies it, closed at any point by the shortest completion") {
    const auto tokenizer = FakeTokenizer::json(2'000);
    const auto vocabulary = MaskVocabulary::make(tokenizer);
    std::mt19937 random(5);
    for (const auto& schema : kSchemas) {
      const auto grammar = compile(schema);
      const auto checker = JsonSchema::compile(*parse_json(schema));
      REQUIRE(checker.has_value());
      for (int walk = 0; walk < 40; ++walk) {
        auto matcher = Matcher::make(grammar, vocabulary);
        TokenMask mask(tokenizer.size());
        std::string text;
        for (auto steps = random() % 30; steps > 0; --steps) {
          matcher->mask(mask);
          std::vector<TokenId> allowed;
          for (std::size_t i = 0; i < tokenizer.size(); ++i)
            if (mask.test(static_cast<TokenId>(i))) allowed.push_back(static_cast<TokenId>(i));
          if (allowed.empty()) break;
          const auto bytes = tokenizer.bytes(allowed[random() % allowed.size()], false);
          REQUIRE(matcher->accept(bytes));
          text += bytes;
        }
        const auto rest = matcher->shortest_completion();
        REQUIRE_MESSAGE(matcher->accept(rest), (text + " | " + rest));
        REQUIRE(matcher->may_end());
        const auto value = parse_json(text + rest);
        REQUIRE_MESSAGE(value.has_value(), (text + rest));
        const auto errors = checker->check(*value);
        CHECK_MESSAGE(errors.empty(),
                      (schema + " <- " + text + rest + ": " + (errors.empty() ? "" : errors[0])));
      }
    }
  }

  TEST_CASE("forced text is what must come, and stops where there is a choice") {
    const auto grammar = compile(
        R"({"type":"object","properties":{"city":{"enum":["Kyoto","Kobe"]},"unit":{"const":"km"}},"required":["city","unit"]})");
    auto matcher = Matcher::make(grammar, nullptr);
    CHECK(matcher->forced() == R"({"city":"K)");
    CHECK(matcher->forced(3) == R"({"c)");
    REQUIRE(matcher->accept(R"({"city":"Ko)"));
    CHECK(matcher->forced() == R"(be","unit":"km"})");
    REQUIRE(matcher->accept(matcher->forced()));
    CHECK(matcher->must_end());
    CHECK(matcher->forced().empty());
  }

  TEST_CASE("a text may outgrow the memory that its grammar keeps, and a matcher left behind still works") {
    const auto grammar = compile(R"({"type":"array","items":{"type":"string"}})");
    auto matcher = Matcher::make(grammar, nullptr);
    REQUIRE(matcher->accept("[\"ab"));
    const auto behind = matcher->clone();
    const std::string item = std::string(2'000, 'x') + "\",\"";
    for (int i = 0; i < 120; ++i) REQUIRE(matcher->accept(item));
    CHECK(matcher->shortest_completion() == "\"]");
    CHECK(behind->accept("c\",\"d"));
    CHECK(behind->shortest_completion() == "\"]");
    CHECK_FALSE(behind->accept("\"x"));
  }

  TEST_CASE("what a mask allows is taken, also where more ways are open at once than are followed together") {
    const auto many = [](char after) {
      std::vector<std::shared_ptr<const Grammar>> ways;
      for (int i = 100; i < 900; ++i) ways.push_back(*Grammar::from_regex(std::to_string(i) + after + "?"));
      return Grammar::any_of(std::move(ways));
    };
    const auto grammar =
        Grammar::any_of({Grammar::sequence({{"", *Grammar::from_regex("x|y")}, {"", many('a')}}),
                         Grammar::sequence({{"", *Grammar::from_regex("x|z")}, {"", many('b')}})});
    const auto tokenizer = std::make_shared<ByteTokenizer>(std::vector<std::string>{"x899b", "x899a", "x900"},
                                                           std::vector<std::string>{"<end>"});
    TokenMask mask(tokenizer->size());
    for (const char* text : {"x899b", "x899a"}) {
      const auto matcher = Matcher::make(grammar, MaskVocabulary::make(*tokenizer));
      matcher->mask(mask);
      REQUIRE(mask.test(tokenizer->encode(text).front()));
      CHECK_FALSE(mask.test(tokenizer->encode("x900").front()));
      CHECK(matcher->accept(text));
      CHECK(matcher->may_end());
      CHECK_FALSE(matcher->accept("?"));
    }
  }

  TEST_CASE("a refused text changes nothing") {
    auto matcher = Matcher::make(compile(R"({"const":"abc"})"), nullptr);
    REQUIRE(matcher->accept("\"a"));
    CHECK_FALSE(matcher->accept("bx"));
    CHECK(matcher->forced() == "bc\"");
    auto copy = matcher->clone();
    REQUIRE(copy->accept("bc\""));
    CHECK(copy->may_end());
    CHECK_FALSE(matcher->may_end());
  }

  TEST_CASE("grammars are put together: a call for each of several tools, up to three times") {
    auto call = Grammar::any_of(
        {Grammar::sequence(
             {{"{\"name\":\"geo\",\"arguments\":"},
              {"", compile(R"({"type":"object","properties":{"q":{"type":"string"}},"required":["q"]})")},
              {"}"}}),
         Grammar::sequence({{"{\"name\":\"go\",\"arguments\":"},
                            {"", compile(R"({"type":"object","additionalProperties":false})")},
                            {"}"}})});
    auto calls = Grammar::repeat(Grammar::sequence({{"<call>"}, {"", call}, {"</call>"}}), "\n", 1, 3);
    const std::string go = R"(<call>{"name":"go","arguments":{}}</call>)",
                      geo = R"(<call>{"name":"geo","arguments":{"q":"a"}}</call>)";
    auto takes = [&](const std::string& text) {
      auto matcher = Matcher::make(calls, nullptr);
      return matcher->accept(text) && matcher->may_end();
    };
    CHECK(takes(go));
    CHECK(takes(geo + "\n" + go + "\n" + geo));
    CHECK_FALSE(takes(""));
    CHECK_FALSE(takes(go + go));
    CHECK_FALSE(takes(go + "\n" + go + "\n" + go + "\n" + go));
    auto matcher = Matcher::make(calls, nullptr);
    CHECK(matcher->forced() == R"(<call>{"name":"g)");
    CHECK(matcher->shortest_completion() == go);
  }
}
