// The keywords of JSON Schema that are said by other keywords, or by automata of names and strings.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "infer/grammar/grammar.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

void check(const std::string& schema, std::initializer_list<const char*> valid,
           std::initializer_list<const char*> invalid) {
  CAPTURE(schema);
  const auto parsed = parse_json(schema);
  REQUIRE(parsed.has_value());
  const auto grammar = Grammar::from_schema(*parsed);
  REQUIRE_MESSAGE(grammar.has_value(), grammar.error().text());
  const auto takes = [&](const char* text) {
    const auto matcher = Matcher::make(*grammar, nullptr);
    return matcher->accept(text) && matcher->may_end();
  };
  for (const char* text : valid) CHECK_MESSAGE(takes(text), text);
  for (const char* text : invalid) CHECK_MESSAGE(!takes(text), text);
}

std::string grammar_keywords_refusal(const std::string& schema) {
  const auto lines = Grammar::unsupported(*parse_json(schema));
  return lines.empty() ? "" : lines.front();
}

}  // namespace

TEST_SUITE("infer/grammar/keywords") {
  TEST_CASE("members go by the patterns that their names match, declared ones too") {
    check(
        R"({"type":"object","properties":{"id_a":{"maximum":9}},"patternProperties":{"^id_":{"type":"integer"},"x$":{"type":"null"}},
            "additionalProperties":false})",
        {"{}", R"({"id_a":9})", R"({"id_b":10})", R"({"x":null})", R"({"id_a":1,"id_b":2,"yx":null})"},
        {R"({"id_a":10})", R"({"id_b":null})", R"({"id_x":1})", R"({"y":1})"});
    check(
        R"({"type":"object","patternProperties":{"^a":{"type":"null"},"^b":false},"additionalProperties":{"type":"integer"}})",
        {R"({"a":null,"c":3})", "{}"}, {R"({"b":1})", R"({"a":3})", R"({"c":null})"});
  }

  TEST_CASE("names of members have a schema of their own") {
    check(
        R"({"type":"object","propertyNames":{"pattern":"^[a-z]+$","maxLength":3},"additionalProperties":{"type":"null"}})",
        {"{}", R"({"abc":null})"}, {R"({"abcd":null})", R"({"A":null})", R"({"":null})"});
    check(
        R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"propertyNames":{"enum":["a"]}})",
        {"{}", R"({"a":null})"}, {R"({"b":null})"});
    check(R"({"type":"object","propertyNames":false})", {"{}"}, {R"({"a":1})"});
    check(
        R"({"type":"object","propertyNames":{"not":{"anyOf":[{"const":"a"},{"minLength":2}]}},"additionalProperties":{"type":"null"}})",
        {R"({"b":null})"}, {R"({"a":null})", R"({"bc":null})"});
  }

  TEST_CASE("members are counted") {
    const std::string names = R"("properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}})";
    check(R"({"type":"object","minProperties":2,)" + names + "}",
          {R"({"a":null,"b":null})", R"({"b":null,"c":null})", R"({"a":null,"b":null,"c":null})"},
          {"{}", R"({"c":null})"});
    check(R"({"type":"object","maxProperties":1,)" + names + "}", {"{}", R"({"b":null})"},
          {R"({"a":null,"b":null})"});
    check(R"({"type":"object","minProperties":1,"maxProperties":2,"additionalProperties":{"type":"null"}})",
          {R"({"x":null})", R"({"x":null,"y":null})"}, {"{}", R"({"x":null,"y":null,"z":null})"});
    check(R"({"type":"object","maxProperties":0})", {"{}"}, {R"({"a":1})"});
    CHECK(grammar_keywords_refusal(R"({"type":"object","minProperties":2})").find("minProperties") !=
          std::string::npos);
  }

  TEST_CASE("what must not be is said by what may be") {
    check(R"({"not":{"type":["string","integer"]}})", {"null", "1.5", "[]", "true"}, {"\"a\"", "1", "2.0"});
    check(R"({"type":"string","not":{"enum":["a","b"]}})", {"\"\"", "\"c\"", "\"ab\""},
          {"\"a\"", "\"b\"", "1"});
    check(R"({"type":"string","not":{"pattern":"^x"},"maxLength":3})", {"\"y\"", "\"ax\""},
          {"\"x\"", "\"xa\"", "\"abcd\""});
    check(R"({"type":"integer","not":{"minimum":3,"maximum":5}})", {"2", "6"}, {"3", "4", "5"});
    check(R"({"type":"integer","not":{"const":0}})", {"1", "-1"}, {"0"});
    check(
        R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"not":{"required":["a","b"]}})",
        {"{}", R"({"a":null})", R"({"b":null})"}, {R"({"a":null,"b":null})"});
    check(R"({"type":"array","items":{"type":"integer"},"not":{"contains":{"const":7}}})", {"[]", "[1,8]"},
          {"[7]", "[1,7]"});
    CHECK(Grammar::from_schema({{"not", true}}).error().code() == Code::kInvalidArgument);
    CHECK(grammar_keywords_refusal(R"({"not":{"multipleOf":3}})") ==
          "/: keyword \"not\" of a schema with \"multipleOf\"");
    CHECK(grammar_keywords_refusal(R"({"not":{"$ref":"#"}})").find("deeper") != std::string::npos);
  }

  TEST_CASE("a condition chooses between two schemas") {
    const std::string schema =
        R"({"type":"object","properties":{"kind":{"enum":["a","b"]},"n":{"type":"integer"},"s":{"type":"null"}},"required":["kind"],
            "if":{"properties":{"kind":{"const":"a"}}},"then":{"required":["n"]},"else":{"required":["s"]}})";
    check(schema, {R"({"kind":"a","n":1})", R"({"kind":"b","s":null})", R"({"kind":"a","n":1,"s":null})"},
          {R"({"kind":"a"})", R"({"kind":"b","n":1})", R"({"kind":"a","s":null})"});
    check(R"({"if":{"type":"integer"},"then":{"minimum":5}})", {"5", "\"a\"", "0.5"}, {"4"});
    check(R"({"type":"null","then":{"type":"string"}})", {"null"}, {"\"a\""});
  }

  TEST_CASE("members that need others") {
    const std::string names = R"("properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}})";
    check(R"({"type":"object","dependentRequired":{"a":["b"]},)" + names + "}",
          {"{}", R"({"b":null})", R"({"a":null,"b":null})"}, {R"({"a":null})", R"({"a":null,"c":null})"});
    check(R"({"type":"object","dependencies":{"a":["b"],"b":{"required":["c"]}},)" + names + "}",
          {"{}", R"({"c":null})", R"({"b":null,"c":null})", R"({"a":null,"b":null,"c":null})"},
          {R"({"b":null})", R"({"a":null,"b":null})"});
    check(R"({"type":"object","dependentSchemas":{"a":{"properties":{"b":false}}},)" + names + "}",
          {R"({"b":null})", R"({"a":null,"c":null})"}, {R"({"a":null,"b":null})"});
  }

  TEST_CASE("lists hold so many items of a kind") {
    check(R"({"type":"array","items":{"type":"integer"},"contains":{"minimum":5}})",
          {"[5]", "[1,6,2]", "[7,8]"}, {"[]", "[1,2]"});
    check(
        R"({"type":"array","items":{"type":"integer"},"contains":{"minimum":5},"minContains":2,"maxContains":2})",
        {"[5,6]", "[5,1,6]"}, {"[5]", "[5,6,7]", "[1,2]"});
    check(
        R"({"type":"array","items":{"type":"integer"},"contains":{"const":1},"minContains":0,"maxItems":1})",
        {"[]", "[1]", "[2]"}, {"[1,2]"});
    check(
        R"({"type":"array","prefixItems":[{"const":1}],"items":{"type":"null"},"contains":{"type":"null"}})",
        {"[1,null]"}, {"[]", "[1]"});
    CHECK(grammar_keywords_refusal(R"({"type":"array","contains":{"multipleOf":2},"maxContains":1})")
              .find("maxContains") != std::string::npos);
  }

  TEST_CASE("items of a short list come once each") {
    check(R"({"type":"array","items":{"enum":["a","b","c"]},"uniqueItems":true,"minItems":1,"maxItems":2})",
          {R"(["a"])", R"(["c","a"])", R"(["b","c"])"}, {"[]", R"(["a","a"])", R"(["a","b","c"])"});
    check(R"({"type":"array","items":{"type":"boolean"},"uniqueItems":true})", {"[]", "[true,false]"},
          {"[true,true]"});
    CHECK(grammar_keywords_refusal(R"({"type":"array","items":{"type":"string"},"uniqueItems":true})")
              .find("uniqueItems") != std::string::npos);
  }

  TEST_CASE("what nothing else describes") {
    check(
        R"({"type":"object","properties":{"a":{"type":"null"}},"allOf":[{"properties":{"b":{"type":"null"}}}],"unevaluatedProperties":{"type":"integer"}})",
        {R"({"a":null,"b":null,"c":1})"}, {R"({"c":null})"});
    check(R"({"type":"array","prefixItems":[{"type":"null"}],"unevaluatedItems":false})", {"[]", "[null]"},
          {"[null,null]"});
    CHECK(
        grammar_keywords_refusal(
            R"({"anyOf":[{"properties":{"a":true}},{"properties":{"b":true}}],"unevaluatedProperties":false})")
            .find("unevaluatedProperties") != std::string::npos);
  }

  TEST_CASE("strings under several patterns and formats at once") {
    check(R"({"type":"string","allOf":[{"pattern":"^a"},{"pattern":"z$"},{"maxLength":3}]})",
          {"\"az\"", "\"abz\""}, {"\"a\"", "\"abcz\""});
    check(R"({"type":"string","format":"date","pattern":"^2024-02"})", {"\"2024-02-29\""},
          {"\"2023-02-01\"", "\"2024-02-30\""});
  }

  TEST_CASE("oneOf of branches that overlap without one holding the other") {
    check(R"({"oneOf":[{"type":"integer"},{"minimum":2,"type":"number"}]})", {"1", "2.5"}, {"3", "1.5"});
    check(
        R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"oneOf":[{"required":["a"]},{"required":["b"]}]})",
        {R"({"a":null})", R"({"b":null})"}, {"{}", R"({"a":null,"b":null})"});
  }

  TEST_CASE("references by anchor, by $id, and dynamic ones with a single target") {
    check(R"({"$defs":{"s":{"$anchor":"here","type":"string"}},"$ref":"#here"})", {"\"a\""}, {"1"});
    check(
        R"({"$id":"http://a.example/x/root.json","$defs":{"s":{"$id":"s.json","type":"string"},"t":{"$id":"/t","$ref":"x/s.json"}},
            "type":"array","items":{"$ref":"http://a.example/t"}})",
        {"[\"a\"]"}, {"[1]"});
    check(
        R"({"$defs":{"s":{"$dynamicAnchor":"node","type":"null"}},"type":"array","items":{"$dynamicRef":"#node"}})",
        {"[null]"}, {"[1]"});
    CHECK(grammar_keywords_refusal(R"({"$ref":"http://elsewhere.example/schema"})")
              .find("http://elsewhere.example/schema") != std::string::npos);
  }

  TEST_CASE("an enum of thousands of values loses none of them") {
    Json schema = {{"enum", Json::array()}};
    for (int i = 0; i < 3'000; ++i) schema["enum"].push_back("value " + std::to_string(i * 7));
    const auto grammar = *Grammar::from_schema(schema);
    for (int i = 0; i < 3'000; i += 137) {
      const auto matcher = Matcher::make(grammar, nullptr);
      CHECK((matcher->accept("\"value " + std::to_string(i * 7) + "\"") && matcher->may_end()));
    }
  }

  TEST_CASE("keywords of our own are refused from outside") {
    CHECK_FALSE(grammar_keywords_refusal(R"({"type":"string","\u0001not":[{"const":"a"}]})").empty());
  }
}
