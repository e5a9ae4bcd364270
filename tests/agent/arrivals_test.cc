// Tools that come and go while a run goes on, and servers that start late.
#include <doctest/doctest.h>

#include <boost/asio/redirect_error.hpp>

#include "agent/support/learning.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

const std::string kNews =
    "There is a new tool, which can be called now:\n"
    R"({"description":"Dances.","name":"docs__dance","parameters":{"type":"object"}})";

}  // namespace

TEST_SUITE("agent/arrivals") {
  TEST_CASE(
      "a tool that a server adds in the middle of a run can be called, and nothing told before changes") {
    Learning l;
    l.script_all();
    const auto outcome = l.s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(l.s.observations().at(1) == "danced");
    const auto& requests = l.s.script.requests;
    REQUIRE(requests.size() == 3);
    CHECK(requests[0].told_tools.empty());
    CHECK(requests[1].tools.size() == 2);
    REQUIRE(requests[1].told_tools.size() == 1);
    CHECK(requests[1].told_tools[0].name == "docs__dance");
    CHECK(requests[1].messages.back().role == infer::Role::kUser);
    CHECK(requests[1].messages.back().text == kNews);
    CHECK(requests[2].told_tools.size() == 1);
    for (std::size_t i = 1; i < l.s.script.prompts.size(); ++i)
      CHECK(l.s.script.prompts[i].text.starts_with(l.s.script.prompts[i - 1].text));
    CHECK(outcome->totals->at("tokens_recomputed") == 0);
    l.check_all_the_same();
  }

  TEST_CASE("a run that was killed after the news goes on with the same bytes") {
    for (const auto* at : {"tool_result", "step_started", "step_done"}) {
      CAPTURE(at);
      Learning whole, cut;
      whole.script_all();
      REQUIRE(whole.s.run());
      cut.script_all();
      // The process dies as the first result is there, or within the second turn; the server is as it was.
      cut.s.run_killed_at(at, std::string(at) == "tool_result" ? 1 : 2);
      const auto outcome = cut.s.resume();
      REQUIRE_MESSAGE(outcome, outcome.error().text());
      CHECK(outcome->answer == "done");
      CHECK(cut.s.script.prompts.back().text == whole.s.script.prompts.back().text);
      cut.check_all_the_same();
    }
  }

  TEST_CASE("a conversation that goes on knows the tools that came during it") {
    Learning l;
    l.script_all();
    REQUIRE(l.s.run());
    l.s.script.turns = {calls("docs__dance", {{"again", true}}), says("danced twice")};
    const auto outcome = await(fork_run("last", 0, "once more", l.s.options(), l.s.open_model()));
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "danced twice");
    CHECK(l.s.script.requests.back().told_tools.size() == 1);
    CHECK(l.s.observations().back() == "danced");
  }

  TEST_CASE("a tool that came while nobody ran is news to the run that goes on") {
    Learning l;
    l.s.tool("docs", "wait", answering("waited"));
    l.s.script.turns = {calls("docs__wait", Json::object())};
    l.s.run_killed_at("tool_result", 1);
    l.s.servers.add("docs", "dance", answering("danced")).tools.back().description = "Dances.";
    // The turn that had begun is asked for again as it was; the news comes with the next.
    l.s.script.turns = {calls("docs__wait", {{"again", true}}), calls("docs__dance", Json::object()),
                        says("done")};
    const auto outcome = l.s.resume();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "done");
    CHECK(l.s.observations().back() == "danced");
    l.check_all_the_same();
  }

  TEST_CASE("a tool that its server no longer offers is refused, and can be called once it is back") {
    Learning l;
    l.s.script.turns = {calls("docs__learn", Json::object()),  calls("docs__forget", Json::object()),
                        calls("docs__dance", Json::object()),  calls("docs__learn", {{"again", true}}),
                        calls("docs__dance", {{"now", true}}), says("done")};
    const auto outcome = l.s.run();
    REQUIRE(outcome);
    CHECK(contains(l.s.observations().at(2), "docs__dance is no longer offered by its server"));
    CHECK(l.s.observations().back() == "danced");
    std::string notices;
    for (const auto& told : l.s.told("notice")) notices += string_at(told, "message") + "\n";
    CHECK(contains(notices, "docs no longer offers dance"));
    CHECK(l.s.servers["docs"].calls.size() == 4);
    l.check_all_the_same();
  }

  TEST_CASE("many new tools are told a bounded text at a time") {
    Situation s;
    s.tool("docs", "learn", [&](Json) -> Task<mcp::ToolResult> {
      struct Learn {
        static Task<mcp::ToolResult> run(FakeServer& docs) {
          for (int i = 0; i < 10; ++i)
            docs.tools.push_back({"tool_" + std::to_string(i),
                                  {{"type", "object"}},
                                  answering("x"),
                                  {},
                                  std::string(3'000, 'd')});
          TSUKAI_CO_TRY_VOID(co_await docs.on_changed(mcp::Changed::kTools));
          co_return text_result("learned");
        }
      };
      return Learn::run(s.servers["docs"]);
    });
    s.script.turns = {calls("docs__learn", Json::object()), calls("docs__tool_0", Json::object()),
                      calls("docs__tool_5", Json::object()), says("done")};
    REQUIRE(s.run());
    CHECK(s.script.requests[1].told_tools.size() == 4);
    CHECK(s.script.requests[2].told_tools.size() == 8);
    CHECK(s.script.requests[3].told_tools.size() == 10);
    CHECK(s.observations().back() == "x");
  }

  TEST_CASE("a server that did not start is tried again, and its tools come into the run that went on") {
    Situation s;
    s.tool("late", "help", answering("helped"));
    s.servers["late"].does_not_start = Error(Code::kTransport, "no connection yet");
    // Waits until the other server is there, which is told by an event.
    std::optional<asio::steady_timer> there;
    s.tool("docs", "wait", [&](Json) -> Task<mcp::ToolResult> {
      struct Wait {
        static Task<mcp::ToolResult> run(std::optional<asio::steady_timer>& there, FakeServer& late) {
          there.emplace(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
          late.does_not_start.reset();
          boost::system::error_code error;
          co_await there->async_wait(asio::redirect_error(asio::use_awaitable, error));
          there.reset();  // Before the executor that it is of.
          co_return text_result("it is there");
        }
      };
      return Wait::run(there, s.servers["late"]);
    });
    s.script.turns = {calls("docs__wait", Json::object()), calls("late__help", Json::object()), says("done")};
    auto options = s.options();
    options.on_event = [&](const Event& event) {
      s.events.push_back(event);
      if (event.type == "server_started" && string_at(*event.data, "server") == "late" && there)
        there->cancel();
    };
    const auto outcome = await(run_agent(s.file, "do it", options, s.open_model()));
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(s.observations().back() == "helped");
    CHECK(s.told("server_failed").size() == 1);
    CHECK(s.servers.all_reaped());
  }

  TEST_CASE("a program that is not there is not tried again, and a run does not wait for a server") {
    Situation s;
    s.tool("docs", "look", answering("seen"));
    s.use("gone");
    s.servers["gone"].does_not_start = Error(Code::kNotFound, "no such program");
    s.use("away");
    s.servers["away"].does_not_start = Error(Code::kTransport, "no connection");
    s.script.turns = {calls("docs__look", Json::object()), says("done")};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(s.told("server_failed").size() == 2);
    CHECK(s.servers.all_reaped());
  }
}
