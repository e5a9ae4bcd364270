// JSON Schemas as grammars: which texts each keyword lets through.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "infer/grammar/grammar.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

// Whether the whole of `text` is a text of the schema.
bool takes(const std::string& schema, const std::string& text) {
  auto parsed = parse_json(schema);
  REQUIRE(parsed.has_value());
  auto grammar = Grammar::from_schema(*parsed);
  if (!grammar) FAIL_CHECK(grammar.error().text());
  if (!grammar) return false;
  auto matcher = Matcher::make(*grammar, nullptr);
  return matcher->accept(text) && matcher->may_end();
}

void grammar_schema_check(const std::string& schema, const std::vector<std::string>& good,
                          const std::vector<std::string>& bad) {
  CAPTURE(schema);
  for (const auto& text : good) CHECK_MESSAGE(takes(schema, text), text);
  for (const auto& text : bad) CHECK_MESSAGE(!takes(schema, text), text);
}

std::string grammar_schema_refusal(const std::string& schema) {
  auto grammar = Grammar::from_schema(*parse_json(schema));
  return grammar ? "" : grammar.error().message();
}

}  // namespace

TEST_SUITE("infer/grammar/schema") {
  TEST_CASE("each type is written as JSON writes it") {
    grammar_schema_check(R"({"type":"null"})", {"null"}, {"", "nul", "0"});
    grammar_schema_check(R"({"type":"boolean"})", {"true", "false"}, {"True", "null"});
    grammar_schema_check(R"({"type":"integer"})", {"0", "7", "-12", "123456789012345"},
                         {"01", "-0", "1.0", "1e3", "1234567890123456", "+1"});
    grammar_schema_check(R"({"type":"number"})", {"0", "-0.5", "1e9", "3.25E-7", "12"},
                         {".5", "1.", "1e", "1e999", "NaN", "00"});
    grammar_schema_check(R"({"type":["string","null"]})", {"null", "\"\""}, {"1"});
    grammar_schema_check(R"({"type":"string","nullable":true})", {"null", "\"a\""}, {"1"});
    grammar_schema_check("true", {"{\"a\":[1,\"b\",{}]}", "null", "-1"}, {"", "{a:1}", "[1, 2]"});
  }

  TEST_CASE("strings hold valid UTF-8, JSON's escapes and nothing raw") {
    grammar_schema_check(R"({"type":"string"})",
                         {R"("a\"\\\/\b\f\n\r\t")", R"("\u00e9\ud83d\ude00")",
                          "\"\xE6\x97\xA5\xF0\x9F\x98\x80\"", R"("\uD7FF\uE000")"},
                         {"\"\n\"", "\"\xFF\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"", R"("\ud83d")",
                          R"("\ude00")", R"("\x41")", "\"a", R"("\ud83dx")"});
  }

  TEST_CASE("lengths count characters, not bytes or escapes") {
    grammar_schema_check(R"({"type":"string","minLength":2,"maxLength":3})",
                         {"\"ab\"", "\"abc\"", "\"\xE6\x97\xA5\xE6\x9C\xAC\"", R"("\ud83d\ude00\n")"},
                         {"\"a\"", "\"abcd\"", "\"\xE6\x97\xA5\"", R"("\n")"});
  }

  TEST_CASE("patterns search unless they are anchored") {
    grammar_schema_check(R"({"type":"string","pattern":"^[a-z]{2,3}$"})", {"\"ab\"", "\"abc\""},
                         {"\"a\"", "\"abcd\"", "\"AB\""});
    grammar_schema_check(R"({"type":"string","pattern":"b+"})",
                         {"\"b\"", "\"abbbc\"",
                          "\"\xE6\x97\xA5"
                          "b\""},
                         {"\"\"", "\"ac\""});
    grammar_schema_check(R"({"type":"string","pattern":"^a|z$"})", {"\"abc\"", "\"xyz\"", "\"a\""},
                         {"\"ba\"", "\"zb\""});
    grammar_schema_check(R"({"type":"string","pattern":"^\\d{3}-\\w+\\s[^x]$"})",
                         {"\"123-ab c\"", "\"123-a \xC3\xA9\""}, {"\"12-ab c\"", "\"123-ab x\""});
    grammar_schema_check(R"({"type":"string","pattern":"^\"\\\\$"})", {R"("\"\\")"}, {R"("\"")"});
    grammar_schema_check(R"({"type":"string","pattern":"^(ab)*$","minLength":3,"maxLength":5})", {"\"abab\""},
                         {"\"ab\"", "\"aba\"", "\"ababab\""});
    grammar_schema_check(R"({"type":"string","pattern":"^$"})", {"\"\""}, {"\"a\""});
  }

  TEST_CASE("formats are the real thing, not a likeness") {
    grammar_schema_check(R"({"type":"string","format":"date"})", {"\"2024-02-29\"", "\"1999-12-31\""},
                         {"\"2023-02-29\"", "\"2024-13-01\"", "\"1900-02-29\"", "\"2024-04-31\""});
    grammar_schema_check(R"({"type":"string","format":"date-time"})",
                         {"\"2024-02-29T23:59:59Z\"", "\"2024-01-01T00:00:00.5+09:00\""},
                         {"\"2024-01-01\"", "\"2024-01-01T24:00:00Z\""});
    grammar_schema_check(R"({"type":"string","format":"time"})", {"\"12:30:00Z\""}, {"\"12:30\""});
    grammar_schema_check(R"({"type":"string","format":"email"})", {"\"a.b@example.org\""},
                         {"\"a@\"", "\"@b.c\""});
    grammar_schema_check(R"({"type":"string","format":"uuid"})", {"\"123e4567-e89b-12d3-a456-426614174000\""},
                         {"\"123e4567\""});
    grammar_schema_check(R"({"type":"string","format":"uri"})",
                         {"\"https://example.org:80/a/b?q=1#f\"", "\"mailto:a@b.c\""},
                         {"\"example\"", "\"http://a b\""});
  }

  TEST_CASE("numbers keep their bounds to the last digit") {
    grammar_schema_check(R"({"type":"integer","minimum":-3,"maximum":12})", {"-3", "0", "9", "12"},
                         {"-4", "13", "120", "-0", "-10"});
    grammar_schema_check(R"({"type":"integer","exclusiveMinimum":99,"exclusiveMaximum":1001})",
                         {"100", "999", "1000"}, {"99", "1001", "10", "5000"});
    grammar_schema_check(R"({"type":"integer","multipleOf":7,"minimum":1})", {"7", "14", "700"},
                         {"0", "1", "13"});
    grammar_schema_check(R"({"type":"number","minimum":0.5,"maximum":2})",
                         {"0.5", "0.50", "1", "1.99999", "2", "2.0"}, {"0.49", "0", "2.01", "3", "-1"});
    grammar_schema_check(R"({"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1})",
                         {"0.1", "0.999", "0.001"}, {"0", "0.0", "1", "1.0", "-0.1"});
    grammar_schema_check(R"({"type":"number","maximum":-1.5})", {"-1.5", "-2", "-100.25"},
                         {"-1.4", "0", "1"});
    grammar_schema_check(R"({"type":"number","multipleOf":0.25})", {"0.25", "1.5", "-3"}, {"0.3", "1.125"});
    grammar_schema_check(R"({"type":"number","multipleOf":5.25,"minimum":-20})",
                         {"5.25", "-15.75", "10.5", "10.50", "21", "525000000000000"},
                         {"5.2", "5", "-21", "0.25", "5.250"});
    grammar_schema_check(R"({"type":"integer","multipleOf":10000,"minimum":0,"maximum":9000000})",
                         {"0", "10000", "9000000"}, {"1000", "9010000", "-10000", "10001"});
  }

  TEST_CASE("objects hold the required members, any of the others, in sorted order") {
    const std::string schema =
        R"({"type":"object","properties":{"c":{"type":"null"},"a":{"type":"null"},"b":{"type":"null"}},"required":["b"]})";
    grammar_schema_check(schema,
                         {R"({"b":null})", R"({"a":null,"b":null})", R"({"b":null,"c":null})",
                          R"({"a":null,"b":null,"c":null})"},
                         {"{}", R"({"a":null})", R"({"b":null,"a":null})", R"({"b":null,})",
                          R"({"b":null,"b":null})", R"({ "b":null})", R"({"b":null,"d":1})"});
    grammar_schema_check(R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}}})",
                         {"{}", R"({"a":null})", R"({"b":null})", R"({"a":null,"b":null})"},
                         {R"({,"b":null})", R"({"a":null"b":null})"});
    grammar_schema_check(R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"a":1})"});
    grammar_schema_check(R"({"type":"object","additionalProperties":{"type":"integer"}})",
                         {"{}", R"({"x":1,"y":2})"}, {R"({"x":"1"})"});
    grammar_schema_check(R"({"type":"object"})", {"{}", R"({"x":[{"y":1}]})"}, {R"({1:2})"});
    grammar_schema_check(R"({"type":"object","required":["q"],"additionalProperties":{"type":"null"}})",
                         {R"({"q":null})"}, {"{}", R"({"q":1})"});
    grammar_schema_check(R"({"type":"object","properties":{"a/\"b":{"const":1}},"required":["a/\"b"]})",
                         {R"({"a/\"b":1})"}, {"{}"});
  }

  TEST_CASE("arrays count their items") {
    grammar_schema_check(R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
                         {"[1]", "[1,2,3]"}, {"[]", "[1,2,3,4]", "[1,]", "[1 ,2]"});
    grammar_schema_check(
        R"({"type":"array","prefixItems":[{"type":"null"},{"type":"boolean"}],"items":{"type":"integer"}})",
        {"[]", "[null]", "[null,true]", "[null,true,1,2]"}, {"[true]", "[null,true,true]"});
    grammar_schema_check(R"({"type":"array","items":[{"type":"null"}],"additionalItems":false})",
                         {"[]", "[null]"}, {"[null,null]"});
    grammar_schema_check(R"({"type":"array","prefixItems":[{"type":"null"}],"items":false,"minItems":1})",
                         {"[null]"}, {"[]", "[null,1]"});
    grammar_schema_check(R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"});
  }

  TEST_CASE("enum and const hold values of any type, within the rest of the schema") {
    grammar_schema_check(R"({"enum":["a\n",1,null,{"b":[2],"a":1}]})",
                         {R"("a\n")", "1", "null", R"({"a":1,"b":[2]})"}, {R"("a)", "2"});
    grammar_schema_check(R"({"const":"x"})", {"\"x\""}, {"\"y\""});
    grammar_schema_check(R"({"type":"string","enum":["a",1]})", {"\"a\""}, {"1"});
    grammar_schema_check(R"({"enum":["a","2024-01-31","2024-01-32",7],"format":"date"})",
                         {"\"2024-01-31\"", "7"}, {"\"a\"", "\"2024-01-32\""});
    grammar_schema_check(R"({"enum":[1,5,9],"minimum":4})", {"5", "9"}, {"1"});
  }

  TEST_CASE("schemas are combined: anyOf, oneOf of disjoint branches, allOf") {
    grammar_schema_check(R"({"anyOf":[{"type":"string"},{"type":"integer"}]})", {"\"a\"", "1"}, {"null"});
    grammar_schema_check(R"({"oneOf":[{"type":"string"},{"type":"integer"}]})", {"\"a\"", "1"}, {"null"});
    grammar_schema_check(
        R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"v":{"type":"null"}},"required":["k"]},
                       {"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]})",
        {R"({"k":"a","v":null})", R"({"k":"b"})"}, {R"({"k":"c"})", R"({"k":"b","v":null})"});
    grammar_schema_check(
        R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":2}},"required":["a"]},
                       {"properties":{"a":{"maximum":4},"b":{"type":"null"}}}]})",
        {R"({"a":3})", R"({"a":2,"b":null})"}, {R"({"a":5})", R"({"b":null})"});
    grammar_schema_check(
        R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"anyOf":[{"required":["a"]},{"required":["b"]}]})",
        {R"({"a":null})", R"({"b":null})", R"({"a":null,"b":null})"}, {"{}"});
    CHECK(grammar_schema_refusal(
              R"({"oneOf":[{"type":"integer","multipleOf":2},{"type":"integer","multipleOf":3}]})")
              .find("oneOf") != std::string::npos);
  }

  TEST_CASE("references may recurse") {
    grammar_schema_check(
        R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"},"v":{"type":"integer"}},"required":["v"]}}})",
        {R"({"v":1})", R"({"next":{"next":{"v":3},"v":2},"v":1})"}, {"{}", R"({"next":{},"v":1})"});
    grammar_schema_check(R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]", "[[]"});
    CHECK(grammar_schema_refusal(R"({"$ref":"#"})").find("refers to itself") != std::string::npos);
    CHECK(grammar_schema_refusal(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})")
              .find("no value") != std::string::npos);
  }

  TEST_CASE("what can't be honoured is refused by name and place") {
    for (const char* keyword : {"$dynamicRef", "$recursiveRef", "unheardOf"}) {
      Json schema = {{"type", "object"}, {"properties", {{"a/b", {{"type", "integer"}, {keyword, 1}}}}}};
      auto grammar = Grammar::from_schema(schema);
      REQUIRE_FALSE(grammar.has_value());
      CHECK(grammar.error().code() == Code::kUnsupported);
      const auto lines = Grammar::unsupported(schema);
      REQUIRE(lines.size() == 1);
      CHECK(lines[0] == std::string("/properties/a~1b: keyword \"") + keyword + "\"");
    }
    CHECK(Grammar::unsupported(
              *parse_json(
                  R"({"title":"t","description":"d","default":1,"examples":[1],"$schema":"s","$id":"i"})"))
              .empty());
    CHECK(grammar_schema_refusal(R"x({"type":"string","pattern":"(?=a)"})x").find("lookahead") !=
          std::string::npos);
    CHECK(grammar_schema_refusal(R"({"type":"string","format":"unheard"})").find("format") !=
          std::string::npos);
    CHECK(grammar_schema_refusal(R"({"type":"array","uniqueItems":true})").find("uniqueItems") !=
          std::string::npos);
    CHECK(grammar_schema_refusal(R"({"type":"number","multipleOf":0.1})").find("multipleOf") !=
          std::string::npos);
    CHECK(grammar_schema_refusal(R"({"type":"number","multipleOf":99.75})")
              .find("multipleOf 99.75 takes more than 75000 states within so wide a minimum and maximum") !=
          std::string::npos);
  }

  TEST_CASE("members beside the declared ones: described ones always, merely tolerated ones when asked for") {
    grammar_schema_check(
        R"({"type":"object","properties":{"ab":{"type":"null"}},"additionalProperties":{"type":"integer"}})",
        {"{}", R"({"ab":null})", R"({"ab":null,"a":1,"abc":2})", R"({"x":3})", R"({"\"\\":3})"},
        {R"({"ab":1})", R"({"x":3,"ab":null})", R"({"x":null})", R"({"\u0061b":1})"});
    const auto schema =
        *parse_json(R"({"type":"object","properties":{"a":{"type":"null"}},"required":["a"]})");
    auto takes_open = [&](bool open) {
      auto matcher = Matcher::make(*Grammar::from_schema(schema, {.open_objects = open}), nullptr);
      return matcher->accept(R"({"a":null,"b":[{"c":1}]})") && matcher->may_end();
    };
    CHECK(takes_open(true));
    CHECK_FALSE(takes_open(false));
  }

  TEST_CASE("siblings of $ref count since 2019 and not before") {
    const std::string rest = R"("$defs":{"s":{"type":"string"}},"$ref":"#/$defs/s","maxLength":1})";
    grammar_schema_check("{" + rest, {"\"a\""}, {"\"ab\"", "1"});
    grammar_schema_check(R"({"$schema":"http://json-schema.org/draft-07/schema#",)" + rest,
                         {"\"a\"", "\"ab\""}, {"1"});
  }

  TEST_CASE("an $id inside a schema changes what references mean") {
    grammar_schema_check(
        R"({"$id":"http://a.example/root","type":"array","items":{"$id":"other","$ref":"#/$defs/x","$defs":{"x":{"type":"null"}}},
            "$defs":{"x":{"type":"boolean"}}})",
        {"[null]"}, {"[true]"});
    CHECK(
        grammar_schema_refusal(
            R"({"type":"array","items":{"$id":"other","$ref":"#/$defs/x"},"$defs":{"x":{"type":"null"}},"$id":"root"})")
            .find("keyword \"$ref\" to \"other#/$defs/x\"") != std::string::npos);
  }

  TEST_CASE("nullable survives being combined") {
    grammar_schema_check(R"({"allOf":[{"type":"string","nullable":true},{"type":"string"}]})", {"\"a\""},
                         {"null"});
    grammar_schema_check(R"({"allOf":[{"type":"string","nullable":true},{"maxLength":1}]})",
                         {"\"a\"", "null"}, {"\"ab\""});
  }

  TEST_CASE("regular expressions and lists of choices are grammars too") {
    auto takes_all = [](const std::shared_ptr<const Grammar>& grammar, const std::string& text) {
      auto matcher = Matcher::make(grammar, nullptr);
      return matcher->accept(text) && matcher->may_end();
    };
    const auto phone = *Grammar::from_regex("\\+?[0-9]{2,4}(-[0-9]+)*");
    CHECK(takes_all(phone, "+81-3-1234"));
    CHECK_FALSE(takes_all(phone, "x81"));
    CHECK_FALSE(takes_all(phone, "81-"));
    CHECK(takes_all(*Grammar::from_regex(".\"\n\xE6\x97\xA5?"), "\xE6\x9C\xAC\"\n"));
    CHECK(Grammar::from_regex("(?<=a)b").error().code() == Code::kUnsupported);
    CHECK(Grammar::from_regex("(a").error().code() == Code::kInvalidArgument);
    CHECK(Grammar::from_regex("a$b").error().code() == Code::kInvalidArgument);
    const auto colours = Grammar::choices({"red", "green", "grey"});
    CHECK(takes_all(colours, "grey"));
    CHECK_FALSE(takes_all(colours, "gre"));
    auto matcher = Matcher::make(colours, nullptr);
    REQUIRE(matcher->accept("g"));
    CHECK(matcher->forced() == "re");
    CHECK(matcher->shortest_completion() == "rey");
  }

  TEST_CASE("hostile schemas meet a limit, not the end of memory") {
    std::string deep = "{}";
    for (int i = 0; i < 80; ++i) deep = R"({"type":"array","items":)" + deep + "}";
    CHECK(Grammar::from_schema(*parse_json(deep)).error().code() == Code::kExhausted);
    CHECK(
        Grammar::from_schema(*parse_json(R"x({"type":"string","pattern":"((a{1,1000}){1,1000}){1,1000}"})x"))
            .error()
            .code() == Code::kExhausted);
    CHECK(Grammar::from_schema(*parse_json(R"x({"type":"string","pattern":"(a|b)*a(a|b){20}"})x"))
              .error()
              .code() == Code::kExhausted);
  }
}
