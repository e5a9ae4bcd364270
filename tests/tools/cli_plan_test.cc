// What a person sees of a plan: while it goes on, and afterwards.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "support/text.h"
#include "tools/support/chain_model.h"
#include "tools/support/program.h"
#include "tools/tsukai/plan_tree.h"

namespace tsukai::cli {
namespace {

// An agent that is a plan: one step, two that need it, and one that never is.
void plan_furnish(const Home& home) {
  home.write("chain.gguf", chain_model());
  const auto server = toy_server(home);
  home.write("plan.yaml",
             "name: planner\nmodel: ./chain.gguf\n"
             "servers:\n  toy: {command: sh, args: [\"" +
                 server[1] + "\", \"" + server[2] +
                 "\"]}\n"
                 "steps:\n"
                 "  - {id: first, tool: toy.greet, arguments: {name: M}}\n"
                 "  - {id: left, tool: toy.greet, arguments: {name: L}, needs: [first]}\n"
                 "  - {id: right, tool: toy.fail, needs: [first]}\n"
                 "  - {id: never, tool: toy.greet, arguments: {name: $right}}\n");
}

std::string plain(Style, std::string_view text) { return std::string(text); }

}  // namespace

TEST_SUITE("tools/tsukai/plan") {
  TEST_CASE("piped, a plan is printed once, and its calls like all calls") {
    const Home home;
    plan_furnish(home);
    const auto finished = tsukai(home, {"run", "plan.yaml", "Do it."});
    for (const std::string part :
         {"  plan of 4 steps\n", "  ○ first toy.greet {\"name\":\"M\"}\n", "  ├ ○ left toy.greet",
          "  └ ○ right toy.fail", "    └ ○ never toy.greet", "→ toy.greet {\"name\":\"M\"}", "← "}) {
      CAPTURE(part);
      CAPTURE(finished.err);
      CHECK(contains(finished.err, part));
    }
    CHECK_FALSE(contains(finished.err, "\x1b"));
    const auto shown = tsukai(home, {"runs", "show", "last"});
    for (const std::string part : {"plan    step-1/call-1\n", "✓ first toy.greet", "├ ✓ left", "└ ✗ right",
                                   "  └ – never", "← error: no luck"}) {
      CAPTURE(part);
      CAPTURE(shown.out);
      CHECK(contains(shown.out, part));
    }
    const auto mermaid = tsukai(home, {"runs", "show", "last", "--mermaid"});
    CHECK(mermaid.out ==
          "flowchart TD\n"
          "  s_first[\"first: toy__greet\"]\n  s_left[\"left: toy__greet\"]\n"
          "  s_right[\"right: toy__fail\"]\n  s_never[\"never: toy__greet\"]\n"
          "  s_first --> s_left\n  s_first --> s_right\n  s_right --> s_never\n");
    const auto json = parse_json(tsukai(home, {"runs", "show", "last", "--json"}).out);
    REQUIRE(json);
    REQUIRE((*json)["plans"].size() == 1);
    CHECK((*json)["plans"][0]["call_id"] == "step-1/call-1");
    CHECK((*json)["plans"][0]["mermaid"] == mermaid.out);
  }

  TEST_CASE("on a terminal the tree is drawn in place, and stands there finished at the end") {
    Home home;
    home.environment["TERM"] = "xterm";
    plan_furnish(home);
    const auto finished = tsukai_on_terminal(home, {"run", "plan.yaml", "Do it."});
    CAPTURE(finished.out);
    CHECK(contains(finished.out, "\x1b[4A\x1b[J"));
    CHECK_FALSE(contains(finished.out, "→"));
    const auto last = finished.out.rfind("\x1b[4A\x1b[J");
    for (const std::string part : {"first", "left", "right", "never"})
      CHECK(contains(finished.out.substr(last), part));
  }

  TEST_CASE("a run without a plan says so when its plans are asked for") {
    const Home home;
    home.write("chain.gguf", chain_model());
    home.write("agent.yaml", "name: a\nmodel: ./chain.gguf\n");
    tsukai(home, {"run", "agent.yaml", "Say hello."});
    const auto mermaid = tsukai(home, {"runs", "show", "last", "--mermaid"});
    CHECK(mermaid.out == "");
    CHECK(contains(mermaid.err, "made no plan"));
  }

  TEST_CASE(
      "what a step was asked and what came of it share the line, and nothing is wider than the terminal") {
    PlanTree tree;
    const std::string longest(300, 'x');
    tree.add({{"id", "a"}, {"tool", "maps__geo"}, {"arguments", {{"q", longest}}}});
    tree.add({{"id", "b"}, {"tool", "maps__geo"}, {"arguments", {{"q", "$a"}}}, {"needs", {"a"}}});
    tree.begin("a");
    tree.end("a", "done", longest, 1200);
    for (const std::size_t cells : {40, 80, 200}) {
      for (const auto& line : tree.lines(cells, plain)) CHECK(display_width(line) <= cells);
    }
    const auto lines = tree.lines(80, plain);
    CHECK(contains(lines[0], "✓ a maps.geo {\"q\":\"xxx"));
    CHECK(contains(lines[0], "← xxx"));
    CHECK(contains(lines[0], "1.2 s"));
    CHECK(lines[1] == "└ ○ b maps.geo {\"q\":\"$a\"}");
    CHECK(tree.over() == 1);
  }
}

}  // namespace tsukai::cli
