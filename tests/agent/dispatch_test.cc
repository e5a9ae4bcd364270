// How the calls of a turn are started, and what that costs the disk.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "agent/journal_writer.h"
#include "agent/support/situation.h"
#include "base/gate.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// How many calls were in flight at once, at most, and alone with whom.
struct Traffic {
  int now = 0, most = 0;
  std::vector<std::string> beside;  // "pay beside 2"

  FakeHandler handler(std::string tool) {
    return [this, tool](Json arguments) { return pass(tool, std::move(arguments)); };
  }
  Task<mcp::ToolResult> pass(std::string tool, Json) {
    beside.push_back(tool + " beside " + std::to_string(now));
    most = std::max(most, ++now);
    for (int turns = 0; turns < 20; ++turns) co_await asio::post(asio::use_awaitable);
    --now;
    co_return text_result("ok");
  }
  bool saw(const std::string& line) const {
    return std::find(beside.begin(), beside.end(), line) != beside.end();
  }
};

std::vector<std::pair<std::string, Json>> many(const std::string& tool, int count) {
  std::vector<std::pair<std::string, Json>> all;
  for (int i = 0; i < count; ++i) all.emplace_back(tool, Json{{"i", i}});
  return all;
}

}  // namespace

TEST_SUITE("agent/dispatch") {
  TEST_CASE("eight independent steps of a plan are in flight together, and a diamond follows its inputs") {
    Situation s;
    Traffic traffic;
    s.tool("maps", "geo", traffic.handler("geo"));
    Json steps = Json::array();
    for (int i = 0; i < 8; ++i)
      steps.push_back({{"id", "a" + std::to_string(i)}, {"tool", "maps__geo"}, {"arguments", {{"i", i}}}});
    steps.push_back({{"id", "last"}, {"tool", "maps__geo"}, {"needs", {"a0", "a7"}}});
    s.file.steps = Json{{"steps", steps}};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(traffic.most == 8);
    CHECK(traffic.beside.back() == "geo beside 0");
    CHECK(s.servers["maps"].calls.size() == 9);
  }

  TEST_CASE("a tool marked destructive runs alone, in its place") {
    Situation s;
    Traffic traffic;
    s.tool("shop", "look", traffic.handler("look"));
    s.servers["shop"].tools.back().annotations = mcp::ToolAnnotations{.read_only = true};
    s.tool("shop", "wipe", traffic.handler("wipe"));
    s.servers["shop"].tools.back().annotations = mcp::ToolAnnotations{.destructive = true};
    auto all = many("shop__look", 3);
    all.insert(all.begin() + 2, {"shop__wipe", Json::object()});
    s.script.turns = {calls_all(all), says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(traffic.saw("wipe beside 0"));
    CHECK(traffic.beside[1] == "look beside 1");
    CHECK(traffic.beside[3] == "look beside 0");
  }

  TEST_CASE("a server gets no more calls at once than it is to have, others go on meanwhile") {
    Situation s;
    Traffic maps, shop;
    s.tool("maps", "geo", maps.handler("geo"));
    s.tool("shop", "look", shop.handler("look"));
    s.file.parallel_calls_per_server = 2;
    s.file.parallel_calls = 5;
    auto all = many("shop__look", 2);
    for (auto& each : many("maps__geo", 6)) all.push_back(std::move(each));
    s.script.turns = {calls_all(all), says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(maps.most == 2);
    CHECK(shop.most == 2);
    CHECK(s.servers["maps"].calls.size() == 6);
  }

  TEST_CASE("a step of one call is two commits: the call before it is made, its result before it is used") {
    Situation s;
    auto writer = Writer::open(s.database());
    REQUIRE(writer);
    auto shared = JournalWriter::open(**writer, s.clock);
    REQUIRE(shared);
    std::uint64_t at_call = 0, works = 0;
    s.tool("maps", "geo", [&](Json) {
      at_call = (*writer)->counts().commits;
      return answer_text("x");
    });
    for (int i = 0; i < 10; ++i) {
      auto turn = calls("maps__geo", {{"i", i}});
      turn.before = [&] { works = (*writer)->counts().commits; };
      s.script.turns.push_back(turn);
    }
    s.script.turns.push_back(says("done"));
    auto options = s.options();
    options.writer = shared->get();
    const auto before = (*writer)->counts().commits;
    REQUIRE(await(run_agent(s.file, "do it", options, s.open_model())));
    CHECK(at_call > works);  // The intent and the start, after the model's turn.
    // Beyond two a step: the start, the signals looked at, the first prompt, the last answer, the end.
    CHECK((*writer)->counts().commits - before <= 2 * 10 + 5);
    CHECK(s.kinds().starts_with(
        "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_INTENT TOOL_STARTED TOOL_RESULT MODEL_INTENT"));
  }

  TEST_CASE("runs that share a writer share commits, and each has its own whole journal") {
    Situation s;
    auto writer = Writer::open(s.database());
    REQUIRE(writer);
    auto shared = JournalWriter::open(**writer, s.clock);
    REQUIRE(shared);
    constexpr int kRuns = 8;
    std::vector<std::unique_ptr<Situation>> runs;
    asio::io_context context;
    std::vector<std::string> ids;
    for (int i = 0; i < kRuns; ++i) {
      runs.push_back(std::make_unique<Situation>());
      auto& each = *runs.back();
      each.tool("maps", "geo", answering("x"));
      for (int n = 0; n < 5; ++n) each.script.turns.push_back(calls("maps__geo", {{"n", n}}));
      each.script.turns.push_back(says("done"));
      auto options = each.options();
      options.database_path = s.database();
      options.clock = &s.clock;
      options.writer = shared->get();
      asio::co_spawn(context, run_agent(each.file, "do it", options, each.open_model()),
                     [&](std::exception_ptr, Result<RunOutcome> outcome) {
                       REQUIRE(outcome);
                       CHECK(outcome->state == RunState::kDone);
                       ids.push_back(outcome->run_id);
                     });
    }
    context.run();
    REQUIRE(ids.size() == kRuns);
    const auto counts = (*writer)->counts();
    CHECK(counts.commits < counts.works);
    for (const auto& id : ids) {
      CHECK(s.rows(id).size() == 1 + 6 * 2 + 5 * 3 + 1);
      const auto defects =
          s.outside([&](Journal& journal, const std::string&) { return journal.verify(id); });
      CHECK((defects && defects->empty()));
    }
  }
}
