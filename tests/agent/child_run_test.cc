#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "agent/child_run.h"
#include "agent/journal_page.h"
#include "agent/replay.h"
#include "agent/support/situation.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// A parent whose agent `weather` asks the server `maps`.
void with_weather(Situation& s, const Json& rest = Json::object()) {
  Json agent = {{"servers", {{"maps", {{"command", "maps"}}}}}};
  agent.update(rest);
  const auto loaded =
      agent_file_from({{"model", "fake.gguf"}, {"agents", {{"weather", {{"agent", agent}}}}}}, "");
  REQUIRE_MESSAGE(loaded, (loaded ? "" : loaded.error().text()));
  s.file.agents = loaded->agents;
}

}  // namespace

TEST_SUITE("agent/child_run") {
  TEST_CASE("the id of a child follows from its parent and step alone") {
    CHECK(child_run_id("abcdefghijkl", "step-1/call-1") == child_run_id("abcdefghijkl", "step-1/call-1"));
    CHECK(child_run_id("abcdefghijkl", "step-1/call-1") != child_run_id("abcdefghijkl", "step-1/call-2"));
    CHECK(child_run_id("abcdefghijkl", "step-1/call-1") != child_run_id("abcdefghijkm", "step-1/call-1"));
    CHECK(child_run_id("abcdefghijkl", "step-1/call-1").size() == kRunIdLetters);
  }

  TEST_CASE("a child may spend what its parent has left, less what the parent needs to land") {
    const Budget whole{
        .steps = 24, .tool_calls = 40, .tokens = 8'000, .seconds = 100, .usd = 0.8, .depth = 3};
    Budget left = whole;
    left.steps = 10;
    left.tokens = 5'000;
    left.usd = 0.5;
    const auto alone = child_budget(whole, left, 1, 1);
    CHECK(alone.steps == 9);
    CHECK(alone.tool_calls == 39);
    CHECK(alone.tokens == 4'000);
    CHECK(alone.seconds == 90);
    CHECK(alone.usd == doctest::Approx(0.4));
    CHECK(alone.depth == 2);
    const auto half = child_budget(whole, left, 0.5, 2);
    CHECK(half.steps == 2);
    CHECK(half.tokens == 1'000);
    CHECK(half.usd == doctest::Approx(0.1));
    left.usd = 0.1;
    CHECK(spends_nothing(child_budget(whole, left, 1, 1)));
    CHECK_FALSE(spends_nothing(child_budget(Budget{}, Budget{}, 1, 1)));
  }

  TEST_CASE("what a child spent counts against its parent's budget, in every measure") {
    Situation s;
    s.tool("maps", "weather", answering("rain"));
    with_weather(s);
    s.script.turns = {calls("agents__weather", {{"task", "rain?"}}), calls("maps__weather", Json::object()),
                      says("rain"), says("umbrella")};
    for (auto& turn : s.script.turns) turn.usd = 0.25;
    const auto outcome = s.run();
    REQUIRE(outcome);
    const auto& children = outcome->totals->at("children");
    CHECK(children["runs"] == 1);
    CHECK(children["steps"] == 2);
    CHECK(children["tool_calls"] == 1);
    CHECK(children["usd"] == 0.5);
    CHECK(outcome->totals->at("usd") == 0.5);
    const auto own = s.children();
    REQUIRE(own.size() == 1);
    CHECK(children["tokens"] == integer_at(*own[0].run.totals, "prefilled_tokens") +
                                    integer_at(*own[0].run.totals, "generated_tokens"));
  }

  TEST_CASE("a server that parent and child both have is connected to once and closed once") {
    Situation s;
    s.tool("maps", "weather", answering("rain"));
    with_weather(s);
    s.script.turns = {calls("agents__weather", {{"task", "a"}}),
                      calls("maps__weather", Json::object()),
                      says("rain"),
                      calls("agents__weather", {{"task", "b"}}),
                      calls("maps__weather", Json::object()),
                      says("rain"),
                      says("umbrella")};
    REQUIRE(s.run());
    CHECK(s.servers["maps"].connected == 1);
    CHECK(s.servers["maps"].shut_down == 1);
    CHECK(s.servers["maps"].calls.size() == 2);
  }

  TEST_CASE("cancelling a parent cancels the child at work, and both journals are closed") {
    Situation s;
    s.servers.add("maps", "weather", [](Json) { return never_answer(); });
    with_weather(s);
    s.script.turns = {calls("agents__weather", {{"task", "rain?"}}), calls("maps__weather", Json::object())};
    const auto outcome = s.run_cancelled_when([&] { return !s.servers["maps"].calls.empty(); });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.rows().back().kind == Kind::kCancelled);
    const auto children = s.children();
    REQUIRE(children.size() == 1);
    CHECK(children[0].run.state == RunState::kCancelled);
    CHECK(s.servers.all_reaped());
  }

  TEST_CASE("wherever the process dies, going on with the parent starts no child twice and repeats no call") {
    const auto set_up = [](Situation& s) {
      s.tool("maps", "weather", answering("rain"),
             {{"type", "object"}, {"properties", {{"idempotency_key", {{"type", "string"}}}}}});
      with_weather(s);
      s.script.turns = {calls("agents__weather", {{"task", "rain?"}}), calls("maps__weather", Json::object()),
                        says("rain"), says("umbrella")};
    };
    Situation whole;
    set_up(whole);
    REQUIRE(whole.run()->answer == "umbrella");
    std::size_t trials = 0;
    for (std::size_t at = 1; at <= whole.events.size(); ++at) {
      CAPTURE(at);
      Situation s;
      set_up(s);
      std::size_t seen = 0;
      s.run_killed_on([&](const Event&) { return ++seen == at; });
      if (s.rows().empty() || s.rows().back().kind == Kind::kRunDone) continue;
      ++trials;
      const auto outcome = s.resume();
      REQUIRE_MESSAGE(outcome, (outcome ? "" : outcome.error().text()));
      CHECK(outcome->answer == "umbrella");
      CHECK(s.children().size() == 1);
      std::set<std::string> keys;
      for (const auto& [tool, arguments] : s.servers["maps"].calls)
        keys.insert(string_at(arguments, "idempotency_key"));
      CHECK(keys.size() == 1);
      const auto replayed = await(replay_run(s.rows(), nullptr));
      REQUIRE(replayed);
      CHECK(replayed->differences.empty());
    }
    CHECK(trials > 12);
  }

  TEST_CASE("a child's secrets stay out of its parent's journal, and then the file must name a variable") {
    Situation s;
    with_weather(s,
                 {{"servers", {{"maps", {{"command", "maps"}, {"env", {{"TOKEN", "hunter2-hunter2"}}}}}}}});
    s.servers.add("maps", "weather", answering("rain"));
    s.script.turns = {calls("agents__weather", {{"task", "x"}}), says("y"), says("z")};
    REQUIRE(s.run());
    CHECK(s.at_rest().find("hunter2-hunter2") == std::string::npos);
  }

  TEST_CASE("the page of a run shows the runs of other agents within it") {
    Situation s;
    s.tool("maps", "weather", answering("rain"));
    with_weather(s);
    s.script.turns = {calls("agents__weather", {{"task", "will it rain?"}}), says("it <will>"),
                      says("umbrella")};
    REQUIRE(s.run());
    const auto page = s.outside([&](Journal& journal, const std::string& run) {
      auto exported = *journal.export_run(run);
      const auto children = *children_of(journal, run);
      for (const auto& child : children)
        exported["children"].push_back({{"parent", child.parent},
                                        {"step_key", child.step_key},
                                        {"export", *journal.export_run(child.run.id)}});
      return run_page(exported);
    });
    CHECK(page.find("Other agents") != std::string::npos);
    CHECK(page.find("it &lt;will&gt;") != std::string::npos);
    CHECK(page.find("href=\"#run-" + s.children()[0].run.id) != std::string::npos);
  }

  TEST_CASE("the newest run is one that was asked for, not one that an agent started") {
    Situation s;
    s.tool("maps", "weather", answering("rain"));
    with_weather(s);
    s.script.turns = {calls("agents__weather", {{"task", "x"}}), says("y"), says("z")};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(s.summary().id == outcome->run_id);
    const auto root = s.outside(
        [&](Journal& journal, const std::string&) { return root_of(journal, s.children()[0].run.id); });
    CHECK(*root == s.children()[0].run.id);  // Its parent has ended: there is nothing above to go on with.
  }
}
