// Replies put together from pieces, without a server.
#include "agent/remote_reply.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace tsukai;
using namespace tsukai::agent;

namespace {

const RemoteSpec& priced() {
  static const RemoteSpec spec = *parse_remote_spec("openai:m usd_in=1 usd_cached=0.1 usd_out=4");
  return spec;
}

infer::ChatReply reply_of(const std::vector<std::string>& pieces) {
  RemoteReply reply(priced());
  for (const auto& piece : pieces) {
    const auto took = reply.take(piece);
    REQUIRE_MESSAGE(took, took.error().text());
  }
  REQUIRE(reply.complete());
  return reply.reply(4000);
}

std::string delta_of(const std::string& list, const std::string& finish = "null") {
  return R"({"choices":[{"delta":{"tool_calls":[)" + list + R"(]},"finish_reason":)" + finish + "}]}";
}

Error refusal(const std::string& piece) {
  RemoteReply reply(priced());
  const auto took = reply.take(piece);
  REQUIRE(!took);
  return took.error();
}

}  // namespace

TEST_SUITE("agent/remote_reply") {
  TEST_CASE("a turn costs what was read, read again from the cache and written") {
    const auto reply = reply_of(
        {R"({"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]})",
         R"({"choices":[],"usage":{"prompt_tokens":3000,"completion_tokens":500,"prompt_cache_hit_tokens":1000}})",
         "[DONE]"});
    CHECK(reply.usage.prefilled_tokens == 2000);
    CHECK(reply.usage.reused_tokens == 1000);
    CHECK(reply.usage.usd == doctest::Approx((2000 * 1 + 1000 * 0.1 + 500 * 4) / 1e6));
  }

  TEST_CASE("where nothing is counted, it is estimated; where nonsense is, it is kept in bounds") {
    const auto estimated =
        reply_of({R"({"choices":[{"message":{"content":"12345678"},"finish_reason":"stop"}]})"});
    CHECK(estimated.usage.prompt_tokens == 1001);
    CHECK(estimated.usage.generated_tokens == 3);
    const auto bounded = reply_of(
        {R"({"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":-5,"completion_tokens":-1,)"
         R"("prompt_tokens_details":{"cached_tokens":99}}})"});
    CHECK(bounded.usage.prompt_tokens == 0);
    CHECK(bounded.usage.reused_tokens == 0);
    CHECK(bounded.usage.generated_tokens == 0);
    CHECK(bounded.usage.usd == 0);
  }

  TEST_CASE("two calls may come mixed, without numbers, or whole") {
    const auto mixed =
        reply_of({delta_of(R"({"index":0,"id":"a","function":{"name":"x","arguments":"{\"n\""}})"),
                  delta_of(R"({"index":1,"id":"b","function":{"name":"y","arguments":"{}"}})"),
                  delta_of(R"({"index":0,"function":{"arguments":":1}"}})", "\"tool_calls\"")});
    REQUIRE(mixed.message.calls.size() == 2);
    CHECK(mixed.message.calls[0].arguments->at("n") == 1);
    CHECK(mixed.message.calls[1].name == "y");
    const auto unnumbered =
        reply_of({delta_of(R"({"id":"a","function":{"name":"x","arguments":"{\"n\""}})"),
                  delta_of(R"({"function":{"arguments":":1}"}})"),
                  delta_of(R"({"id":"b","function":{"name":"y","arguments":"{}"}})", "\"stop\"")});
    REQUIRE(unnumbered.message.calls.size() == 2);
    CHECK(unnumbered.message.calls[0].arguments->at("n") == 1);
    CHECK(unnumbered.finish == infer::FinishReason::kCalls);
  }

  TEST_CASE("arguments that are JSON but no object are kept as text, for the loop to refuse") {
    for (const std::string arguments : {"[1]", "7", "\\\"x\\\"", "{\\\"a\\\":"}) {
      CAPTURE(arguments);
      const auto reply = reply_of({delta_of(
          R"({"index":0,"id":"a","function":{"name":"x","arguments":")" + arguments + "\"}}", "\"stop\"")});
      REQUIRE(reply.message.calls.size() == 1);
      CHECK(reply.message.calls[0].arguments->is_string());
    }
  }

  TEST_CASE("an error in the stream says what to do; anything else is a breach of the protocol") {
    CHECK(refusal(R"({"error":{"message":"slow down","code":429}})").code() == Code::kExhausted);
    CHECK(refusal(R"({"error":{"message":"no credit","type":"insufficient_quota","code":429}})").code() ==
          Code::kDenied);
    CHECK(refusal(R"({"error":"the engine died"})").code() == Code::kTransport);
    CHECK(refusal(R"({"error":"the engine died"})").message().find("the engine died") != std::string::npos);
    for (const char* nonsense : {"", "[]", "{}", R"({"choices":7})", "<html>", R"({"object":"error"})"})
      CHECK(refusal(nonsense).code() == Code::kProtocol);
  }

  TEST_CASE("a reply without end is refused at a bound") {
    RemoteReply reply(priced());
    const std::string piece = R"({"choices":[{"delta":{"content":")" + std::string(1u << 20, 'x') + "\"}}]}";
    Result<std::string> took = std::string();
    int pieces = 0;
    while (took && pieces < 100) {
      took = reply.take(piece);
      ++pieces;
    }
    CHECK(pieces == 17);
    CHECK(took.error().code() == Code::kExhausted);
    RemoteReply many(priced());
    Result<std::string> called = std::string();
    int calls_made = 0;
    while (called && calls_made < 1000) {
      const auto number = std::to_string(calls_made++);
      called = many.take(
          delta_of(R"({"index":)" + number + R"(,"id":")" + number + R"(","function":{"name":"x"}})"));
    }
    CHECK(calls_made == static_cast<int>(kRemoteCallsMax) + 1);
  }
}
