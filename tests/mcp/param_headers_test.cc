#include "mcp/param_headers.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace tsukai;
using namespace tsukai::mcp;

namespace {

Json schema(const char* properties) { return {{"type", "object"}, {"properties", Json::parse(properties)}}; }

bool refused(const Json& input_schema) { return !param_headers(input_schema).has_value(); }

}  // namespace

TEST_SUITE("mcp/param_headers") {
  TEST_CASE("annotated properties become headers, nested ones too") {
    auto headers = param_headers(schema(R"({"region": {"type": "string", "x-mcp-header": "Region"},
        "page": {"type": "object", "properties": {"size": {"type": "integer", "x-mcp-header": "Page-Size"}}}})"));
    REQUIRE(headers.has_value());
    REQUIRE(headers->size() == 2);
    CHECK(headers->at(0).header == "Mcp-Param-Page-Size");
    CHECK(headers->at(1).header == "Mcp-Param-Region");
    const Json arguments = {{"region", "eu"}, {"page", {{"size", 10}}}};
    CHECK(argument_text(arguments, headers->at(0)) == "10");
    CHECK(same_argument(arguments, headers->at(0), "10.0"));
    CHECK_FALSE(same_argument(arguments, headers->at(1), "EU"));
    CHECK_FALSE(argument_text(Json::object(), headers->at(1)).has_value());
  }

  TEST_CASE("what the specification forbids is refused") {
    CHECK(refused(schema(R"({"a": {"type": "string", "x-mcp-header": ""}})")));
    CHECK(refused(schema(R"({"a": {"type": "string", "x-mcp-header": "two words"}})")));
    CHECK(refused(schema(R"({"a": {"type": "number", "x-mcp-header": "A"}})")));
    CHECK(refused(schema(R"({"a": {"type": "object", "x-mcp-header": "A"}})")));
    CHECK(refused(schema(
        R"({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}})")));
    CHECK(refused(schema(R"({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}})")));
  }

  TEST_CASE("values that a header can't carry travel as base64, and come back") {
    CHECK(header_value("plain text") == "plain text");
    for (const char* text : {" leading", "trailing ", "käse", "two\nlines", "=?base64?SGk=?="}) {
      const auto value = header_value(text);
      CHECK(value.starts_with("=?base64?"));
      CHECK(from_header_value(value) == text);
    }
    CHECK(from_header_value("  padded  ") == "padded");
    CHECK(from_header_value("=?base64?SGVsbG8=") == "=?base64?SGVsbG8=");
    CHECK_FALSE(from_header_value("=?base64?SGVsbG8?=").has_value());
    CHECK_FALSE(from_header_value("=?base64?SGVs!!!bG8=?=").has_value());
  }
}
