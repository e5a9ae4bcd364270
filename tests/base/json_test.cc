#include "base/json.h"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>

using namespace tsukai;

TEST_SUITE("base/json") {
  TEST_CASE("equal values print equally, whatever the order of their keys") {
    CHECK(print_json(*parse_json(R"({"b":1,"a":[true,null]})")) == R"({"a":[true,null],"b":1})");
  }

  TEST_CASE("a mistake is reported with its byte") {
    auto parsed = parse_json(R"({"a": })");
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code() == Code::kInvalidArgument);
    CHECK(parsed.error().message().find("byte 7") != std::string::npos);
  }

  TEST_CASE("text after the value is a mistake") { CHECK_FALSE(parse_json("{} {}").has_value()); }

  TEST_CASE("nesting beyond the limit is refused before anything is built") {
    const std::string deep(100'000, '[');
    auto parsed = parse_json(deep);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code() == Code::kExhausted);
    CHECK(parse_json("\"[[[[[[[[\"", {.depth_max = 1}).has_value());
  }

  TEST_CASE("a text over the byte limit is refused") {
    CHECK(parse_json("[1,2,3]", {.bytes_max = 3}).error().code() == Code::kExhausted);
  }

  TEST_CASE("malformed UTF-8 inside a value prints as U+FFFD instead of throwing") {
    Json value = std::string("a\xff");
    CHECK(print_json(value) == "\"a\xef\xbf\xbd\"");
  }

  TEST_CASE("values print as nlohmann's serializer prints them") {
    for (const char* text :
         {R"([])", R"({})", R"([{},[],""])", R"([null,true,false])", R"([0,-1,9223372036854775807])",
          R"([18446744073709551615,-9223372036854775808,1e300,0.1,-0.0])",
          R"({"a":{"b":[1,2,{"c":"d"}]},"e":"f"})", R"(["\"","\\","\u0000","\n\t\u001f","\u007f","/"])",
          R"({"k\"ey":"\u00fc","\u4f60":"\ud83d\ude00"})"}) {
      const Json value = Json::parse(text);
      CHECK(print_json(value) == value.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
    CHECK(print_json(Json(std::numeric_limits<double>::quiet_NaN())) == "null");
  }

  TEST_CASE("members are read by type, with a fallback") {
    const Json object = {{"s", "x"}, {"n", 2.5}, {"i", 3}, {"b", true}, {"null", nullptr}};
    CHECK(string_at(object, "s") == "x");
    CHECK(string_at(object, "n", "none") == "none");
    CHECK(number_at(object, "n") == 2.5);
    CHECK(integer_at(object, "i") == 3);
    CHECK(integer_at(object, "n", -1) == -1);
    CHECK(bool_at(object, "b"));
    CHECK(bool_at(object, "null", true));
    CHECK(find(object, "absent") == nullptr);
    CHECK(find(Json::array(), "s") == nullptr);
  }
}
