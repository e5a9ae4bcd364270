#include "agent/condition.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace tsukai;
using namespace tsukai::agent;

namespace {

const Json kOrder = Json::parse(
    R"({"total": 60, "price": 9.5, "currency": "CNY", "gift": true, "note": null, "to": "mika@example.com",
  "items": [{"name": "茶叶", "n": 2}, {"name": "cup", "n": 1}], "address": {"country": "CN"}})");

bool holds(std::string_view text) {
  auto condition = Condition::parse(text);
  REQUIRE_MESSAGE(condition.has_value(),
                  (std::string(text) + ": " + (condition ? "" : condition.error().text())));
  auto answer = condition->holds(kOrder);
  REQUIRE_MESSAGE(answer.has_value(), (std::string(text) + ": " + (answer ? "" : answer.error().text())));
  return *answer;
}

std::string wrong(std::string_view text) {
  auto condition = Condition::parse(text);
  if (!condition) return condition.error().message();
  auto answer = condition->holds(kOrder);
  REQUIRE_FALSE_MESSAGE(answer.has_value(), text);
  CHECK(answer.error().code() == Code::kInvalidArgument);
  return answer.error().message();
}

}  // namespace

TEST_SUITE("agent/condition") {
  TEST_CASE("comparisons, connectives and paths mean what they say") {
    for (const char* text : {"total > 50 and currency == 'CNY'",
                             "total >= 60",
                             "total <= 60.0",
                             "price < 10",
                             "total != 61",
                             "currency < 'D'",
                             "gift",
                             "not (total < 50)",
                             "total < 50 or gift",
                             "gift == true",
                             "note == null",
                             "missing == null",
                             "missing.deeper[3] == null",
                             "items[0].n == 2",
                             "items[5].n == null",
                             "address.country in ['CN', 'JP']",
                             "not (currency in ['JPY'])",
                             "'example' in to",
                             "to matches '.*@example\\.com'",
                             "not to matches 'example'",
                             "len(items) == 2",
                             "len(items[0].name) == 2",
                             "len(currency) > 2 and len(address) == 1",
                             "exists(to) and not exists(note)",
                             "total == 60.0",
                             "not not gift",
                             "false or true and true",
                             "(true or false) and gift",
                             "1 in [1, 2]",
                             "total > -1",
                             "\"CNY\" == currency",
                             "'it\\'s' == \"it's\"",
                             "total>50 and gift",
                             " total\n>\t50 "}) {
      CHECK_MESSAGE(holds(text), text);
    }
    for (const char* text : {"total > 60", "currency == 'cny'", "currency != 'CNY'", "gift == 'true'",
                             "total == '60'", "to matches 'mika'", "exists(nothing)", "false and missing > 3",
                             "2 in []", "true and false or false"}) {
      CHECK_FALSE_MESSAGE(holds(text), text);
    }
  }

  TEST_CASE("values that can't be compared are an error, never false") {
    CHECK(wrong("currency > 50") == "when: \"currency > 50\": > can't compare text with a number");
    CHECK(wrong("missing > 50").find("> can't compare nothing with a number") != std::string::npos);
    CHECK(wrong("total and gift").find("and needs true or false, not a number") != std::string::npos);
    CHECK(wrong("total").find("gives a number, not true or false") != std::string::npos);
    CHECK(wrong("not currency").find("not needs true or false") != std::string::npos);
    CHECK(wrong("total matches '6.'").find("matches needs text") != std::string::npos);
    CHECK(wrong("'a' in total").find("in can't compare") != std::string::npos);
    CHECK(wrong("len(total) > 1").find("len needs text") != std::string::npos);
    CHECK(wrong("gift > false").find("can't compare") != std::string::npos);
  }

  TEST_CASE("mistakes in the text are told with their column") {
    CHECK(wrong("") == "column 1: expected a value, not the end");
    CHECK(wrong("total >") == "column 8: expected a value, not the end");
    CHECK(wrong("total = 5") == "column 7: expected == (two equals signs), not \"= 5\"");
    CHECK(wrong("total > 5 currency") ==
          "column 11: expected the end, and, or or a comparison, not \"currency\"");
    CHECK(wrong("(total > 5").starts_with("column 11: expected )"));
    CHECK(wrong("'open").starts_with("column 1: a text without its closing quote"));
    CHECK(wrong("to matches 'a('").starts_with("column 12: not a pattern"));
    CHECK(wrong("to matches total").starts_with("column 12: expected a quoted pattern"));
    CHECK(wrong("and").starts_with("column 1: expected a value"));
    CHECK(wrong("size(x)").starts_with("column 1: there are the functions"));
    CHECK(wrong("a.").starts_with("column 3: expected a name"));
    CHECK(wrong("a[-1]").starts_with("column 3: expected an index"));
    CHECK(wrong("1x").starts_with("column 2: expected a number"));
    CHECK(wrong("[1, 2").starts_with("column 6: expected , or ]"));
    CHECK(wrong("a \xff") == "the condition is not UTF-8");
    CHECK(wrong("total > 1e999").find("expected a number") != std::string::npos);
  }

  TEST_CASE("length, nesting and patterns are limited") {
    CHECK_FALSE(Condition::parse(std::string(3000, ' ')).has_value());
    for (const char* open : {"(", "not ", "[", "len("}) {
      std::string deep;
      while (deep.size() < 1500) deep += open;
      CHECK_FALSE(Condition::parse(deep + "a").has_value());
    }
    std::string chain = "a";
    for (int i = 0; i < 300; ++i) chain += " or a";
    CHECK_FALSE(Condition::parse(chain).has_value());
    CHECK_FALSE(Condition::parse("a matches '((x{100}){100}){100}'").has_value());
  }

  TEST_CASE("the default condition always holds") {
    CHECK(Condition().always());
    CHECK(Condition().holds(kOrder).value());
    CHECK_FALSE(Condition::parse("true")->always());
    CHECK(Condition::parse("total > 5")->text() == "total > 5");
  }
}
