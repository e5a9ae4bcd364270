#include <doctest/doctest.h>

#include "agent/decisions.h"
#include "agent/remote_model.h"
#include "agent/replay.h"
#include "agent/support/chat_service.h"
#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// A turn that has written something and goes on, until it is told to stop.
FakeTurn writing(std::string made, std::function<void()> before = {}) {
  FakeTurn turn;
  turn.hangs = true;
  turn.made = std::move(made);
  turn.before = std::move(before);
  return turn;
}

void cancel_from_outside(Situation& s) {
  auto told =
      s.outside([](Journal& journal, const std::string& run) { return cancel_run(journal, run, "mika"); });
  REQUIRE(told);
  CHECK_FALSE(*told);  // Its process ends it.
}

void check_replays(Situation& s) {
  const auto report = await(replay_run(s.rows(), nullptr));
  REQUIRE(report);
  CHECK(report->differences == std::vector<std::string>{});
}

}  // namespace

TEST_SUITE("agent/cancel") {
  TEST_CASE("Ctrl-C while the servers start ends the run before it began, and reaps what had started") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.use("shop");
    s.servers["shop"].start_hangs = true;
    const auto outcome = s.run_cancelled_when([&] { return s.servers["maps"].connected == 1; });
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code() == Code::kCancelled);
    CHECK(s.servers.all_reaped());
    CHECK(s.rows().empty());
  }

  TEST_CASE("Ctrl-C while the model thinks journals CANCELLED and reaps the servers") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    FakeTurn hanging;
    hanging.hangs = true;
    s.script.turns = {hanging};
    const auto outcome = s.run_cancelled_when([&] { return s.script.requests.size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT MODEL_RESULT CANCELLED");
    CHECK(outcome->totals->at("model_calls") == 1);
    CHECK(s.summary().state == RunState::kCancelled);
    CHECK(s.servers.all_reaped());
    CHECK(s.told("run_done").size() == 1);
  }

  TEST_CASE("a run that is cancelled from elsewhere ends in the middle of its model's turn") {
    for (const auto planner : {Planner::kReact, Planner::kPlan}) {
      Situation s;
      s.file.planner = planner;
      auto& server = s.tool("maps", "geo", answering("x"));
      s.script.turns = {writing("Once upon a",
                                [&] {
                                  s.clock.advance(2'000);
                                  cancel_from_outside(s);
                                }),
                        says("never said")};
      const auto outcome = s.run();
      REQUIRE(outcome);
      CHECK(outcome->state == RunState::kCancelled);
      CHECK(outcome->reason == "cancelled by a signal");
      // What the model had made by then is kept, and counts.
      CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT SIGNAL MODEL_RESULT CANCELLED");
      CHECK(outcome->totals->at("model_calls") == 1);
      CHECK(outcome->totals->at("generated_tokens") == 11);
      const Json cut = *s.rows()[3].payload;
      CHECK(cut["cut"] == "cancelled by a signal");
      CHECK(cut["message"]["text"] == "Once upon a");
      CHECK(s.script.requests.size() == 1);
      CHECK(server.calls.empty());
      CHECK(s.servers.all_reaped());
      CHECK(s.told("step_done").size() == 1);
      check_replays(s);
    }
  }

  TEST_CASE("Ctrl-C in the middle of a turn keeps what was made of it") {
    Situation s;
    s.script.turns = {writing("Once upon a")};
    const auto outcome = s.run_cancelled_when([&] { return s.script.requests.size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT MODEL_RESULT CANCELLED");
    CHECK(outcome->totals->at("generated_tokens") == 11);
    check_replays(s);
  }

  TEST_CASE(
      "a plan that is being written when its run is cancelled begins nothing more, and its tokens count") {
    Situation s;
    s.file.planner = Planner::kPlan;
    auto& server = s.tool("maps", "geo", [](Json) { return never_answer(); });
    auto turn = writing("half a plan");
    turn.hangs = false;
    turn.pieces = {R"({"steps":[{"id":"a","tool":"maps__geo","arguments":{}},)",
                   R"({"id":"b","tool":"maps__geo","arguments":{"n":2}},)"};
    bool asked = false;
    turn.goes_on = [&](std::size_t piece) {
      if (piece == 0 || server.calls.size() < 2) return piece == 0;
      if (!std::exchange(asked, true)) {
        s.clock.advance(2'000);
        cancel_from_outside(s);
      }
      return false;
    };
    s.script.turns = {turn};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(server.calls.size() == 2);
    CHECK(s.rows().back().kind == Kind::kCancelled);
    CHECK(outcome->totals->at("generated_tokens") == 11);
    for (const auto& row : s.rows()) {
      if (row.kind == Kind::kModelResult) CHECK(row.payload->contains("interrupted"));
    }
  }

  TEST_CASE("a cancelled remote turn closes its connection, and what had come of it counts") {
    Situation s;
    asio::io_context context;
    ChatService service(context);
    service.turns = {
        {.pieces = {delta({{"content", "Once upon"}}), call_piece(0, "call_1", "maps__geo", "{")},
         .hangs = true,
         .before = [&] { cancel_from_outside(s); }}};
    auto& server = s.tool("maps", "geo", answering("x"));
    auto outcome = run_to_end(
        context, run_agent(s.file, "Tell me.", s.options(),
                           [&](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
                             RemoteModelOptions options;
                             TSUKAI_TRY(options.spec, parse_remote_spec("openai:m@" + service.url()));
                             return make_remote_model(std::move(options));
                           }));
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT SIGNAL MODEL_RESULT CANCELLED");
    CHECK(s.rows()[3].payload->at("message")["text"] == "Once upon");
    CHECK(s.rows()[3].payload->at("message")["calls"].empty());
    CHECK(outcome->totals->at("generated_tokens") > 0);
    CHECK(server.calls.empty());
    CHECK(service.requests.size() == 1);
    check_replays(s);
    asio::co_spawn(context, service.close(), [](std::exception_ptr) {});
    context.restart();
    context.run();
  }

  TEST_CASE("a conversation goes on from a turn that was cancelled, and knows what was said") {
    Situation s;
    s.script.turns = {writing("Once upon a")};
    REQUIRE(s.run_cancelled_when([&] { return s.script.requests.size() == 1; }));
    const auto first = s.summary().id;
    s.script.turns = {says("time.")};
    const auto outcome = await(fork_run(first, 0, "Go on.", s.options(), s.open_model()));
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kDone);
    CHECK(contains(s.script.prompts.back().text, "Once upon a"));
    CHECK(contains(s.script.prompts.back().text, "Go on."));
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT MODEL_RESULT SIGNAL MODEL_INTENT MODEL_RESULT RUN_DONE");
    check_replays(s);
  }

  TEST_CASE("Ctrl-C during a tool call claims no result for it") {
    Situation s;
    auto& server = s.tool("shop", "pay", [](Json) { return never_answer(); });
    s.script.turns = {calls("shop__pay", Json::object())};
    const auto outcome = s.run_cancelled_when([&] { return server.calls.size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.kinds() == "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_INTENT TOOL_STARTED CANCELLED");
    CHECK(s.servers.all_reaped());
  }

  TEST_CASE("Ctrl-C with calls side by side keeps the results that had come") {
    Situation s;
    s.tool("maps", "geo", answering("here"));
    auto& shop = s.tool("shop", "pay", [](Json) { return never_answer(); });
    s.script.turns = {calls_all({{"maps__geo", Json::object()}, {"shop__pay", Json::object()}})};
    const auto outcome =
        s.run_cancelled_when([&] { return shop.calls.size() == 1 && s.told("tool_result").size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    std::size_t results = 0;
    for (const auto& row : s.rows()) {
      if (row.kind == Kind::kToolResult) ++results;
    }
    CHECK(results == 1);
    CHECK(s.servers.all_reaped());
  }

  TEST_CASE("Ctrl-C after a result keeps the result and asks for nothing more") {
    Situation s;
    s.tool("maps", "geo", answering("here"));
    s.script.turns = {calls("maps__geo", Json::object()), calls("maps__geo", {{"i", 2}}), says("too late")};
    const auto outcome = s.run_cancelled_when([&] { return s.told("tool_result").size() == 1; });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kCancelled);
    CHECK(s.servers["maps"].calls.size() == 1);
    CHECK(s.rows().back().kind == Kind::kCancelled);
  }

  TEST_CASE("a cancelled run is not remembered") {
    Situation s;
    s.file.memory_recall = 3;
    s.file.memory_scope = {"user"};
    FakeTurn hanging;
    hanging.hangs = true;
    s.script.turns = {hanging};
    REQUIRE(s.run_cancelled_when([&] { return s.script.requests.size() == 1; }));
    s.script.turns = {says("fine")};
    REQUIRE(s.run());
    CHECK(s.told("recalled").back()["episodes"].empty());
  }
}
