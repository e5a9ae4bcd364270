// Questions of servers to a person, where nobody is at hand: the run waits, and whoever answers lets it go
// on.
#include <doctest/doctest.h>

#include "agent/decisions.h"
#include "agent/replay.h"
#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// A server whose tool `register` wants a name before it does anything.
struct Registering {
  Registering() {
    s.tool("docs", "register", [](Json) -> Task<mcp::ToolResult> {
      struct Ask {
        static Task<mcp::ToolResult> run() {
          co_return asking_result("Who are you?", {{"name", {{"type", "string"}}}}, "state-1");
        }
      };
      return Ask::run();
    });
    s.servers["docs"].continued = [this](std::string state, Json answers) {
      states += state + " ";
      return text_result("registered " + print_json(answers["q"]));
    };
    s.script.turns = {calls("docs__register", {{"id", 7}}), says("done")};
  }
  Result<void> answer(bool accept, Json content) {
    return s.outside([&](Journal& journal, const std::string& run) {
      return answer_question(journal, run, "step-1/call-1", accept, JsonValue(std::move(content)), "boss");
    });
  }
  Situation s;
  std::string states;
};

}  // namespace

TEST_SUITE("agent/parked_question") {
  TEST_CASE("a run whose server asks a person waits, and goes on with the answer from another terminal") {
    Registering r;
    const auto parked = r.s.run();
    REQUIRE(parked);
    CHECK(parked->state == RunState::kWaiting);
    CHECK(contains(parked->reason, "tsukai runs approve"));
    CHECK(contains(parked->reason, "step-1/call-1 --content JSON | --deny"));
    CHECK(r.s.servers.all_reaped());
    // Without an answer it waits on.
    CHECK(r.s.resume()->state == RunState::kWaiting);
    REQUIRE(r.answer(true, {{"name", "Mika"}}));
    const auto outcome = r.s.resume();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "done");
    CHECK(r.s.observations().at(0) == R"(registered {"action":"accept","content":{"name":"Mika"}})");
    CHECK(r.states == "state-1 ");
    CHECK(r.s.servers["docs"].calls.size() == 2);
    CHECK(r.s.servers["docs"].calls[1].second == Json{{"id", 7}});
    const auto replayed = await(replay_run(r.s.rows(), nullptr));
    REQUIRE(replayed);
    CHECK(replayed->differences.empty());
  }

  TEST_CASE("an answer that is not what the form wants is refused, and the run still waits") {
    Registering r;
    REQUIRE(r.s.run());
    const auto wrong = r.answer(true, {{"name", 3}});
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code() == Code::kInvalidArgument);
    CHECK(contains(wrong.error().message(),
                   "the answer to \"Who are you?\" is not what its form wants: /name"));
    CHECK_FALSE(r.answer(true, nullptr));
    CHECK(r.s.resume()->state == RunState::kWaiting);
    REQUIRE(r.answer(false, nullptr));
    CHECK(r.s.resume()->answer == "done");
    CHECK(r.s.observations().at(0) == R"(registered {"action":"decline"})");
    const auto late = r.answer(true, {{"name", "Mika"}});
    REQUIRE_FALSE(late);
  }

  TEST_CASE("a server may ask again, and each answer goes to the state that was given with its question") {
    Registering r;
    r.s.servers["docs"].continued = [&](std::string state, Json answers) {
      r.states += state + " ";
      if (state == "state-1") return asking_result("Whose?", {{"name", {{"type", "string"}}}}, "state-2");
      return text_result("registered " + print_json(answers["q"]["content"]));
    };
    REQUIRE(r.s.run());
    REQUIRE(r.answer(true, {{"name", "Mika"}}));
    CHECK(r.s.resume()->state == RunState::kWaiting);
    REQUIRE(r.answer(true, {{"name", "Anna"}}));
    CHECK(r.s.resume()->answer == "done");
    CHECK(r.s.observations().at(0) == R"(registered {"name":"Anna"})");
    CHECK(r.states == "state-1 state-2 ");
  }

  TEST_CASE(
      "a secret in what a server wants back is not in the journal, and is there again when it goes back") {
    const std::string state = "state of secret-value-1 and ${secret:TOKEN}";
    const auto park = [&](Registering& r) {
      r.s.use("docs").env["TOKEN"] = "secret-value-1";
      r.s.file.server_entries = {
          Json{{"command", "docs"}, {"env", {{"TOKEN", "${TSUKAI_TEST_STATE_TOKEN:-}"}}}}};
      r.s.servers["docs"].tools[0].handler = [state](Json) -> Task<mcp::ToolResult> {
        struct Ask {
          static Task<mcp::ToolResult> run(std::string state) {
            co_return asking_result("Is secret-value-1 yours?", {{"name", {{"type", "string"}}}}, state);
          }
        };
        return Ask::run(state);
      };
      REQUIRE(r.s.run()->state == RunState::kWaiting);
      REQUIRE(r.answer(true, {{"name", "Mika"}}));
    };
    Registering r;
    park(r);
    CHECK_FALSE(contains(r.s.at_rest(), "secret-value-1"));
    CHECK(contains(r.s.at_rest(), "state of ${secret:TOKEN} and ${secret:}{secret:TOKEN}"));
    // The variable is gone, or is another: one sentence, and the run waits on.
    for (const auto* value : {"", "secret-value-2"}) {
      setenv("TSUKAI_TEST_STATE_TOKEN", value, 1);
      const auto refused = r.s.resume();
      REQUIRE_FALSE(refused);
      CHECK(contains(refused.error().message(),
                     "the server of step-1/call-1 can't be given back what it wants to "
                     "go on with: "));
      CHECK(contains(refused.error().message(),
                     *value == 0 ? "TOKEN is not set any more" : "a secret in it is another one now"));
      CHECK(r.s.summary().state == RunState::kWaiting);
    }
    setenv("TSUKAI_TEST_STATE_TOKEN", "secret-value-1", 1);
    const auto outcome = r.s.resume();
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "done");
    CHECK(r.states == state + " ");
    CHECK_FALSE(contains(r.s.at_rest(), "secret-value-1"));
    unsetenv("TSUKAI_TEST_STATE_TOKEN");
  }

  TEST_CASE("a process that dies while the answered call is on its way leaves it in doubt, not twice done") {
    Registering r;
    REQUIRE(r.s.run());
    REQUIRE(r.answer(true, {{"name", "Mika"}}));
    // Dies within the call that goes on.
    bool sent = false;
    r.s.servers["docs"].continued = [&](std::string, Json) {
      sent = true;
      return text_result("lost");
    };
    {
      DyingLoop loop;
      asio::co_spawn(*loop, resume_run("last", r.s.options(), r.s.open_model()),
                     [](std::exception_ptr, const Result<RunOutcome>&) {});
      while (!sent && (*loop).run_one() > 0) {
      }
    }
    REQUIRE(sent);
    r.s.clock.advance(kLeaseMs + 1);
    r.s.servers["docs"].continued = [&](std::string state, Json) {
      r.states += state;
      return text_result("registered");
    };
    CHECK(r.s.resume()->state == RunState::kWaiting);
    CHECK(contains(r.s.kinds(), "TOOL_UNKNOWN"));
    CHECK(r.states.empty());
    REQUIRE(r.s.outside([](Journal& journal, const std::string& run) {
      return resolve_call(journal, run, "step-1/call-1", Resolution::kRetry, "", "boss");
    }));
    CHECK(r.s.resume()->answer == "done");
    CHECK(r.states == "state-1");
  }

  TEST_CASE("where a person is at hand or a rule denies it, no run waits for an answer") {
    Situation s;
    s.tool("docs", "look", answering("seen"));
    mcp::ClientOptions given;
    auto options = s.options();
    options.connect = [&](mcp::ServerConfig config, mcp::ClientOptions client) {
      given = client;
      return s.servers.connect(std::move(config), std::move(client));
    };
    s.script.turns = {says("done"), says("done")};
    REQUIRE(await(run_agent(s.file, "do it", options, s.open_model())));
    CHECK(given.elicitation_parks);
    s.file.policy.push_back({PolicyRule::Action::kDeny, "docs.elicitation", 0});
    REQUIRE(await(run_agent(s.file, "do it", options, s.open_model())));
    CHECK_FALSE(given.elicitation_parks);
  }
}
