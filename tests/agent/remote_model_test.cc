#include "agent/remote_model.h"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <map>

#include "agent/replay.h"
#include "agent/support/chat_service.h"
#include "agent/support/situation.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

constexpr const char* kKey = "sk-very-secret-0123456789";

infer::ToolDefinition remote_model_tool(const std::string& name, const Json& schema = {{"type", "object"}}) {
  return {name, "Does it.", schema};
}

infer::Message said(infer::Role role, const std::string& text) {
  infer::Message message;
  message.role = role;
  message.text = text;
  return message;
}

// A service, a model that speaks to it, and a conversation.
struct Talk {
  asio::io_context context;
  ChatService service{context};
  std::unique_ptr<infer::ChatModel> model;
  infer::ChatRequest request;
  infer::Transcript transcript;
  std::string shown;

  explicit Talk(const std::string& more = "",
                std::chrono::milliseconds idle_timeout = std::chrono::milliseconds(120'000)) {
    auto spec = parse_remote_spec("openai:m@" + service.url() + more);
    REQUIRE(spec);
    RemoteModelOptions options;
    options.spec = *spec;
    options.key = kKey;
    options.back_off = std::chrono::milliseconds(1);
    options.idle_timeout = idle_timeout;
    model = make_remote_model(std::move(options));
    request.messages = {said(infer::Role::kSystem, "Be brief."), said(infer::Role::kUser, "Hello.")};
  }

  Task<infer::ChatReply> ask_and_close() {
    auto prompt = model->render(request, transcript);
    if (!prompt) co_return fail(prompt.error());
    auto reply = co_await model->generate(request, *prompt, [this](std::string_view text) { shown += text; });
    if (reply) {
      transcript.text = prompt->text + reply->text;
      request.messages.push_back(reply->message);
    }
    co_return reply;
  }
  Result<infer::ChatReply> ask() { return run_to_end(context, ask_and_close()); }
  infer::ChatReply good() {
    auto reply = ask();
    REQUIRE_MESSAGE(reply, reply.error().text());
    return *std::move(reply);
  }
  ~Talk() {
    model.reset();
    asio::co_spawn(context, service.close(), [](std::exception_ptr) {});
    context.restart();
    context.run();
  }
};

}  // namespace

