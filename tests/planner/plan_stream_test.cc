#include "planner/plan_stream.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace tsukai;
using namespace tsukai::planner;

namespace {

// The ids given, after each piece; "a,b|c" when the first piece completed a and b and the second c.
std::string given(const std::vector<std::string>& pieces) {
  PlanStream stream;
  std::string text;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) text += "|";
    bool first = true;
    for (const auto& step : stream.feed(pieces[i])) {
      text += (first ? "" : ",") + step.id;
      first = false;
    }
  }
  return text;
}

std::string step(const std::string& id, const std::string& arguments = "{}") {
  return R"({"id":")" + id + R"(","tool":"maps__geo","arguments":)" + arguments + "}";
}

}  // namespace

TEST_SUITE("planner/plan_stream") {
  TEST_CASE("a step is given with its last byte, wherever the text is cut") {
    const std::string text = " {\n\"steps\" : [" + step("a", R"({"q":"} \" ] {"})") + " ,\n" +
                             step("b", R"({"n":[{"x":1}]})") + "]}";
    CHECK(given({text}) == "a,b");
    const auto end_of_a = text.find(" ,\n");
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      CAPTURE(cut);
      const auto parts = given({text.substr(0, cut), text.substr(cut)});
      CHECK(parts == (cut < end_of_a ? "|a,b" : cut < text.size() - 2 ? "a|b" : "a,b|"));
    }
    PlanStream stream;
    std::vector<PlanStep> steps;
    for (const char c : text) {
      for (auto& each : stream.feed(std::string_view(&c, 1))) steps.push_back(std::move(each));
    }
    REQUIRE(steps.size() == 2);
    CHECK(steps[0].tool == "maps__geo");
    CHECK((*steps[0].arguments)["q"] == "} \" ] {");
    CHECK(stream.given() == 2);
  }

  TEST_CASE("other members of a plan are passed over") {
    CHECK(given({R"({"why":"{\"steps\":[","n":[1,{"steps":[2]}],"steps":[)" + step("a") + "]}"}) == "a");
  }

  TEST_CASE("what stands before a step is what a plan can begin with, to the comma") {
    CHECK(given({R"({"why":nothing,"steps":[)" + step("a") + "]}"}) == "");
    CHECK(given({R"({,"steps":[)" + step("a") + "]}"}) == "");
    CHECK(given({R"({"steps":[,)" + step("a") + "]}"}) == "");
    CHECK(given({R"({"steps":[)" + step("a") + " " + step("b") + "]}"}) == "a");
    CHECK(given({R"({"steps":[)" + step("a") + ",," + step("b") + "]}"}) == "a");
    CHECK(given({"{\"\xff\":1,\"steps\":[" + step("a") + "]}"}) == "");
    // As deep as JSON may be, counted from the plan's own brace.
    const auto nested = [](std::size_t levels) {
      return step("a", R"({"q":)" + std::string(levels, '[') + std::string(levels, ']') + "}");
    };
    for (const std::size_t levels : {100, 120, 122, 123, 124, 125, 126, 127}) {
      CAPTURE(levels);
      const auto text = R"({"steps":[)" + nested(levels) + "]}";
      CHECK(given({text}) == (parse_json(text) ? "a" : ""));
    }
  }

  TEST_CASE("what is no plan gives nothing, and what stops being one gives nothing more") {
    CHECK(given({"[1,2]"}) == "");
    CHECK(given({R"({"steps":"none"})"}) == "");
    CHECK(given({R"({"steps":[)" + step("a") + ",7," + step("b") + "]}"}) == "a");
    CHECK(given({R"({"steps":[)" + step("a") + R"(,{"id":"no tool"},)" + step("b") + "]}"}) == "a");
    CHECK(given({R"({"steps":[)" + step("a") + "," + step("a") + "," + step("b") + "]}"}) == "a");
    CHECK(given({R"({"steps":[)" + step("a") + R"(],"steps":[)" + step("b") + "]}"}) == "a");
    CHECK(given({R"({"steps":[{"id":"a","tool":"t","arguments":{]},)" + step("b")}) == "");
  }

  TEST_CASE(
      "a step too long to keep is left to the whole plan, and so are steps beyond the most a plan has") {
    const std::string longest(kPlanStepBytesMax, 'x');
    CHECK(given({R"({"steps":[)" + step("a", R"({"q":")" + longest + R"("})") + "," + step("b")}) == "");
    std::string many = R"({"steps":[)";
    for (std::size_t i = 0; i <= kPlanStepsMax; ++i)
      many += (i > 0 ? "," : "") + step("s" + std::to_string(i));
    PlanStream stream;
    CHECK(stream.feed(many).size() == kPlanStepsMax);
  }

  TEST_CASE("steps without an id are numbered as the whole plan numbers them") {
    CHECK(given({R"({"steps":[{"tool":"t","arguments":{}},{"tool":"t","arguments":{}}]})"}) == "1,2");
  }
}
