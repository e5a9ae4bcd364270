#include "agent/recall.h"

#include <doctest/doctest.h>

#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

TEST_SUITE("agent/recall") {
  TEST_CASE("what one run answered is recalled by the next, quoted in its first user message") {
    Situation s;
    s.file.memory_recall = 4;
    s.file.memory_scope = {"user"};
    s.script.turns = {says("The Old Gate Cafe.")};
    REQUIRE(s.run("find coffee near the old gate"));
    CHECK(s.script.requests[0].messages[1].text == "find coffee near the old gate");

    s.script.turns = {says("The same one.")};
    REQUIRE(s.run("coffee near the old gate again"));
    const auto& messages = s.script.requests[1].messages;
    CHECK(messages[0].text == "You are tested.");
    CHECK(contains(messages[1].text,
                   R"({"answered":"The Old Gate Cafe.","asked":"find coffee near the old gate"})"));
    CHECK(messages[1].text.ends_with("The task now:\ncoffee near the old gate again"));
    CHECK(s.kinds().starts_with("RUN_STARTED RECALLED MODEL_INTENT"));
    CHECK(s.told("recalled").back()["episodes"][0]["outcome"] == "The Old Gate Cafe.");
  }

  TEST_CASE("a run that went on with another wish is remembered by that one") {
    Situation s;
    s.file.memory_recall = 4;
    s.file.memory_scope = {"user"};
    s.script.turns = {says("The Old Gate Cafe."), says("The Tea House.")};
    REQUIRE(s.run("find coffee near the old gate"));
    REQUIRE(await(fork_run("last", 0, "and tea?", s.options(), s.open_model())));

    s.script.turns = {says("The Tea House, as before.")};
    REQUIRE(s.run("tea near the old gate"));
    const auto& opening = s.script.requests[2].messages[1].text;
    CHECK(contains(opening, R"({"answered":"The Tea House.","asked":"and tea?"})"));
    CHECK(contains(opening, R"({"answered":"The Old Gate Cafe.","asked":"find coffee near the old gate"})"));
  }

  TEST_CASE("what a stranger's run remembered stays theirs") {
    Situation s;
    s.file.memory_recall = 4;
    s.file.memory_scope = {"user"};
    s.script.turns = {says("The Old Gate Cafe."), says("I do not know.")};
    REQUIRE(s.run("find coffee near the old gate"));
    auto options = s.options();
    options.user = "ken";
    REQUIRE(await(run_agent(s.file, "find coffee near the old gate", options, s.open_model())));
    CHECK(s.script.requests[1].messages[1].text == "find coffee near the old gate");
  }

  TEST_CASE("without memory nothing is recalled and nothing is kept") {
    Situation s;
    s.script.turns = {says("one")};
    REQUIRE(s.run("find coffee"));
    CHECK_FALSE(contains(s.kinds(), "RECALLED"));
    s.file.memory_recall = 4;
    s.script.turns = {says("two")};
    REQUIRE(s.run("find coffee"));
    CHECK(s.told("recalled")[0]["episodes"].empty());
  }

  TEST_CASE("the same memories give the same bytes") {
    std::vector<memory::Recalled> recalled(2);
    recalled[0].episode.task = "a \"quoted\" task";
    recalled[0].episode.at_ms = 1;
    auto later = recalled;
    later[0].episode.at_ms = 2;
    later[0].score = 9;
    CHECK(opening_message("t", recalled) == opening_message("t", later));
    CHECK(opening_message("t", {}) == "t");
  }
}
