#include "base/json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/random.h"

using namespace tsukai;

namespace {

// A value of everything a value can be made of, also what no parser gives.
Json random_value(Random& random, int depth) {
  switch (random.below(depth > 0 ? 9 : 7)) {
    case 0:
      return nullptr;
    case 1:
      return random.below(2) == 0;
    case 2:
      return static_cast<std::int64_t>(random.next());
    case 3:
      return random.next() >> random.below(64);
    case 4:
      return static_cast<double>(random.below(1000)) * (random.below(2) == 0 ? 1 : 1e12);
    case 5:
      return (random.unit() - 0.5) * 1e3;
    case 6: {
      std::string text;
      for (auto left = random.below(12); left > 0; --left) {
        const auto kind = random.below(8);
        text += kind == 0   ? "é"
                : kind == 1 ? "😀"
                : kind == 2 ? std::string(1, static_cast<char>(random.below(256)))
                            : std::string(1, static_cast<char>(random.below(128)));
      }
      return text;
    }
    case 7: {
      Json list = Json::array();
      for (auto left = random.below(4); left > 0; --left) list.push_back(random_value(random, depth - 1));
      return list;
    }
    default: {
      Json object = Json::object();
      for (auto left = random.below(4); left > 0; --left)
        object[std::string(1, static_cast<char>('a' + random.below(26)))] = random_value(random, depth - 1);
      return object;
    }
  }
}

std::string printed_by_nlohmann(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

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

  TEST_CASE("a value is printed as nlohmann prints it, whatever is in it") {
    for (std::uint64_t seed = 0; seed < 4'000; ++seed) {
      Random random(seed);
      const auto value = random_value(random, 4);
      CAPTURE(seed);
      CHECK(print_json(value) == printed_by_nlohmann(value));
    }
    for (const double number : {0.0, -0.0, 1.0, -1.0, 1e14, 999'999'999'999'999.0, 1e15, 1e300, 0.1,
                                std::numeric_limits<double>::infinity(), std::nan("")})
      CHECK(print_json(number) == printed_by_nlohmann(number));
  }

  TEST_CASE("as many levels as allowed are parsed, and not one more") {
    for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{"{\"a\":", "}"}}) {
      const auto nested = [&](int levels) {
        std::string text;
        for (int i = 0; i < levels; ++i) text += open;
        text += "1";
        for (int i = 0; i < levels; ++i) text += close;
        return text;
      };
      CHECK(parse_json(nested(128)).has_value());
      CHECK(parse_json(nested(129)).error().code() == Code::kExhausted);
    }
    CHECK(parse_json("[[],[],[[]]]", {.depth_max = 3}).has_value());
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
