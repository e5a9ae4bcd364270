// What a person does about runs that other runs started: decide for them, cancel them, go on with them.
#include <doctest/doctest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "support/text.h"
#include "tools/support/chain_model.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

// A boss whose agent calls the toy server's `greet` (or hangs); each then says "Old gate.". `boss` is more of
// the boss's file, `agent` of its agent's.
void boss_furnish(const Home& home, const std::string& boss, const std::string& agent, char letter = 'g') {
  home.write("chain.gguf", chain_model({.tool_letter = letter}));
  const Words server = toy_server(home);
  home.write("boss.yaml", "name: boss\nmodel: ./chain.gguf\n" + boss +
                              "agents:\n"
                              "  greeter:\n"
                              "    agent:\n"
                              "      tool_choice: required-first\n"
                              "      servers:\n        toy: {command: sh, args: [\"" +
                              server[1] + "\", \"" + server[2] +
                              "\"]}\n      tools: [toy.greet, toy.hang]\n" + agent);
}
const std::string kCallsIt = "tool_choice: required-first\n";
const std::string kAskGreet = "      policy:\n        - ask: toy.greet\n";
// Two tasks side by side, by hand.
const std::string kTwoTasks =
    "steps:\n"
    "  - {id: left, tool: agents.greeter, arguments: {task: L}}\n"
    "  - {id: right, tool: agents.greeter, arguments: {task: R}}\n";

// The runs from the newest to the oldest: the boss's is the last.
Words run_ids(const Home& home) {
  Words ids;
  for (const auto& line : split(tsukai(home, {"runs", "list", "--quiet"}).out, '\n')) {
    if (!line.empty()) ids.push_back(std::string(line));
  }
  return ids;
}

std::string state_in(const Home& home, const std::string& run) {
  const auto shown = parse_json(tsukai(home, {"runs", "show", run, "--json"}).out);
  REQUIRE(shown);
  return string_at(*shown, "state");
}

void check_whole(const Home& home, const Words& runs, const std::string& state) {
  for (const std::string& run : runs) {
    CHECK(state_in(home, run) == state);
    CHECK(tsukai(home, {"runs", "verify", run}).exit == 0);
  }
}

}  // namespace

