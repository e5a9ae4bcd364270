#include "base/json_schema.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace tsukai;

namespace {

std::vector<std::string> problems(const Json& schema, const Json& value) {
  auto compiled = JsonSchema::compile(schema);
  REQUIRE_MESSAGE(compiled.has_value(), (compiled ? "" : compiled.error().text()));
  return compiled->check(value);
}

}  // namespace

TEST_SUITE("base/json_schema") {
  TEST_CASE("a valid value has no problems; an invalid one is told where") {
    const Json schema = Json::parse(
        R"({"type":"object","properties":{"amount":{"type":"integer","minimum":1}},"required":["amount"]})");
    CHECK(problems(schema, {{"amount", 2}}).empty());
    const auto wrong = problems(schema, {{"amount", 0}});
    REQUIRE_FALSE(wrong.empty());
    CHECK(wrong[0].find("/amount") == 0);
    CHECK_FALSE(problems(schema, Json::object()).empty());
  }

  TEST_CASE("2020-12 spellings hold: $defs, prefixItems, items after it") {
    const Json schema = Json::parse(
        R"({"$defs":{"n":{"type":"number"}},"prefixItems":[{"$ref":"#/$defs/n"},{"type":"string"}],"items":false})");
    CHECK(problems(schema, Json::parse(R"([1,"a"])")).empty());
    CHECK_FALSE(problems(schema, Json::parse(R"(["a","a"])")).empty());
    CHECK_FALSE(problems(schema, Json::parse(R"([1,"a",2])")).empty());
  }

  TEST_CASE("nullable adds null to the type") {
    const auto schema =
        Json::parse(R"({"type":"object","properties":{"a":{"type":"string","nullable":true}}})");
    CHECK(problems(schema, Json::parse(R"({"a":null})")).empty());
    CHECK_FALSE(problems(schema, Json::parse(R"({"a":1})")).empty());
    CHECK_FALSE(problems(Json::parse(R"({"type":"string","nullable":false})"), Json()).empty());
  }

  TEST_CASE("a format says nothing about values that are no strings") {
    const auto schema = Json::parse(R"({"oneOf":[{"type":"string","format":"uri"},{"type":"object"}]})");
    CHECK(problems(schema, Json::parse(R"({"a":1})")).empty());
  }

  TEST_CASE("properties may be called like keywords") {
    const auto schema = Json::parse(R"({"properties":{"$id":{"type":"integer"},"enum":{"type":"string"}}})");
    CHECK_FALSE(problems(schema, Json::parse(R"({"$id":"x"})")).empty());
    CHECK_FALSE(problems(schema, Json::parse(R"({"enum":1})")).empty());
    CHECK(problems(schema, Json::parse(R"({"$id":1,"enum":"x"})")).empty());
  }

  TEST_CASE("a malformed schema is refused") {
    CHECK_FALSE(JsonSchema::compile(Json::parse(R"({"type":"wrong"})")).has_value());
    CHECK_FALSE(JsonSchema::compile(Json::parse(R"({"required":"x"})")).has_value());
  }

  TEST_CASE("a reference out of the schema is never followed") {
    auto compiled = JsonSchema::compile(Json::parse(R"({"$ref":"http://127.0.0.1:1/x.json"})"));
    REQUIRE_FALSE(compiled.has_value());
    CHECK(compiled.error().code() == Code::kUnsupported);
  }

  TEST_CASE("a schema that nests without end is refused, not overflowed") {
    Json schema = Json::object();
    for (int i = 0; i < 100; ++i) schema = Json{{"items", schema}};
    CHECK_FALSE(JsonSchema::compile(schema).has_value());
  }
}
