#include "mcp/tool_schema.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/json_schema.h"

using namespace tsukai;
using namespace tsukai::mcp::schema;

TEST_SUITE("mcp/tool_schema") {
  TEST_CASE("arguments are required, optional or unknown, and have bounds") {
    const Json input = arguments({{"query", text("Words", 5, 1)}}, {{"limit", between("At most", 1, 9)}});
    const auto schema = JsonSchema::compile(input);
    REQUIRE(schema.has_value());
    CHECK(schema->check({{"query", "tea"}, {"limit", 9}}).empty());
    CHECK_FALSE(schema->check({{"limit", 9}}).empty());
    CHECK_FALSE(schema->check({{"query", "tea"}, {"limt", 9}}).empty());
    CHECK_FALSE(schema->check({{"query", "tea"}, {"limit", 10}}).empty());
    CHECK_FALSE(schema->check({{"query", ""}}).empty());
    CHECK_FALSE(schema->check({{"query", "coffee"}}).empty());
    CHECK(input.at("properties").at("query").at("description") == "Words");
  }

  TEST_CASE("results may have members that nobody described") {
    const auto schema = JsonSchema::compile(object({{"pages", list(object({{"size", integer()}}))}}));
    REQUIRE(schema.has_value());
    CHECK(schema->check({{"pages", {{{"size", 1}, {"more", true}}}}}).empty());
    CHECK_FALSE(schema->check({{"pages", {{{"size", 1.5}}}}}).empty());
    CHECK_FALSE(schema->check(Json::object()).empty());
  }

  TEST_CASE("a tool reads, unless it is said to do more") {
    const mcp::Tool made = tool("look", "Look", "Looks.", arguments({}), object({}));
    CHECK(made.has_annotations);
    CHECK(made.annotations.read_only);
    CHECK(made.annotations.idempotent);
    CHECK_FALSE(made.annotations.destructive);
    CHECK_FALSE(made.annotations.open_world);
    CHECK_FALSE(made.input_schema->contains("required"));
  }
}