TEST_SUITE("tools/tsukai/agents") {
  TEST_CASE("what an agent asks parks both runs, is said with what to type, and allowing it ends both") {
    const Home home;
    boss_furnish(home, kCallsIt, kAskGreet);
    const Finished parked = tsukai(home, {"run", "boss.yaml", "Have them greeted."});
    CHECK_MESSAGE(parked.exit == 5, parked.err);
    const Words runs = run_ids(home);
    REQUIRE(runs.size() == 2);
    const std::string &agent = runs[0], &boss = runs[1];
    CHECK(contains(parked.err, "run " + boss + " waits for a person"));
    CHECK(contains(parked.err, "in run " + agent + ", step-1/call-1 toy.greet {\"name\":\"M\"}"));
    CHECK(contains(parked.err, "allow it:  tsukai runs approve " + agent + " step-1/call-1\n"));
    const Finished list = tsukai(home, {"runs", "list", "--state", "waiting"});
    CHECK(contains(list.out, boss));
    CHECK(contains(list.out, agent));
    const auto listed = parse_json(tsukai(home, {"runs", "list", "--state", "waiting", "--json"}).out);
    REQUIRE(listed);
    REQUIRE((*listed)["runs"].size() == 2);
    CHECK(string_at((*listed)["runs"][0], "waits_for") == "approve step-1/call-1 toy.greet {\"name\":\"M\"}");
    CHECK(string_at((*listed)["runs"][1], "waits_for") ==
          "approve " + agent + " step-1/call-1 toy.greet {\"name\":\"M\"}");
    SUBCASE("through the agent's own run") {
      const Finished approved = tsukai(home, {"runs", "approve", agent, "step-1/call-1"});
      CHECK_MESSAGE(approved.exit == 0, approved.err);
      CHECK(approved.out == "Old gate.\n");
      CHECK(contains(approved.err, "run " + boss));
    }
    SUBCASE("through the run that started it") {
      const Finished approved = tsukai(home, {"runs", "approve", boss});
      CHECK_MESSAGE(approved.exit == 0, approved.err);
      CHECK(approved.out == "Old gate.\n");
    }
    SUBCASE("or only noted, and gone on with later, by either name") {
      const Finished noted = tsukai(home, {"runs", "approve", boss, "step-1/call-1", "--no-resume"});
      CHECK(noted.exit == 0);
      CHECK(contains(noted.err, "tsukai runs resume " + boss));
      const Finished resumed = tsukai(home, {"runs", "resume", agent});
      CHECK(resumed.exit == 0);
      CHECK(contains(resumed.err, "run " + agent + " is part of run " + boss + ", which goes on"));
      CHECK(resumed.out == "Old gate.\n");
    }
    check_whole(home, runs, "done");
    CHECK(contains(tsukai(home, {"runs", "show", agent}).out, "TOOL_RESULT"));
    CHECK(tsukai(home, {"runs", "replay", boss}).exit == 0);
    CHECK(tsukai(home, {"runs", "replay", agent}).exit == 0);
    CHECK(tsukai(home, {"runs", "approve", boss}).exit == 2);
  }

  TEST_CASE("refusing what an agent asks tells that agent, and both runs end") {
    const Home home;
    boss_furnish(home, kCallsIt, kAskGreet);
    REQUIRE(tsukai(home, {"run", "boss.yaml", "Have them greeted."}).exit == 5);
    const Words runs = run_ids(home);
    REQUIRE(runs.size() == 2);
    const Finished denied = tsukai(home, {"runs", "approve", runs[1], "--deny", "--reason", "not today"});
    CHECK_MESSAGE(denied.exit == 0, denied.err);
    CHECK(contains(denied.err, "refused step-1/call-1 toy.greet"));
    CHECK(contains(tsukai(home, {"runs", "show", runs[0], "--prompts"}).out, "tester said no: not today"));
    CHECK_FALSE(contains(tsukai(home, {"runs", "show", runs[0]}).out, "TOOL_STARTED"));
    check_whole(home, runs, "done");
  }

  TEST_CASE("of two agents that ask alike each is decided by itself, and the last word goes on") {
    const Home home;
    boss_furnish(home, kTwoTasks, kAskGreet);
    const Finished parked = tsukai(home, {"run", "boss.yaml", "Have them greeted."});
    CHECK_MESSAGE(parked.exit == 5, parked.err);
    const Words runs = run_ids(home);
    REQUIRE(runs.size() == 3);
    const std::string& boss = runs[2];
    const Finished which = tsukai(home, {"runs", "approve", boss});
    CHECK(which.exit == 2);
    CHECK(contains(which.err, "step-1/call-1 (in run " + runs[0] + ")"));
    const Finished whose = tsukai(home, {"runs", "approve", boss, "step-1/call-1"});
    CHECK(whose.exit == 2);
    CHECK(contains(whose.err, "step-1/call-1 waits in 2 of the runs that run " + boss + " started"));
    const Finished first = tsukai(home, {"runs", "approve", runs[0]});
    CHECK(first.exit == 5);
    CHECK(contains(first.err, "tsukai runs approve " + runs[1] + " step-1/call-1"));
    CHECK(state_in(home, boss) == "waiting");
    const Finished second = tsukai(home, {"runs", "approve", runs[1], "--deny"});
    CHECK_MESSAGE(second.exit == 0, second.err);
    check_whole(home, runs, "done");
  }

  TEST_CASE("cancelling a run that waits cancels what it started, and nothing can be decided any more") {
    const Home home;
    boss_furnish(home, kTwoTasks, kAskGreet);
    REQUIRE(tsukai(home, {"run", "boss.yaml", "Have them greeted."}).exit == 5);
    const Words runs = run_ids(home);
    REQUIRE(runs.size() == 3);
    const Finished cancelled = tsukai(home, {"runs", "cancel", runs[2]});
    CHECK(cancelled.exit == 0);
    CHECK(contains(cancelled.out, "run " + runs[2] + " is cancelled\n"));
    CHECK(contains(cancelled.out, "run " + runs[0] + ", which it started, as well\n"));
    CHECK(contains(cancelled.out, "run " + runs[1] + ", which it started, as well\n"));
    check_whole(home, runs, "cancelled");
    CHECK(tsukai(home, {"runs", "approve", runs[0]}).exit == 2);
    CHECK(tsukai(home, {"runs", "list", "--state", "waiting", "--quiet"}).out == "");
  }

  TEST_CASE("cancelling an agent's run alone is a failed task for the run that started it, which goes on") {
    const Home home;
    boss_furnish(home, kCallsIt, kAskGreet);
    REQUIRE(tsukai(home, {"run", "boss.yaml", "Have them greeted."}).exit == 5);
    const Words runs = run_ids(home);
    REQUIRE(runs.size() == 2);
    const Finished cancelled = tsukai(home, {"runs", "cancel", runs[0]});
    CHECK(cancelled.exit == 0);
    CHECK(contains(cancelled.err, "run " + runs[1] + " goes on without it: tsukai runs resume " + runs[1]));
    CHECK(tsukai(home, {"runs", "resume", runs[1]}).out == "Old gate.\n");
    CHECK(contains(tsukai(home, {"runs", "show", runs[1], "--prompts"}).out, "cancelled by tester"));
    CHECK(state_in(home, runs[0]) == "cancelled");
    CHECK(state_in(home, runs[1]) == "done");
  }

  TEST_CASE("cancelling a run at work ends it and its agent in the middle of a call, from another terminal") {
    const Home home;
    boss_furnish(home, "steps:\n  - {id: one, tool: agents.greeter, arguments: {task: L}}\n", "", 'h');
    Program program(home, {tsukai_program(), "run", "boss.yaml", "Have them greeted."});
    wait_for_file(home / "hanging");
    const Words runs = run_ids(home);
    REQUIRE(runs.size() == 2);
    const Finished cancelled = tsukai(home, {"runs", "cancel", runs[1], "--json"});
    CHECK(cancelled.exit == 0);
    const auto said = parse_json(cancelled.out);
    REQUIRE(said);
    CHECK((*said)["cancelled"] == false);
    CHECK((*said)["children"] == Json::array({runs[0]}));
    const Finished ended = program.finish();
    CHECK_MESSAGE(ended.exit == 130, ended.err);
    check_whole(home, runs, "cancelled");
    // No result is claimed for the call that was in flight.
    CHECK_FALSE(contains(tsukai(home, {"runs", "show", runs[0]}).out, "TOOL_RESULT"));
    const std::string server = std::string(trimmed(read_file(home / "pid")));
    CHECK(::kill(std::stoi(server), 0) != 0);
  }

  TEST_CASE(
      "a word to an agent while the run that started it is at work on other calls is taken up by that "
      "process") {
    const Home home;
    boss_furnish(home,
                 "servers: {toy: {command: sh, args: [\"" + toy_server(home)[1] +
                     "\"]}}\n"
                     "steps:\n"
                     "  - {id: ask, tool: agents.greeter, arguments: {task: L}}\n"
                     "  - {id: hang, tool: toy.hang}\n",
                 kAskGreet);
    Program program(home, {tsukai_program(), "run", "boss.yaml", "Have them greeted.", "--json"});
    program.wait_for_output("agents__greeter waits for a person: waiting for a person:");
    const Words runs = run_ids(home);
    REQUIRE(runs.size() == 2);
    const Finished noted = tsukai(home, {"runs", "approve", runs[0]});
    CHECK_MESSAGE(noted.exit == 0, noted.err);
    CHECK(contains(noted.err, "noted; run " + runs[1] + " is at work, and goes on with it"));
    program.wait_for_output("\"child_done\"");
    program.send_signal(SIGINT);
    CHECK(program.finish().exit == 130);
    check_whole(home, {runs[0]}, "done");
    check_whole(home, {runs[1]}, "cancelled");
    CHECK(tsukai(home, {"runs", "list", "--state", "waiting", "--quiet"}).out == "");
  }
}

}  // namespace tsukai::cli
