#include "base/json.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/random.h"

using namespace tsukai;

namespace {

// Texts that JSON's corners are in; also what is cut out of them anywhere.
const char* const kTexts[] = {
    R"({"b":1,"a":[true,null,false],"a":{"c":"d"},"":""})",
    R"( [ 0 , -0 , 1.0 , -1.5e3 , 1e15 , 1e400 , 18446744073709551615 , 18446744073709551616 , -9223372036854775808 ] )",
    R"([999999999999999999,1000000000000000000,01,1.,.5,+1,-,1e,123456789012345678])",
    R"(["\u00e9\ud83d\ude00","\"\\\/\b\f\n\r\t","\ud800","\x","caf\u00e9","日本語 😀"])",
    "[\"tab\tin\",\"nul\"]",
    "\xef\xbb\xbf{\"bom\":1}",
    "[\"\xff\",\"\xc0\x80\",\"\xed\xa0\x80\",\"\x7f\"]",
    R"({"kept":[1,[2,[3,[{"deep":{}}]]]],"empty":[],"none":{}})",
    "{} {}",
    "nul",
    "",
};

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

// Types of numbers too, which `==` does not look at.
bool alike(const Json& a, const Json& b) {
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (!a.is_structured()) return a == b;
  return std::equal(a.begin(), a.end(), b.begin(), alike);
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

  TEST_CASE("a text is parsed as nlohmann parses it, whole, cut anywhere and with any byte changed") {
    const auto same = [](const std::string& text) {
      CAPTURE(text);
      const auto theirs = Json::parse(text, nullptr, false);
      const auto ours = parse_json(text);
      REQUIRE(ours.has_value() == !theirs.is_discarded());
      if (ours) CHECK(alike(*ours, theirs));
    };
    for (const std::string text : kTexts) {
      same(text);
      for (std::size_t i = 0; i < text.size(); ++i) {
        same(text.substr(0, i));
        same(text.substr(i));
        for (const char c : {'"', '\\', '0', '-', '.', ',', '}', ']', ' ', '\n', '\xc3', '\0'}) {
          auto changed = text;
          changed[i] = c;
          same(changed);
        }
      }
    }
    for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
      Random random(seed);
      same(printed_by_nlohmann(random_value(random, 4)));
    }
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