TEST_SUITE("agent/remote_model") {
  TEST_CASE("text is streamed as it comes, and the usage of the provider is counted") {
    Talk talk(" usd_in=1 usd_cached=0.1 usd_out=2");
    talk.service.turns = {{.pieces = {delta({{"content", "Good "}}), delta({{"content", "day."}}),
                                      delta(Json::object(), "stop"), usage(100, 60, 5), kDoneEvent}}};
    const auto reply = talk.good();
    CHECK(reply.message.text == "Good day.");
    CHECK(talk.shown == "Good day.");
    CHECK(reply.finish == infer::FinishReason::kStop);
    CHECK(reply.usage.prompt_tokens == 100);
    CHECK(reply.usage.reused_tokens == 60);
    CHECK(reply.usage.prefilled_tokens == 40);
    CHECK(reply.usage.generated_tokens == 5);
    CHECK(reply.usage.usd == doctest::Approx(40e-6 + 6e-6 + 10e-6));
    REQUIRE(talk.service.requests.size() == 1);
    CHECK(talk.service.requests[0].target == "/v1/chat/completions");
    CHECK(header_text(talk.service.requests[0].headers, "Authorization") == std::string("Bearer ") + kKey);
    const Json body = talk.service.body(0);
    CHECK(body["model"] == "m");
    CHECK(body["stream"] == true);
    CHECK(body["messages"][1]["content"] == "Hello.");
    CHECK(body["temperature"] == 0);
    CHECK(!body.contains("tools"));
    CHECK(!contains(talk.service.requests[0].body, kKey));
  }

  TEST_CASE("calls are put together from their pieces, and a next prompt only adds to the one before") {
    Talk talk;
    talk.request.tools = {remote_model_tool("maps__geo")};
    talk.request.tool_choice = infer::ToolChoice::kRequired;
    talk.request.calls_max = 1;
    talk.service.turns = {call_turn("maps__geo", R"({"address": "Old Gate"})"), text_turn("There.")};
    const auto reply = talk.good();
    CHECK(reply.finish == infer::FinishReason::kCalls);
    REQUIRE(reply.message.calls.size() == 1);
    CHECK(reply.message.calls[0].id == "call_1");
    CHECK(reply.message.calls[0].name == "maps__geo");
    CHECK(reply.message.calls[0].arguments->at("address") == "Old Gate");
    const Json first = talk.service.body(0);
    CHECK(first["tool_choice"] == "required");
    CHECK(first["parallel_tool_calls"] == false);
    CHECK(first["tools"][0]["function"]["name"] == "maps__geo");

    auto answer = said(infer::Role::kTool, "at 1,2");
    answer.call_id = "call_1";
    talk.request.messages.push_back(answer);
    talk.request.tool_choice = infer::ToolChoice::kAuto;
    const auto before = talk.transcript.text;
    const auto prompt = talk.model->render(talk.request, talk.transcript);
    REQUIRE(prompt);
    // All messages of before are kept.
    CHECK(contains(prompt->text.substr(0, prompt->kept_bytes), "\"Hello.\""));
    CHECK(prompt->text.compare(0, prompt->kept_bytes, before, 0, prompt->kept_bytes) == 0);
    CHECK(prompt->text.size() - prompt->kept_bytes < 450);
    CHECK(prompt->tokens.empty());
    CHECK(talk.good().message.text == "There.");
    const Json second = talk.service.body(1);
    CHECK(second["messages"][2]["tool_calls"][0]["function"]["arguments"] == R"({"address":"Old Gate"})");
    CHECK(second["messages"][3]["role"] == "tool");
    CHECK(second["messages"][3]["tool_call_id"] == "call_1");
  }

  TEST_CASE("arguments that are no JSON object come as they are, and go back so") {
    Talk talk;
    talk.request.tools = {remote_model_tool("maps__geo")};
    talk.service.turns = {call_turn("maps__geo", R"({"address": "Old)"), text_turn("Sorry.")};
    const auto reply = talk.good();
    REQUIRE(reply.message.calls.size() == 1);
    CHECK(*reply.message.calls[0].arguments == R"({"address": "Old)");
    talk.good();
    CHECK(talk.service.body(1)["messages"][2]["tool_calls"][0]["function"]["arguments"] ==
          R"({"address": "Old)");
  }

  TEST_CASE("a turn cut by its length makes no call, also not in the history") {
    Talk talk;
    talk.request.tools = {remote_model_tool("maps__geo")};
    talk.service.turns = {
        {.pieces = {delta({{"content", "Let me"}}), call_piece(0, "call_1", "maps__geo", "{\"a"),
                    delta(Json::object(), "length"), kDoneEvent}},
        text_turn("ok")};
    const auto reply = talk.good();
    CHECK(reply.finish == infer::FinishReason::kLength);
    CHECK(reply.message.calls.empty());
    CHECK(reply.usage.prompt_tokens > 10);  // Estimated: the service counted nothing.
    talk.good();
    CHECK(!talk.service.body(1)["messages"][2].contains("tool_calls"));
  }

  TEST_CASE("a busy or broken service is asked again, a wrong request is not") {
    Talk talk;
    talk.service.turns = {error_turn(429, "slow down", {{"Retry-After", "0"}}), error_turn(503, "overloaded"),
                          error_turn(500, "oops"), text_turn("At last.")};
    CHECK(talk.good().message.text == "At last.");
    CHECK(talk.service.requests.size() == 4);
    CHECK(talk.service.requests[3].body == talk.service.requests[0].body);

    talk.service.turns = {error_turn(500, "1"), error_turn(500, "2"), error_turn(500, "3"),
                          error_turn(500, "4"), text_turn("too late")};
    auto given_up = talk.ask();
    REQUIRE(!given_up);
    CHECK(given_up.error().code() == Code::kTransport);
    CHECK(contains(given_up.error().message(), "after 4 attempts: the provider answered 500: 4"));

    talk.service.turns = {error_turn(400, "messages: wrong"), text_turn("never")};
    auto wrong = talk.ask();
    REQUIRE(!wrong);
    CHECK(wrong.error().code() == Code::kInvalidArgument);
    CHECK(contains(wrong.error().message(), "messages: wrong"));
    CHECK(talk.service.turns.size() == 1);
  }

  TEST_CASE("a wait that is longer than anybody would wait is told instead") {
    Talk talk;
    talk.service.turns = {error_turn(429, "later", {{"Retry-After", "7200"}})};
    auto reply = talk.ask();
    REQUIRE(!reply);
    CHECK(reply.error().code() == Code::kExhausted);
    CHECK(contains(reply.error().message(), "asked to wait 7200 s"));
    talk.service.turns = {error_turn(429, "later", {{"Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT"}})};
    CHECK(!talk.ask());
    CHECK(talk.service.requests.size() == 2);
  }

  TEST_CASE("a stream that is cut is asked again; what was shown is not shown twice") {
    Talk talk;
    talk.service.turns = {{.pieces = {delta({{"content", "Good d"}})}}, text_turn("Good day.")};
    CHECK(talk.good().message.text == "Good day.");
    CHECK(talk.shown == "Good d");
    talk.shown.clear();
    talk.service.turns = {{.pieces = {": waiting\n\n"}}, text_turn("Good night.")};
    CHECK(talk.good().message.text == "Good night.");
    CHECK(talk.shown == "Good night.");
  }

  TEST_CASE("a service that falls silent is given up after a while and asked again") {
    Talk talk("", std::chrono::milliseconds(50));
    talk.service.turns = {{.pieces = {delta({{"content", "Good"}})}, .hangs = true}, text_turn("Good day.")};
    CHECK(talk.good().message.text == "Good day.");
    CHECK(talk.service.requests.size() == 2);
  }

  TEST_CASE("a call's arguments are heard as they come, each byte once, under the call's name and place") {
    Talk talk;
    talk.request.tools = {remote_model_tool("maps__geo"), remote_model_tool("plan")};
    std::map<std::size_t, std::string> heard;
    std::size_t firsts = 0;
    talk.request.on_call = [&](const infer::CallPiece& piece) {
      heard[piece.call] += std::string(piece.first ? piece.name : "") + std::string(piece.arguments);
      firsts += piece.first ? 1 : 0;
      return false;
    };
    talk.service.turns = {{.pieces = {call_piece(0, "a", "maps__geo", ""), call_piece(0, "", "", "{\"x\""),
                                      call_piece(0, "", "", ":1}"), call_piece(1, "b", "plan", "{}"),
                                      delta(Json::object(), "tool_calls"), kDoneEvent}}};
    CHECK(talk.good().message.calls.size() == 2);
    CHECK(heard == std::map<std::size_t, std::string>{{0, R"(maps__geo{"x":1})"}, {1, "plan{}"}});
    CHECK(firsts == 2);
  }

  TEST_CASE("once something was begun from a turn, a cut stream is not asked for again") {
    for (const bool begun : {false, true}) {
      CAPTURE(begun);
      Talk talk;
      talk.request.tools = {remote_model_tool("plan")};
      talk.request.on_call = [&](const infer::CallPiece&) { return begun; };
      talk.service.turns = {{.pieces = {call_piece(0, "a", "plan", "{\"steps\":[")}},
                            call_turn("plan", "{}")};
      const auto reply = talk.ask();
      CHECK(reply.has_value() != begun);
      CHECK(talk.service.requests.size() == (begun ? 1 : 2));
      if (!reply) CHECK(reply.error().code() == Code::kTransport);
    }
  }

  TEST_CASE("what is no chat completion is the provider's fault and not asked again") {
    for (const std::string nonsense :
         {"data: {not json}\n\n", "data: {\"object\": \"list\"}\n\n", "data: [1]\n\n"}) {
      CAPTURE(nonsense);
      Talk talk;
      talk.service.turns = {{.pieces = {nonsense, kDoneEvent}}, text_turn("never")};
      auto reply = talk.ask();
      REQUIRE(!reply);
      CHECK(reply.error().code() == Code::kProtocol);
      CHECK(talk.service.requests.size() == 1);
    }
    Talk talk;
    talk.service.turns = {{.pieces = {event({{"error", {{"message", "the engine died"}, {"code", 500}}}})}},
                          text_turn("again")};
    CHECK(talk.good().message.text == "again");
  }

  TEST_CASE("errors say what to do, and never hold the key") {
    struct Answer {
      int status;
      std::string message;
      Code code;
    };
    for (const auto& [status, message, code] :
         {Answer{401, std::string("Incorrect API key provided: ") + kKey, Code::kDenied},
          Answer{404, "no such model", Code::kNotFound}, Answer{402, "no balance", Code::kDenied},
          Answer{400, "This model's maximum context length is 8192 tokens", Code::kExhausted}}) {
      CAPTURE(status);
      Talk talk;
      talk.service.turns = {error_turn(status, message)};
      auto reply = talk.ask();
      REQUIRE(!reply);
      CHECK(reply.error().code() == code);
      CHECK(!reply.error().remedy().empty());
      CHECK(!contains(reply.error().text(), kKey));
    }
  }

  TEST_CASE("a server that does not stream is understood as well") {
    Talk talk;
    Json message = {
        {"role", "assistant"},
        {"content", nullptr},
        {"tool_calls", Json::array({{{"id", "a"}, {"function", {{"name", "t"}, {"arguments", {{"n", 1}}}}}},
                                    {{"function", {{"name", "u"}, {"arguments", ""}}}}})}};
    talk.service.turns = {
        {.headers = {{"Content-Type", "application/json"}},
         .pieces = {
             print_json({{"choices", Json::array({{{"message", message}, {"finish_reason", "stop"}}})}})}}};
    const auto reply = talk.good();
    CHECK(reply.finish == infer::FinishReason::kCalls);
    REQUIRE(reply.message.calls.size() == 2);
    CHECK(reply.message.calls[0].arguments->at("n") == 1);
    CHECK(reply.message.calls[1].arguments->empty());
    CHECK(!reply.message.calls[1].id.empty());
  }

  TEST_CASE("reasoning is kept apart from the answer") {
    Talk talk;
    talk.service.turns = {{.pieces = {delta({{"reasoning_content", "Hm"}}), delta({{"reasoning", "m."}}),
                                      delta({{"content", "42"}}, "stop"), kDoneEvent}}};
    const auto reply = talk.good();
    CHECK(reply.message.reasoning == "Hmm.");
    CHECK(reply.message.text == "42");
    CHECK(talk.shown == "42");
    CHECK(!contains(reply.text, "Hm"));
  }

  TEST_CASE("an output schema is sent, strict where the schema allows it") {
    Talk talk;
    const Json closed = {{"type", "object"},
                         {"properties", {{"n", {{"type", "integer"}}}}},
                         {"required", {"n"}},
                         {"additionalProperties", false}};
    talk.request.output_schema = closed;
    talk.service.turns = {text_turn("{\"n\":1}"), text_turn("{}")};
    talk.good();
    const Json format = talk.service.body(0)["response_format"];
    CHECK(format["type"] == "json_schema");
    CHECK(format["json_schema"]["strict"] == true);
    CHECK(format["json_schema"]["schema"] == closed);
    talk.request.output_schema = Json{{"type", "object"}, {"properties", {{"n", {{"type", "integer"}}}}}};
    talk.good();
    CHECK(!talk.service.body(1)["response_format"]["json_schema"].contains("strict"));
  }

  TEST_CASE("sampling that a provider can't do is refused by name") {
    Talk talk;
    talk.request.sampling.top_k = 3;
    const auto prompt = talk.model->render(talk.request, {});
    REQUIRE(!prompt);
    CHECK(prompt.error().code() == Code::kUnsupported);
    CHECK(contains(prompt.error().message(), "sampling.top_k"));
    talk.request.sampling = {.temperature = 0.7f, .seed = 7};
    const auto body = parse_json(talk.model->render(talk.request, {})->text);
    CHECK(body->at("temperature") == 0.7);
    CHECK(body->at("seed") == 7);
    talk.request.sampling.logit_bias = {{271, -100}, {9, 2.5f}};
    talk.request.stop = {"END"};
    const auto biased = parse_json(talk.model->render(talk.request, {})->text);
    CHECK(biased->at("logit_bias") == Json{{"271", -100}, {"9", 2.5}});
    CHECK(biased->at("stop") == Json::array({"END"}));
  }

  TEST_CASE("cancelling ends the request") {
    Talk talk;
    asio::cancellation_signal signal;
    talk.service.turns = {{.pieces = {delta({{"content", "Once upon"}})}, .hangs = true}};
    std::optional<Result<infer::ChatReply>> outcome;
    asio::co_spawn(talk.context, talk.ask_and_close(),
                   asio::bind_cancellation_slot(
                       signal.slot(), [&](std::exception_ptr error, Result<infer::ChatReply> reply) {
                         outcome.emplace(error ? fail(Code::kCancelled, "cancelled") : std::move(reply));
                       }));
    bool sent = false;
    while (!outcome && talk.context.run_one() > 0) {
      if (sent || talk.shown.empty()) continue;
      sent = true;
      signal.emit(asio::cancellation_type::terminal);
    }
    REQUIRE(outcome);
    REQUIRE(!*outcome);
    CHECK(outcome->error().code() == Code::kCancelled);
    CHECK(talk.service.requests.size() == 1);
  }
}

TEST_SUITE("agent/remote_run") {
  TEST_CASE("a run with a remote model calls its tools, is journaled without the key, and can be replayed") {
    Situation s;
    s.tool("maps", "geo", answering("at 1,2"), {{"type", "object"}, {"required", {"address"}}});
    asio::io_context context;
    ChatService service(context);
    service.turns = {call_turn("maps__geo", "{\"adress\": 1}"),
                     call_turn("maps__geo", "{\"address\": \"Old Gate\"}"), text_turn("At 1,2.")};
    s.file.model = "openai:m@" + service.url() + " key=${TSUKAI_TEST_KEY}";
    setenv("TSUKAI_TEST_KEY", kKey, 1);
    const auto open = open_remote_models(s.open_model());
    auto outcome = run_to_end(context, run_agent(s.file, "Where is the gate?", s.options(), open));
    REQUIRE(outcome);
    CHECK(outcome->state == RunState::kDone);
    CHECK(outcome->answer == "At 1,2.");
    CHECK(outcome->totals->at("reused_tokens") == 60);
    // The wrong arguments were told to the model, not to the server.
    CHECK(s.servers["maps"].calls.size() == 1);
    CHECK(contains(service.body(1)["messages"].back()["content"], "not valid"));
    CHECK(s.at_rest().find(kKey) == std::string::npos);
    const auto report = await(replay_run(s.rows(), nullptr));
    REQUIRE(report);
    CHECK(report->differences.empty());
    unsetenv("TSUKAI_TEST_KEY");
    auto refused = open(s.file.model, 0);
    REQUIRE(!refused);
    CHECK(contains(refused.error().text(), "TSUKAI_TEST_KEY is not set"));
    asio::co_spawn(context, service.close(), [](std::exception_ptr) {});
    context.restart();
    context.run();
  }

  TEST_CASE("a remote model's plan is done while it is streamed") {
    Situation s;
    s.file.planner = Planner::kPlan;
    s.tool("maps", "geo", answering("at 1,2"));
    asio::io_context context;
    ChatService service(context);
    const std::string first = R"({"steps":[{"id":"a","tool":"maps__geo","arguments":{}},)";
    const std::string second = R"({"id":"b","tool":"maps__geo","arguments":{"from":"$a"}}]})";
    service.turns = {{.pieces = {call_piece(0, "call_1", "plan", first), call_piece(0, "", "", second),
                                 delta(Json::object(), "tool_calls"), usage(100, 0, 7), kDoneEvent}},
                     text_turn("There.")};
    s.file.model = "openai:m@" + service.url() + " key=none";
    auto outcome =
        run_to_end(context, run_agent(s.file, "Where?", s.options(), open_remote_models(s.open_model())));
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    CHECK(outcome->answer == "There.");
    CHECK(s.servers["maps"].calls.size() == 2);
    CHECK(s.servers["maps"].calls[1].second["from"] == "at 1,2");
    CHECK(s.told("plan_step").size() == 2);
    const auto report = await(replay_run(s.rows(), nullptr));
    REQUIRE(report);
    CHECK(report->differences.empty());
    asio::co_spawn(context, service.close(), [](std::exception_ptr) {});
    context.restart();
    context.run();
  }
}
