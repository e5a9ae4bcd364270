// What servers of a run ask of its model and of people, and servers that are lost in the middle of a run.
#include "agent/server_questions.h"

#include <doctest/doctest.h>

#include "agent/progress.h"
#include "agent/replay.h"
#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

const Json kSampling = {
    {"messages", Json::array({{{"role", "user"}, {"content", {{"type", "text"}, {"text", "sum it up"}}}}})},
    {"maxTokens", 20}};
const Json kForm = {{"message", "Who are you?"}, {"requestedSchema", {{"type", "object"}}}};

// A tool that asks something first, through whatever its client was given, and tells what came of it.
Task<mcp::ToolResult> ask_first(mcp::QuestionHandler& handler, Json question) {
  if (!handler) co_return text_result("nobody to ask");
  auto answer = co_await handler(JsonValue(std::move(question)));
  co_return text_result(answer ? answer->print() : "refused: " + answer.error().message());
}

Task<JsonValue> accept(int& asked) {
  ++asked;
  co_return JsonValue(Json{{"action", "accept"}, {"content", {{"name", "Mika"}}}});
}

// A run whose server `docs` asks from inside its tools.
struct Asking {
  Asking() {
    s.tool("docs", "sum_up", [this](Json) { return ask_first(given.on_sampling, kSampling); });
    s.tool("docs", "register", [this](Json) { return ask_first(given.on_elicitation, kForm); });
  }
  Result<RunOutcome> run(Elicit elicit = {}) {
    auto options = s.options();
    options.elicit = std::move(elicit);
    options.connect = [this](mcp::ServerConfig config, mcp::ClientOptions client) {
      given = std::move(client);
      return s.servers.connect(std::move(config));
    };
    return await(run_agent(s.file, "do it", options, s.open_model()));
  }
  void rule(PolicyRule::Action action, const std::string& pattern) {
    s.file.policy.push_back({action, pattern, 0});
  }
  Situation s;
  mcp::ClientOptions given;
  int asked = 0;
};

}  // namespace

