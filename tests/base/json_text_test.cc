#include "base/json_text.h"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <random>

using namespace tsukai;

namespace {

std::string slow_print(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What both readers must agree on: whatever the quick one takes, the slow one takes as the same value.
void agree(const std::string& text) {
  CAPTURE(text);
  Json quick;
  if (!read_json(text, 128, quick)) return;
  const Json slow = Json::parse(text, nullptr, false);
  REQUIRE_FALSE(slow.is_discarded());
  CHECK(slow_print(quick) == slow_print(slow));
  CHECK(quick == slow);
}

class Random {
 public:
  explicit Random(std::uint32_t seed) : source_(seed) {}
  int below(int end) { return static_cast<int>(source_() % static_cast<std::uint32_t>(end)); }

  std::string string() {
    static const std::vector<std::string> kPieces = {"a",
                                                     "plain text of some length",
                                                     "\"",
                                                     "\\",
                                                     "/",
                                                     "\b\f\n\r\t",
                                                     std::string("\0\x01\x1f", 3),
                                                     "\x7f",
                                                     "é",
                                                     "地図",
                                                     "🗺",
                                                     "\xff",
                                                     "\xc0\xaf",
                                                     "\xed\xa0\x80",
                                                     "\xf4\x90\x80\x80",
                                                     "\xe5\x9c"};
    std::string out;
    for (int i = below(5); i > 0; --i)
      out += kPieces[static_cast<std::size_t>(below(static_cast<int>(kPieces.size())))];
    return out;
  }
  double number() {
    switch (below(5)) {
      case 0:
        return below(1000) / 8.0;
      case 1:
        return 1e300 * below(1000);
      case 2:
        return 5e-324 * below(1000);
      case 3:
        return std::numeric_limits<double>::quiet_NaN();
      default:
        return std::ldexp(static_cast<double>(source_()), below(200) - 100);
    }
  }
  Json value(int depth) {
    switch (below(depth > 0 ? 9 : 7)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:
        return -static_cast<std::int64_t>(source_()) * below(3);
      case 3:
        return std::numeric_limits<std::uint64_t>::max() - static_cast<std::uint64_t>(below(3));
      case 4:
        return number();
      case 5:
      case 6:
        return string();
      case 7: {
        Json out = Json::array();
        for (int i = below(4); i > 0; --i) out.push_back(value(depth - 1));
        return out;
      }
      default: {
        Json out = Json::object();
        for (int i = below(4); i > 0; --i) out[string()] = value(depth - 1);
        return out;
      }
    }
  }

 private:
  std::mt19937 source_;
};

}  // namespace

TEST_SUITE("base/json_text") {
  TEST_CASE("the quick printer gives what the slow one gives, and both readers read that the same") {
    constexpr int kSeeds = 3000;
    for (int seed = 0; seed < kSeeds; ++seed) {
      CAPTURE(seed);
      Random random(static_cast<std::uint32_t>(seed));
      const Json value = random.value(4);
      std::string text;
      append_json(text, value);
      CHECK(text == slow_print(value));
      Json again;
      CHECK(read_json(text, 128, again));
      agree(text);
      // One byte goes, comes or changes: mostly no JSON any more, and never two different values.
      constexpr std::string_view kBytes = "{}[],:\"\\0.9eE+-tfnu \n\x01\xc3";
      const auto at = static_cast<std::size_t>(random.below(static_cast<int>(text.size())));
      const char byte = kBytes[static_cast<std::size_t>(random.below(static_cast<int>(kBytes.size())))];
      agree(std::string(text).erase(at, 1));
      agree(std::string(text).insert(at, 1, byte));
      text[at] = byte;
      agree(text);
    }
  }

  TEST_CASE("what is written in other ways is read as well") {
    for (const char* text :
         {R"( { "b" : 1 , "a" : [ ] , "b" : 2 } )", R"("\u0041\u00e9\u5730\/\b\f\n\r\t\"\\")", "-0", "0.0",
          "1E5", "-1.5e-3", "18446744073709551615", "-9223372036854775808", "[[],{}]", "\"\"", "true"}) {
      CAPTURE(text);
      Json quick;
      CHECK(read_json(text, 8, quick));
      agree(text);
    }
  }

  TEST_CASE("what is no JSON is left to the slow reader, and so is what is rare") {
    for (const char* text : {"",
                             " ",
                             "{",
                             "[1,]",
                             "{\"a\":1,}",
                             "{1:2}",
                             "01",
                             "-",
                             "+1",
                             ".5",
                             "1.",
                             "1e",
                             "nul",
                             "tru e",
                             "\"a",
                             "\"\\x\"",
                             "\"\\u12g4\"",
                             "\"\\ud83d\\ude00\"",
                             "\"\t\"",
                             "1 2",
                             "1e400",
                             "18446744073709551616",
                             "\xef\xbb\xbf{}",
                             "\"\xff\""}) {
      CAPTURE(text);
      Json quick;
      CHECK_FALSE(read_json(text, 8, quick));
    }
    CHECK(parse_json(R"("\ud83d\ude00")").value() == "😀");
    CHECK(parse_json("18446744073709551616").value() == 18446744073709551616.0);
    Json quick;
    CHECK(read_json("[[1]]", 2, quick));
    CHECK_FALSE(read_json("[[[1]]]", 2, quick));
  }
}
