// What people say while a run is at work: decisions about some calls while others are made, and answers to
// servers that hold their call open (2025-11-25 and older).
#include <doctest/doctest.h>

#include <boost/asio/redirect_error.hpp>
#include <functional>
#include <optional>

#include "agent/decisions.h"
#include "agent/progress.h"
#include "agent/replay.h"
#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// A call that lasts until it is let go.
struct LongCall {
  static Task<mcp::ToolResult> last(LongCall* self) {
    self->until.emplace(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    boost::system::error_code error;
    co_await self->until->async_wait(asio::redirect_error(asio::use_awaitable, error));
    self->until.reset();  // Before the executor that it is of.
    co_return text_result("lasted");
  }
  void let_go() {
    if (until) until->cancel();
  }
  std::optional<asio::steady_timer> until;
};

// A run with one long call at `docs`; a person at another terminal speaks once they are told what waits.
struct Talking {
  Talking() {
    s.file.budget.seconds = 30;  // Where nothing is heard, the long call ends so.
    s.tool("docs", "wait", [this](Json) { return LongCall::last(&wait); });
    s.tool("shop", "pay", [this](Json) {
      wait.let_go();
      return answer_text("paid");
    });
  }
  Result<RunOutcome> run(std::function<void(const std::string&)> told) {
    auto options = s.options();
    options.on_event = [this, told](const Event& event) {
      s.events.push_back(event);
      const auto message = string_at(*event.data, "message");
      if (event.type == "notice" && contains(message, "waits for a person")) told(message);
    };
    return await(run_agent(s.file, "do it", options, s.open_model()));
  }
  void ask_before_paying() { s.file.policy = {{PolicyRule::Action::kAsk, "shop.pay", 1, {}}}; }
  void check_replay() {
    const auto replayed = await(replay_run(s.rows(), nullptr));
    REQUIRE(replayed);
    for (const auto& difference : replayed->differences) FAIL_CHECK(difference);
  }
  Situation s;
  LongCall wait;
};

const Json kWho = {
    {"message", "Who are you?"},
    {"requestedSchema",
     {{"type", "object"}, {"properties", {{"name", {{"type", "string"}}}}}, {"required", {"name"}}}}};

Task<mcp::ToolResult> ask_held(mcp::QuestionHandler* handler, Json question) {
  if (!*handler) co_return text_result("nobody to ask");
  auto answer = co_await (*handler)(JsonValue(std::move(question)));
  co_return text_result(answer ? answer->print() : "refused: " + answer.error().message());
}

// A server of an older revision: it asks in the middle of its call, and nobody sits at the terminal.
struct Holding {
  Holding() {
    s.tool("docs", "register", [this](Json) { return ask_held(&given.on_held_elicitation, kWho); });
    s.script.turns = {calls("docs__register", {{"id", 7}}), says("done")};
  }
  RuntimeOptions options(std::function<void()> told = {}) {
    auto options = s.options();
    options.connect = [this](mcp::ServerConfig config, mcp::ClientOptions client) {
      given = std::move(client);
      return s.servers.connect(std::move(config));
    };
    options.on_event = [this, told](const Event& event) {
      s.events.push_back(event);
      if (event.type == "notice" && contains(string_at(*event.data, "message"), "waits for a person") && told)
        told();
    };
    return options;
  }
  Result<RunOutcome> run(std::function<void()> told = {}) {
    return await(run_agent(s.file, "do it", options(std::move(told)), s.open_model()));
  }
  Result<void> answer(bool accept, Json content) {
    return s.outside([&](Journal& journal, const std::string& run) {
      return answer_question(journal, run, "step-1/call-1", accept, JsonValue(std::move(content)), "boss");
    });
  }
  std::string notices() const {
    std::string text;
    for (const auto& told : s.told("notice")) text += string_at(told, "message") + "\n";
    return text;
  }
  void check_replay() {
    const auto replayed = await(replay_run(s.rows(), nullptr));
    REQUIRE(replayed);
    for (const auto& difference : replayed->differences) FAIL_CHECK(difference);
  }
  Situation s;
  mcp::ClientOptions given;
};

}  // namespace

