#include "agent/run.h"

#include <doctest/doctest.h>

#include <boost/asio/redirect_error.hpp>

#include "agent/prompt_rebuild.h"
#include "agent/support/situation.h"
#include "base/hash.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// A tool that answers when `count` calls of it are in flight at once.
struct Rendezvous {
  std::size_t count = 0;
  std::size_t arrived = 0;
  std::vector<std::shared_ptr<asio::steady_timer>> waiting;

  Task<mcp::ToolResult> arrive(Json arguments) {
    const auto who = arguments.dump();
    if (++arrived == count) {
      for (auto& timer : waiting) timer->cancel();
      waiting.clear();  // A timer must not outlive its event loop, which ends before this fixture does.
      co_return text_result("last: " + who);
    }
    auto timer =
        std::make_shared<asio::steady_timer>(co_await asio::this_coro::executor, std::chrono::hours(1));
    waiting.push_back(timer);
    boost::system::error_code error;
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_return text_result("met: " + who);
  }
};

}  // namespace

TEST_SUITE("agent/run") {
  TEST_CASE("a tool call, its observation and the answer") {
    Situation s;
    s.tool("maps", "geo", answering("31.2, 121.4"));
    s.script.turns = {calls("maps__geo", {{"address", "old gate"}}), says("It is at 31.2, 121.4.")};
    const auto outcome = s.run("where is the old gate?");
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kDone);
    CHECK(outcome->answer == "It is at 31.2, 121.4.");
    CHECK(s.servers["maps"].calls ==
          std::vector<std::pair<std::string, Json>>{{"geo", {{"address", "old gate"}}}});
    CHECK(s.observations() == std::vector<std::string>{"31.2, 121.4"});
    CHECK(s.servers.all_reaped());
    CHECK(s.summary().state == RunState::kDone);
    CHECK(s.summary().answer == outcome->answer);
  }

  TEST_CASE("every arrow of the loop is one journal row, in order") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.script.turns = {calls("maps__geo", Json::object()), says("done")};
    REQUIRE(s.run());
    CHECK(s.kinds() ==
          "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_INTENT TOOL_STARTED TOOL_RESULT MODEL_INTENT "
          "MODEL_RESULT RUN_DONE");
    CHECK(s.rows()[3].step_key == "step-1/call-1");
    CHECK(s.rows()[6].step_key == "step-2");
  }

  TEST_CASE("the journal alone rebuilds every prompt, byte for byte and token for token") {
    Situation s;
    s.tool("maps", "geo", answering("31.2, 121.4 \"quoted\" 外滩"));
    s.tool("shop", "pay", [](Json) { return fail_text("no money"); });
    s.script.turns = {calls("maps__geo", {{"a", 1}}),
                      calls_all({{"maps__geo", {{"a", 2}}}, {"shop__pay", Json::object()}}), says("done")};
    REQUIRE(s.run("あの門はどこ?"));
    const auto rebuilt = rebuild_prompts(s.rows());
    REQUIRE(rebuilt);
    REQUIRE(rebuilt->size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK((*rebuilt)[i].text == s.script.prompts[i].text);
      CHECK((*rebuilt)[i].tokens == s.script.prompts[i].tokens);
    }
  }

  TEST_CASE("a prompt that does not match its journaled hash is reported with its row") {
    Situation s;
    s.script.turns = {says("done")};
    REQUIRE(s.run());
    auto rows = s.rows();
    Json payload = *rows[1].payload;
    payload["text"] = payload["text"].get<std::string>() + "!";
    rows[1].payload = payload;
    const auto rebuilt = rebuild_prompts(rows);
    REQUIRE_FALSE(rebuilt);
    CHECK(rebuilt.error().code() == Code::kCorrupt);
    CHECK(contains(rebuilt.error().message(), "row 2"));
  }

  TEST_CASE("a turn cut inside a character is rebuilt byte for byte") {
    Situation s;
    s.script.turns = {{.text = "\xe5\xa4", .finish = infer::FinishReason::kLength}, says("done")};
    REQUIRE(s.run());
    const auto rebuilt = rebuild_prompts(s.rows());
    REQUIRE(rebuilt);
    CHECK((*rebuilt)[1].text == s.script.prompts[1].text);
    CHECK(contains((*rebuilt)[1].text, "\xe5\xa4<|end|>"));
  }

  TEST_CASE("the context only grows: each prompt begins with the one before and its reply") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    for (int i = 0; i < 5; ++i) s.script.turns.push_back(calls("maps__geo", {{"i", i}}));
    s.script.turns.push_back(says("done"));
    const auto outcome = s.run();
    REQUIRE(outcome);
    for (std::size_t i = 1; i < s.script.prompts.size(); ++i) {
      CHECK(s.script.prompts[i].text.starts_with(s.script.prompts[i - 1].text));
      CHECK(s.script.prompts[i].kept_tokens >= s.script.prompts[i - 1].tokens.size());
    }
    CHECK(outcome->totals->at("tokens_recomputed") == 0);
    CHECK(outcome->totals->at("prefix_hit_ratio").get<double>() > 0.7);
  }

  TEST_CASE("tokens that a turn left unread are new in the next one, and what is computed twice is counted") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.script.turns = {calls("maps__geo", {{"i", 1}}), calls("maps__geo", {{"i", 2}}), says("done")};
    s.script.turns[0].unread = 7;
    s.script.turns[1].unread = 1;
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->totals->at("tokens_recomputed") == 0);
    std::int64_t prompts = 0;
    for (const auto& prompt : s.script.prompts)
      prompts += static_cast<std::int64_t>(prompt.tokens.size() - prompt.kept_tokens);
    CHECK(outcome->totals->at("prefilled_tokens") == prompts + 7 + 1);

    Situation forgetful;
    forgetful.tool("maps", "geo", answering("x"));
    forgetful.script.turns = {calls("maps__geo", {{"i", 1}}), says("done")};
    // Nine tokens are computed for the second time; that one of them was unread is all the first turn says.
    forgetful.script.turns[0].unread = 1;
    forgetful.script.turns[0].forgets = 9;
    CHECK(forgetful.run()->totals->at("tokens_recomputed") == 9);
  }

  TEST_CASE("totals add up what the model and the tools used") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.tool("maps", "bad", [](Json) { return fail_text("no"); });
    s.script.turns = {
        calls_all(
            {{"maps__geo", Json::object()}, {"maps__bad", Json::object()}, {"maps__none", Json::object()}}),
        says("done")};
    const auto totals = *s.run()->totals;
    CHECK(totals["steps"] == 2);
    CHECK(totals["model_calls"] == 2);
    CHECK(totals["tool_calls"] == 2);
    CHECK(totals["tool_errors"] == 1);
    CHECK(totals["tool_refusals"] == 1);
    const auto prompts = s.script.prompts[0].tokens.size() + s.script.prompts[1].tokens.size();
    CHECK(totals["prompt_tokens"] == prompts);
    CHECK(totals["prefilled_tokens"].get<std::size_t>() + totals["reused_tokens"].get<std::size_t>() ==
          prompts);
    CHECK(s.summary().totals->at("steps") == 2);
  }

  TEST_CASE("an error of a tool goes back to the model and the run goes on") {
    Situation s;
    s.tool("maps", "geo", [](Json) { return fail_text("no such address"); });
    s.script.turns = {calls("maps__geo", Json::object()), says("I could not find it.")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(s.observations() == std::vector<std::string>{"error: no such address"});
    CHECK(s.told("tool_result")[0]["is_error"] == true);
  }

  TEST_CASE("a server that dies during a call is an observation, and each death is told") {
    Situation s;
    s.tool("maps", "geo",
           [](Json) { return fail_call(Error(Code::kTransport, "maps: the server exited with 9")); });
    s.script.turns = {calls("maps__geo", {{"i", 1}}), calls("maps__geo", {{"i", 2}}), says("no luck")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(contains(s.observations()[0], "exited with 9"));
    CHECK(contains(s.observations()[0], "whether the call took effect is not known"));
    // It answered again in between.
    CHECK(s.told("server_failed").size() == 2);
  }

  TEST_CASE("a call that takes too long is an observation that warns of its possible effect") {
    Situation s;
    s.tool("shop", "pay",
           [](Json) { return fail_call(Error(Code::kTimeout, "shop.pay did not answer within 60000 ms")); });
    s.script.turns = {calls("shop__pay", Json::object()), says("unsure")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(contains(s.observations()[0], "not known"));
  }

  TEST_CASE("one server that does not start degrades only itself") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.use("shop");
    s.servers["shop"].does_not_start = Error(Code::kNotFound, "tsukai-shop: no such command", "install it");
    s.script.turns = {calls("maps__geo", Json::object()), says("done")};
    CHECK(s.run()->state == RunState::kDone);
    REQUIRE(s.told("server_failed").size() == 1);
    CHECK(s.told("server_failed")[0]["server"] == "shop");
    CHECK(s.told("server_failed")[0]["error"]["code"] == "not_found");
    CHECK(s.told("server_started")[0]["server"] == "maps");
  }

  TEST_CASE("when no server starts the run does not either, and the first reason is given") {
    Situation s;
    s.use("maps");
    s.servers["maps"].does_not_start = Error(Code::kNotFound, "tsukai-maps: no such command", "install it");
    const auto outcome = s.run();
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code() == Code::kNotFound);
    CHECK(contains(outcome.error().message(), "tsukai-maps"));
    CHECK(s.rows().empty());
  }

  TEST_CASE("an unknown tool is answered with the nearest name") {
    Situation s;
    s.tool("maps", "geocode", answering("x"));
    s.script.turns = {calls("maps__geocod", Json::object()), says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(contains(s.observations()[0], "did you mean maps__geocode?"));
    CHECK(s.servers["maps"].calls.empty());
  }

  TEST_CASE("arguments against the schema never reach the server") {
    Situation s;
    const Json schema = {
        {"type", "object"}, {"properties", {{"n", {{"type", "integer"}}}}}, {"required", {"n"}}};
    s.tool("maps", "geo", answering("x"), schema);
    s.script.turns = {calls("maps__geo", {{"n", "seven"}}), says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(s.servers["maps"].calls.empty());
    CHECK(contains(s.observations()[0], "/n"));
  }

  TEST_CASE("a denied call is an observation that names the rule, and the server never hears of it") {
    Situation s;
    s.tool("shop", "refund", answering("x"));
    s.file.policy = {{PolicyRule::Action::kDeny, "shop.refund", 14}};
    s.script.turns = {calls("shop__refund", Json::object()), says("not allowed")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(s.servers["shop"].calls.empty());
    CHECK(contains(s.observations()[0], "deny: shop.refund (line 14)"));
    CHECK(s.kinds() ==
          "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_RESULT MODEL_INTENT MODEL_RESULT RUN_DONE");
  }

  TEST_CASE("a policy rule that names no tool stops the run before it starts") {
    Situation s;
    s.tool("shop", "refund", answering("x"));
    s.file.policy = {{PolicyRule::Action::kDeny, "shop.refnud", 14}};
    const auto outcome = s.run();
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code() == Code::kInvalidArgument);
    CHECK(contains(outcome.error().remedy(), "shop.refund"));
    CHECK(s.servers.all_reaped());
  }

  TEST_CASE("a tool whose schema the grammar can't honour is left out and said so") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.tool("maps", "odd", answering("x"));
    s.script.unsupported_tool = "maps__odd";
    s.script.unsupported = {"/properties/x: if"};
    s.script.turns = {says("done")};
    CHECK(s.run()->state == RunState::kDone);
    REQUIRE(s.script.requests[0].tools.size() == 1);
    CHECK(s.script.requests[0].tools[0].name == "maps__geo");
    CHECK(contains(s.told("notice")[0]["message"].get<std::string>(), "/properties/x: if"));
  }

  TEST_CASE("the tools of a file restrict what the model is shown") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.tool("maps", "weather", answering("x"));
    s.file.tools = {"maps.g*"};
    s.script.turns = {says("done")};
    REQUIRE(s.run());
    REQUIRE(s.script.requests[0].tools.size() == 1);
    CHECK(s.script.requests[0].tools[0].name == "maps__geo");
  }

  TEST_CASE("the calls of one turn run side by side and are answered in the order of the calls") {
    Situation s;
    Rendezvous rendezvous{.count = 3};
    s.tool("maps", "geo", [&](Json arguments) { return rendezvous.arrive(std::move(arguments)); });
    s.script.turns = {
        calls_all({{"maps__geo", {{"i", 1}}}, {"maps__geo", {{"i", 2}}}, {"maps__geo", {{"i", 3}}}}),
        says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(s.observations() ==
          std::vector<std::string>{"met: {\"i\":1}", "met: {\"i\":2}", "last: {\"i\":3}"});
    CHECK(s.kinds().starts_with(
        "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_INTENT TOOL_INTENT TOOL_INTENT TOOL_STARTED"));
  }

  TEST_CASE("more calls than may run side by side are still all made") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    std::vector<std::pair<std::string, Json>> many;
    for (int i = 0; i < 20; ++i) many.emplace_back("maps__geo", Json{{"i", i}});
    s.script.turns = {calls_all(many), says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(s.servers["maps"].calls.size() == 20);
  }

  TEST_CASE("a turn cut by its length never dispatches a call") {
    Situation s;
    s.tool("shop", "pay", answering("paid"));
    auto cut = calls("shop__pay", {{"amount", 1}});
    cut.finish = infer::FinishReason::kLength;
    s.script.turns = {cut, says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(s.servers["shop"].calls.empty());
    CHECK(contains(s.script.requests[1].messages.back().text, "cut off"));
  }

  TEST_CASE("secrets of the servers never reach prompts, events or the file at rest") {
    Situation s;
    s.tool("shop", "who",
           [](Json) { return answer_text("token=s3cr3t-t0ken-value Bearer abcdefgh12345678"); });
    s.use("shop").env = {{"SHOP_TOKEN", "s3cr3t-t0ken-value"}};
    s.use("shop").headers = {{"Authorization", "Bearer abcdefgh12345678"}};
    s.script.turns = {calls("shop__who", Json::object()), says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(s.observations()[0] == "token=[redacted SHOP_TOKEN] [redacted Authorization]");
    for (const auto* secret : {"s3cr3t-t0ken-value", "abcdefgh12345678"}) {
      CHECK_FALSE(contains(s.at_rest(), secret));
      for (const auto& event : s.events) CHECK_FALSE(contains(event.data.print(), secret));
    }
  }

  TEST_CASE("a long result is cut for the model, which is told so") {
    Situation s;
    s.tool("search", "read", [](Json) { return answer_text(std::string(50'000, 'a')); });
    s.script.turns = {calls("search__read", Json::object()), says("done")};
    CHECK(s.run()->state == RunState::kDone);
    CHECK(s.observations()[0].size() < 17'000);
    CHECK(s.observations()[0].ends_with("[cut: the first 16384 of 50000 bytes are shown]"));
  }

  TEST_CASE("required-first demands a call once") {
    Situation s;
    s.tool("maps", "geo", answering("x"));
    s.file.tool_choice = infer::ToolChoice::kRequired;
    s.file.tool_choice_first_only = true;
    s.script.turns = {calls("maps__geo", Json::object()), says("done")};
    REQUIRE(s.run());
    CHECK(s.script.requests[0].tool_choice == infer::ToolChoice::kRequired);
    CHECK(s.script.requests[1].tool_choice == infer::ToolChoice::kAuto);
  }

  TEST_CASE("an answer against output.schema is asked for again") {
    Situation s;
    s.file.output_schema = Json{{"type", "object"}, {"required", {"answer"}}};
    s.script.turns = {says("{}"), says("{\"answer\":1}")};
    const auto outcome = s.run();
    CHECK(outcome->state == RunState::kDone);
    CHECK(outcome->answer == "{\"answer\":1}");
    CHECK(contains(s.script.requests[1].messages.back().text, "answer"));
  }

  TEST_CASE("a model that fails ends the run as failed with its reason") {
    Situation s;
    s.script.turns = {{.failure = Error(Code::kTransport, "the engine has gone")}};
    const auto outcome = s.run();
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kFailed);
    CHECK(contains(outcome->answer, "the engine has gone"));
    CHECK(s.summary().state == RunState::kFailed);
  }
}