TEST_SUITE("agent/server_questions") {
  TEST_CASE("a server's question is answered by the run's model where the policy allows it by name") {
    Asking a;
    a.rule(PolicyRule::Action::kAllow, "docs.sampling");
    a.s.script.turns = {calls("docs__sum_up", Json::object()), says("a summary"), says("done")};
    const auto outcome = a.run();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "done");
    REQUIRE(a.s.observations().size() == 1);
    CHECK(contains(a.s.observations()[0], "a summary"));
    REQUIRE(a.s.script.requests.size() == 3);
    CHECK(a.s.script.requests[1].messages.back().text == "sum it up");
    CHECK(a.s.script.requests[1].tokens_max == 20);
    CHECK(a.s.script.requests[1].tools.empty());
  }

  TEST_CASE(
      "what servers ask of the model is in the run's journal and budget, and a replay spends it again") {
    Asking a;
    a.rule(PolicyRule::Action::kAllow, "docs.sampling");
    a.s.script.turns = {calls("docs__sum_up", Json::object()), says("a summary"), says("done")};
    for (auto& turn : a.s.script.turns) turn.usd = 0.25;
    const auto outcome = a.run();
    REQUIRE(outcome);
    CHECK(a.s.kinds() ==
          "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_INTENT TOOL_STARTED SAMPLING_INTENT SAMPLING_RESULT "
          "TOOL_RESULT MODEL_INTENT MODEL_RESULT RUN_DONE");
    const auto& sampling = outcome->totals->at("sampling");
    CHECK(sampling["calls"] == 1);
    CHECK(sampling["usd"] == 0.25);
    CHECK(integer_at(sampling, "tokens") > static_cast<std::int64_t>(std::string("a summary").size()));
    CHECK(outcome->totals->at("usd") == 0.5);
    CHECK(outcome->totals->at("model_calls") == 2);
    for (const auto& row : a.s.rows()) {
      if (row.kind != Kind::kSamplingIntent && row.kind != Kind::kSamplingResult) continue;
      CHECK(row.step_key == "sampling-1");
      CHECK(string_at(*row.payload, "server") == "docs");
      if (row.kind == Kind::kSamplingIntent) CHECK(contains(string_at(*row.payload, "text"), "sum it up"));
    }
    CHECK(a.s.outside([](Journal& journal, const std::string& run) { return journal.verify(run); })->empty());
    const auto replayed = await(replay_run(a.s.rows(), nullptr));
    REQUIRE(replayed);
    CHECK(replayed->differences.empty());
  }

  TEST_CASE("a server that asks again and again is stopped by each limit of the run's budget") {
    Asking a;
    a.rule(PolicyRule::Action::kAllow, "docs.sampling");
    std::string why;
    SUBCASE("tokens") {
      a.s.file.budget.tokens = 1'500;
      a.s.file.budget.steps = 100;
      why = "the run's budget of 1500 tokens has";
    }
    SUBCASE("model calls, which are steps") {
      a.s.file.budget.steps = 5;
      why = "the run's budget of 5 steps has none to spare";
    }
    SUBCASE("money") {
      a.s.file.budget.usd = 2;
      why = "the run's budget of 2 USD has nothing to spare";
    }
    SUBCASE("and the number of answers to servers") {
      a.s.file.budget.steps = 100;
      why = "servers have asked this run's model 32 times already";
    }
    a.s.script.turns.push_back(calls("docs__ask_on", Json::object()));
    for (int i = 0; i < 40; ++i) a.s.script.turns.push_back(says("more"));
    for (auto& turn : a.s.script.turns) turn.usd = 0.2;
    a.s.tool("docs", "ask_on", [&a](Json) -> Task<mcp::ToolResult> {
      struct AskOn {
        static Task<mcp::ToolResult> run(Asking& a) {
          for (int i = 0; i < 40; ++i) {
            auto answer = co_await a.given.on_sampling(JsonValue(kSampling));
            if (!answer) co_return text_result("refused: " + answer.error().message());
          }
          co_return text_result("never refused");
        }
      };
      return AskOn::run(a);
    });
    const auto outcome = a.run();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    REQUIRE(a.s.observations().size() == 1);
    CHECK(contains(a.s.observations()[0], why));
    CHECK(contains(string_at(a.s.told("notice")[0], "message"), "asked the model"));
    // What the run lands with was not touched: it still has its last turn.
    CHECK(a.s.kinds().ends_with("MODEL_INTENT MODEL_RESULT RUN_DONE"));
    CHECK(integer_at(*outcome->totals, "prefilled_tokens") +
              integer_at(*outcome->totals, "generated_tokens") +
              integer_at(outcome->totals->at("sampling"), "tokens") <=
          a.s.file.budget.tokens);
    const auto replayed = await(replay_run(a.s.rows(), nullptr));
    REQUIRE(replayed);
    CHECK(replayed->differences.empty());
  }

  TEST_CASE("a server that an agent calls spends of that agent's share, and so of the whole run's") {
    Asking a;
    a.rule(PolicyRule::Action::kAllow, "docs.sampling");
    const auto loaded = agent_file_from(
        {{"model", "fake.gguf"},
         {"agents", {{"reader", {{"agent", {{"servers", {{"docs", {{"command", "docs"}}}}}}}}}}}},
        "");
    REQUIRE_MESSAGE(loaded, (loaded ? "" : loaded.error().text()));
    a.s.file.agents = loaded->agents;
    a.s.script.turns = {calls("agents__reader", {{"task", "read"}}), calls("docs__sum_up", Json::object()),
                        says("a summary"), says("read"), says("done")};
    const auto outcome = a.run();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "done");
    CHECK_FALSE(outcome->totals->contains("sampling"));
    const auto children = a.s.children();
    REQUIRE(children.size() == 1);
    const auto& own = *children[0].run.totals;
    CHECK(own["sampling"]["calls"] == 1);
    CHECK(outcome->totals->at("children")["steps"] == 3);
    CHECK(outcome->totals->at("children")["tokens"] == integer_at(own, "prefilled_tokens") +
                                                           integer_at(own, "generated_tokens") +
                                                           integer_at(own["sampling"], "tokens"));
  }

  TEST_CASE("a run that goes on after its process died still counts what servers were lent") {
    Asking a;
    a.rule(PolicyRule::Action::kAllow, "docs.sampling");
    a.s.script.turns = {calls("docs__sum_up", Json::object()), says("a summary"), says("done")};
    const auto outcome = a.run();
    REQUIRE(outcome);
    const auto rows = a.s.rows();
    const auto progress = Progress::of(rows);
    REQUIRE(progress);
    CHECK(progress->totals.sampling.calls == 1);
    CHECK(progress->situation.spent.steps == 1);
    CHECK(progress->totals.json(0)["sampling"] == outcome->totals->at("sampling"));
  }

  TEST_CASE("without a rule the model is not lent to servers, and the person is told how to lend it") {
    Asking a;
    a.s.script.turns = {calls("docs__sum_up", Json::object()), says("done")};
    REQUIRE(a.run());
    CHECK(contains(a.s.observations().at(0), "refused: "));
    REQUIRE_FALSE(a.s.told("notice").empty());
    CHECK(contains(string_at(a.s.told("notice").back(), "message"), "allow: docs.sampling"));
  }

  TEST_CASE("a rule that says ask puts each such question before the person") {
    Asking a;
    a.rule(PolicyRule::Action::kAsk, "docs.sampling");
    a.s.script.turns = {calls("docs__sum_up", Json::object()), says("a summary"), says("done")};
    REQUIRE(a.run([&](std::string, JsonValue) { return accept(a.asked); }));
    CHECK(a.asked == 1);
    CHECK(contains(a.s.observations().at(0), "a summary"));
  }

  TEST_CASE("a form is put before the person at hand, unless a rule denies it") {
    Asking a;
    a.s.script.turns = {calls("docs__register", Json::object()), says("done")};
    REQUIRE(a.run([&](std::string, JsonValue) { return accept(a.asked); }));
    CHECK(a.asked == 1);
    CHECK(contains(a.s.observations().at(0), "Mika"));
    a.rule(PolicyRule::Action::kDeny, "docs.elicitation");
    a.s.script.turns = {calls("docs__register", Json::object()), says("done")};
    REQUIRE(a.run([&](std::string, JsonValue) { return accept(a.asked); }));
    CHECK(a.asked == 1);
    CHECK(contains(a.s.observations().at(0), "decline"));
  }

  TEST_CASE("where nobody is at hand, servers are told that there is nobody to ask") {
    Asking a;
    a.s.script.turns = {calls("docs__register", Json::object()), says("done")};
    REQUIRE(a.run());
    CHECK(a.s.observations().at(0) == "nobody to ask");
  }

  TEST_CASE("after its run a server's questions are refused, whoever still holds its client") {
    Asking a;
    a.rule(PolicyRule::Action::kAllow, "docs.sampling");
    a.s.script.turns = {says("done")};
    REQUIRE(a.run());
    const auto late = await(a.given.on_sampling(JsonValue(kSampling)));
    REQUIRE_FALSE(late);
    CHECK(late.error().code() == Code::kDenied);
  }

  TEST_CASE("a tool that changes in the middle of a run is refused from then on") {
    Asking a;
    a.s.tool("docs", "learn", [&a](Json) -> Task<mcp::ToolResult> {
      struct Learn {
        static Task<mcp::ToolResult> run(Asking& a) {
          for (auto& tool : a.s.servers["docs"].tools) tool.description = "rewritten";
          TSUKAI_CO_TRY_VOID(co_await a.given.on_changed(mcp::Changed::kTools));
          co_return text_result("learned");
        }
      };
      return Learn::run(a);
    });
    a.s.script.turns = {calls("docs__learn", Json::object()), calls("docs__sum_up", Json::object()),
                        says("done")};
    REQUIRE(a.run());
    CHECK(a.s.told("tool_changed").size() == 3);
    CHECK(a.s.script.requests.back().tools.size() == a.s.script.requests.front().tools.size());
    CHECK(contains(a.s.observations().at(1), "has changed while it was used"));
  }

  TEST_CASE("a server that is lost in the middle of a run is started again, and the next call waits for it") {
    Situation s;
    int called = 0;
    FakeServer* shop = nullptr;
    shop = &s.tool("shop", "pay", [&](Json) {
      if (++called > 1) return answer_text("paid");
      shop->dead = true;
      return fail_call(Error(Code::kTransport, "the server died"));
    });
    s.script.turns = {calls("shop__pay", Json::object()), calls("shop__pay", {{"again", true}}),
                      says("done")};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(s.observations().at(1) == "paid");
    CHECK(shop->connected == 2);
    CHECK(s.servers.all_reaped());
    CHECK(s.told("server_failed").size() == 1);
    CHECK(s.told("server_started").size() == 2);
  }
}