TEST_SUITE("agent/words") {
  TEST_CASE("an approval given while another call is made lets its call be made beside that one") {
    Talking t;
    t.ask_before_paying();
    t.s.script.turns = {calls_all({{"shop__pay", Json::object()}, {"docs__wait", Json::object()}}),
                        says("done")};
    std::string told;
    const auto outcome = t.run([&](const std::string& message) {
      told = message;
      REQUIRE(t.s.outside([](Journal& journal, const std::string& run) {
        return journal.give_approval(run, "step-1/call-1", true, "boss", "");
      }));
    });
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(t.s.observations() == std::vector<std::string>{"paid", "lasted"});
    CHECK(contains(told, "step-1/call-1 shop__pay waits for a person: tsukai runs approve " +
                             outcome->run_id + " step-1/call-1 [--deny] --db " + t.s.database()));
    CHECK(t.s.servers["shop"].calls.size() == 1);
    CHECK(t.s.servers["docs"].connected == 1);
    t.check_replay();
  }

  TEST_CASE("a refusal is heard as well, and what nobody decided waits on") {
    Talking t;
    t.s.tool("shop", "refund", answering("refunded"));
    t.s.file.policy = {{PolicyRule::Action::kAsk, "shop.*", 1, {}}};
    t.s.script.turns = {calls_all({{"shop__pay", Json::object()},
                                   {"shop__refund", Json::object()},
                                   {"docs__wait", Json::object()}}),
                        says("done")};
    const auto outcome = t.run([&](const std::string& message) {
      if (!contains(message, "step-1/call-2")) return;
      REQUIRE(t.s.outside([](Journal& journal, const std::string& run) {
        return journal.give_approval(run, "step-1/call-1", true, "boss", "");
      }));
    });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kWaiting);
    CHECK_FALSE(contains(outcome->reason, "step-1/call-1"));
    CHECK(contains(outcome->reason, "step-1/call-2 shop__refund"));
    CHECK(t.s.servers["shop"].calls.size() == 1);
    CHECK(t.s.summary().state == RunState::kWaiting);
    REQUIRE(t.s.outside([](Journal& journal, const std::string& run) {
      return journal.give_approval(run, "step-1/call-2", false, "boss", "no");
    }));
    REQUIRE(t.s.resume());
    CHECK(contains(t.s.observations().at(1), "boss said no"));
    t.check_replay();
  }

  TEST_CASE("what an agent's own run waits for is taken up while the run that started it is at work") {
    Talking t;
    const auto loaded = agent_file_from({{"model", "fake.gguf"},
                                         {"agents",
                                          {{"buyer",
                                            {{"description", "Buys."},
                                             {"agent",
                                              {{"servers", {{"shop", {{"command", "shop"}}}}},
                                               {"policy", Json::array({{{"ask", "shop.pay"}}})}}}}}}}},
                                        "");
    REQUIRE_MESSAGE(loaded, loaded.error().text());
    t.s.file.agents = loaded->agents;
    t.s.script.turns = {calls_all({{"agents__buyer", {{"task", "buy"}}}, {"docs__wait", Json::object()}}),
                        calls("shop__pay", Json::object()), says("bought"), says("done")};
    std::string told;
    const auto outcome = t.run([&](const std::string& message) {
      told = message;
      const auto children = t.s.children();
      REQUIRE(children.size() == 1);
      REQUIRE(t.s.outside([&](Journal& journal, const std::string&) {
        return journal.give_approval(children[0].run.id, "step-1/call-1", true, "boss", "");
      }));
    });
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(t.s.observations() == std::vector<std::string>{"bought", "lasted"});
    const auto child = t.s.children().at(0).run;
    CHECK(child.state == RunState::kDone);
    CHECK(contains(told, "step-1/call-1 agents__buyer waits for a person"));
    CHECK(contains(told, "tsukai runs approve " + child.id + " step-1/call-1 [--deny]"));
    CHECK(t.s.servers["shop"].calls.size() == 1);
    t.check_replay();
    const auto again = await(replay_run(t.s.rows(child.id), nullptr));
    REQUIRE(again);
    CHECK(again->differences.empty());
  }

  TEST_CASE("a question that a server left with its state is answered while another call is made") {
    Talking t;
    t.s.tool("docs", "register", [](Json) -> Task<mcp::ToolResult> {
      struct Ask {
        static Task<mcp::ToolResult> run() {
          co_return asking_result("Who are you?", {{"name", {{"type", "string"}}}}, "state-1");
        }
      };
      return Ask::run();
    });
    t.s.servers["docs"].continued = [&](std::string state, Json answers) {
      t.wait.let_go();
      return text_result(state + " " + print_json(answers["q"]["content"]));
    };
    t.s.script.turns = {calls_all({{"docs__register", Json::object()}, {"docs__wait", Json::object()}}),
                        says("done")};
    const auto outcome = t.run([&](const std::string&) {
      REQUIRE(t.s.outside([](Journal& journal, const std::string& run) {
        return answer_question(journal, run, "step-1/call-1", true, JsonValue(Json{{"name", "Mika"}}),
                               "boss");
      }));
    });
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(t.s.observations().at(0) == R"(state-1 {"name":"Mika"})");
    t.check_replay();
  }

  TEST_CASE("a server that asks in the middle of its call gets what somebody answers at another terminal") {
    Holding h;
    bool wrong_refused = false, shown = false;
    const auto outcome = h.run([&] {
      // It stands in the journal by then.
      const auto progress = Progress::of(h.s.rows());
      REQUIRE(progress);
      shown = progress->steps.back().calls.at(0).waits_for_answer();
      const auto wrong = h.answer(true, {{"name", 3}});
      wrong_refused = !wrong && contains(wrong.error().message(), "is not what its form wants");
      REQUIRE(h.answer(true, {{"name", "Mika"}}));
    });
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(shown);
    CHECK(wrong_refused);
    CHECK(h.s.observations().at(0) == R"({"action":"accept","content":{"name":"Mika"}})");
    CHECK(h.s.servers["docs"].calls.size() == 1);
    CHECK(contains(h.notices(),
                   "waits for a person: docs asks \"Who are you?\"; answer with: tsukai runs approve " +
                       outcome->run_id + " step-1/call-1 --db " + h.s.database() +
                       R"( --content '{"name":"..."}', or decline with --deny)"));
    CHECK(h.s.kinds() ==
          "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_INTENT TOOL_STARTED SIGNAL SIGNAL TOOL_RESULT "
          "MODEL_INTENT "
          "MODEL_RESULT RUN_DONE");
    CHECK(h.s.summary().state == RunState::kDone);
    CHECK_FALSE(h.answer(true, {{"name", "late"}}));
    h.check_replay();
  }

  TEST_CASE("what a person declines is told to the server, and a rule declines for everybody") {
    Holding h;
    REQUIRE(h.run([&] { REQUIRE(h.answer(false, nullptr)); }));
    CHECK(h.s.observations().at(0) == R"({"action":"decline"})");
    Holding denied;
    denied.s.file.policy.push_back({PolicyRule::Action::kDeny, "docs.elicitation", 0});
    REQUIRE(denied.run());
    CHECK(denied.s.observations().at(0) == R"({"action":"decline"})");
    CHECK_FALSE(denied.given.elicitation_parks);
    CHECK(denied.notices().empty());
  }

  TEST_CASE("where nobody answers in time the server is told so, and the run goes on") {
    Holding h;
    h.s.use("docs").question_timeout = std::chrono::milliseconds(1);
    const auto outcome = h.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(h.s.observations().at(0) == R"({"action":"cancel"})");
    CHECK(contains(h.notices(), "nobody answered in time (step-1/call-1)"));
    h.check_replay();
  }

  TEST_CASE("a server may ask again within its call, and each answer is for its own question") {
    Holding h;
    h.s.servers["docs"].tools[0].handler = [&](Json) -> Task<mcp::ToolResult> {
      struct Twice {
        static Task<mcp::ToolResult> run(mcp::QuestionHandler* handler) {
          auto first = co_await ask_held(handler, kWho);
          auto second = co_await ask_held(handler, kWho);
          co_return text_result(string_at((*first->content)[0], "text") + " then " +
                                string_at((*second->content)[0], "text"));
        }
      };
      return Twice::run(&h.given.on_held_elicitation);
    };
    int asked = 0;
    REQUIRE(h.run([&] { REQUIRE(h.answer(true, {{"name", ++asked == 1 ? "Mika" : "Anna"}})); }));
    CHECK(asked == 2);
    CHECK(h.s.observations().at(0) == R"({"action":"accept","content":{"name":"Mika"}} then )"
                                      R"({"action":"accept","content":{"name":"Anna"}})");
    h.check_replay();
  }

  TEST_CASE(
      "the time that a person takes is nobody's work: no budget and no limit of the call is spent by it") {
    Holding h;
    h.s.file.budget.seconds = 60;
    const auto outcome = h.run([&] {
      REQUIRE(h.answer(true, {{"name", "Mika"}}));
      h.s.clock.advance(3'600'000);
    });
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kDone);
    CHECK(outcome->totals->at("wall_ms") < 60'000);
    const auto progress = Progress::of(h.s.rows());
    REQUIRE(progress);
    CHECK(progress->active_ms < 60'000);
  }

  TEST_CASE("a secret in what a server asks does not come into the journal or before people") {
    Holding h;
    h.s.use("docs").env["TOKEN"] = "very-secret-value";
    h.s.servers["docs"].tools[0].handler = [&](Json) {
      return ask_held(&h.given.on_held_elicitation, {{"message", "Is very-secret-value yours?"}});
    };
    REQUIRE(h.run([&] { REQUIRE(h.answer(true, nullptr)); }));
    CHECK(contains(h.notices(), "Is [redacted TOKEN] yours?"));
    CHECK_FALSE(contains(h.s.at_rest(), "very-secret-value"));
  }

  TEST_CASE(
      "a process that dies while its call is held open leaves a call in doubt, and a question that is over") {
    Holding h;
    auto dying = h.options();
    bool asked = false;
    dying.on_event = [&](const Event& event) {
      asked = asked || (event.type == "notice" &&
                        contains(string_at(*event.data, "message"), "waits for a person: docs asks"));
    };
    {
      asio::io_context context;
      asio::co_spawn(context, run_agent(h.s.file, "do it", dying, h.s.open_model()),
                     [](std::exception_ptr, const Result<RunOutcome>&) {});
      while (!asked && context.run_one() > 0) {
      }
    }
    REQUIRE(asked);
    h.s.after_death();
    const auto late = h.answer(true, {{"name", "Mika"}});
    REQUIRE_FALSE(late);
    CHECK(contains(late.error().message(),
                   "asks nothing any more: the process that its server waited in is gone"));
    const auto parked = await(resume_run("last", h.options(), h.s.open_model()));
    REQUIRE(parked);
    CHECK(parked->state == RunState::kWaiting);
    CHECK(contains(h.s.kinds(), "TOOL_UNKNOWN"));
    CHECK(contains(parked->reason, "tsukai runs resolve"));
    REQUIRE(h.s.outside([](Journal& journal, const std::string& run) {
      return resolve_call(journal, run, "step-1/call-1", Resolution::kRetry, "", "boss");
    }));
    // Made again, it asks again.
    const auto outcome = await(resume_run(
        "last", h.options([&] { REQUIRE(h.answer(true, {{"name", "Mika"}})); }), h.s.open_model()));
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "done");
    CHECK(h.s.observations().at(0) == R"({"action":"accept","content":{"name":"Mika"}})");
    h.check_replay();
  }

  TEST_CASE("a question whose call ends without an answer is over with it") {
    Holding h;
    h.s.servers["docs"].tools[0].handler = [&](Json) -> Task<mcp::ToolResult> {
      struct Impatient {
        static Task<mcp::ToolResult> run(mcp::QuestionHandler* handler) {
          (void)co_await with_deadline((*handler)(JsonValue(kWho)), std::chrono::milliseconds(1), "asking");
          co_return text_result("did without");
        }
      };
      return Impatient::run(&h.given.on_held_elicitation);
    };
    const auto outcome = h.run();
    REQUIRE(outcome);
    CHECK(outcome->answer == "done");
    CHECK(h.s.observations().at(0) == "did without");
    CHECK(contains(h.notices(), "docs no longer asks"));
    CHECK(h.s.summary().state == RunState::kDone);
    h.check_replay();
  }

  TEST_CASE("a run that is cancelled while a server waits for a person ends at once") {
    Holding h;
    bool asked = false;
    h.s.file.budget.seconds = 30;
    asio::io_context context;
    asio::cancellation_signal signal;
    std::optional<Result<RunOutcome>> outcome;
    asio::co_spawn(
        context, run_agent(h.s.file, "do it", h.options([&] { asked = true; }), h.s.open_model()),
        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, Result<RunOutcome> result) {
          outcome.emplace(std::move(result));
        }));
    bool sent = false;
    while (!outcome && context.run_one() > 0) {
      if (asked && !std::exchange(sent, true)) signal.emit(asio::cancellation_type::terminal);
    }
    REQUIRE(outcome);
    REQUIRE(*outcome);
    CHECK((*outcome)->state == RunState::kCancelled);
    CHECK(h.s.summary().state == RunState::kCancelled);
  }
}
