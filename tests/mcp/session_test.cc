#include "mcp/session.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "support/await.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::mcp;
using namespace std::chrono_literals;

namespace {

// A session whose peer is a list of what was sent.
struct Bench {
  explicit Bench(asio::any_io_executor executor)
      : session(executor, [this](const Message& message) -> Result<void> {
          sent.push_back(message);
          return {};
        }) {}
  std::vector<Message> sent;
  Session session;
};

RequestOptions within(std::chrono::milliseconds idle, std::chrono::milliseconds most = 10s) {
  return {idle, most, {}, true};
}

Task<void> answer_soon(Bench& bench) {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  const auto id = bench.sent.at(0).id;
  bench.session.deliver(result(Json(999), Json{{"from", "a stranger"}}));
  bench.session.deliver(result(Json("1"), Json{{"from", "a stranger"}}));
  bench.session.deliver(result(id, Json{{"n", 1}}));
  bench.session.deliver(result(id, Json{{"n", 2}}));
  co_return Result<void>();
}

Task<Json> ask_and_answer() {
  Bench bench(co_await asio::this_coro::executor);
  Gate gate(co_await asio::this_coro::executor);
  gate.spawn(answer_soon(bench));
  TSUKAI_CO_TRY(auto reply, co_await bench.session.call("tools/call", Json::object(), within(5s)));
  co_await gate.drained();
  bench.session.deliver(result(bench.sent.at(0).id, Json{{"n", 3}}));
  co_return **reply;
}

Task<std::vector<Message>> run_into_deadline(std::string& text) {
  Bench bench(co_await asio::this_coro::executor);
  auto reply = co_await bench.session.call("tools/call", Json::object(), within(5ms));
  text = reply ? "answered" : reply.error().text();
  co_return bench.sent;
}

Task<void> keep_busy(Bench& bench, int times) {
  for (int i = 0; i < times; ++i) {
    TSUKAI_CO_TRY_VOID(co_await sleep_for(10ms));
    bench.session.deliver(notification(
        "notifications/progress",
        Json{{"progressToken", *bench.sent.at(0).id}, {"progress", i}, {"message", "still here"}}));
  }
  bench.session.deliver(result(bench.sent.at(0).id, Json::object()));
  co_return Result<void>();
}

Task<std::string> with_progress(RequestOptions options, int times, int& seen) {
  Bench bench(co_await asio::this_coro::executor);
  Gate gate(co_await asio::this_coro::executor);
  gate.spawn(keep_busy(bench, times));
  options.on_progress = [&](const Progress& progress) { seen += progress.message == "still here"; };
  auto reply = co_await bench.session.call("tools/call", Json::object(), std::move(options));
  co_await gate.close();
  co_return reply ? std::string("answered") : reply.error().text();
}

// A person is asked for six times the call's limit; `answers` false: and then there is no result either.
Task<std::string> held_for_a_while(bool answers) {
  Bench bench(co_await asio::this_coro::executor);
  Gate gate(co_await asio::this_coro::executor);
  struct Person {
    static Task<void> ask(Bench& bench, bool answers) {
      {
        const auto held = bench.session.hold(), again = bench.session.hold();
        TSUKAI_CO_TRY_VOID(co_await sleep_for(120ms));
      }
      if (answers) bench.session.deliver(result(bench.sent.at(0).id, Json::object()));
      co_return Result<void>();
    }
  };
  gate.spawn(Person::ask(bench, answers));
  auto reply = co_await bench.session.call("tools/call", Json::object(), within(20ms, 20ms));
  co_await gate.drained();
  co_return reply ? std::string("answered") : reply.error().text();
}

Task<std::vector<Message>> cancel_a_call() {
  auto executor = co_await asio::this_coro::executor;
  Bench bench(executor);
  struct Caller {
    static Task<void> run(Bench& bench) {
      auto reply = co_await bench.session.call("tools/call", Json::object(), within(5s));
      CHECK(reply.error().code() == Code::kCancelled);
      co_return Result<void>();
    }
  };
  Gate gate(executor);
  gate.spawn(Caller::run(bench));
  TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  co_await gate.close();
  CHECK(bench.session.in_flight() == 0);
  co_return bench.sent;
}

Task<std::vector<Code>> break_the_connection() {
  auto executor = co_await asio::this_coro::executor;
  Bench bench(executor);
  std::vector<Code> codes;
  struct Caller {
    static Task<void> run(Bench& bench, std::vector<Code>& codes) {
      auto reply = co_await bench.session.call("tools/call", Json::object(), within(5s));
      codes.push_back(reply.error().code());
      co_return Result<void>();
    }
  };
  Gate gate(executor);
  for (int i = 0; i < 3; ++i) gate.spawn(Caller::run(bench, codes));
  TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  bench.session.break_off(Error(Code::kTransport, "it died"));
  co_await gate.drained();
  auto late = co_await bench.session.call("ping", Json::object(), within(5s));
  codes.push_back(late.error().code());
  co_return codes;
}

}  // namespace

TEST_SUITE("mcp/session") {
  TEST_CASE("the first answer counts; strangers, second answers and late ones are ignored") {
    CHECK(await(ask_and_answer()).value()["n"] == 1);
  }

  TEST_CASE("every request carries a progress token of its own") {
    std::string text;
    auto sent = await(run_into_deadline(text));
    CHECK(sent->at(0).progress_token == *sent->at(0).id);
    const Json printed = Json::parse(print_message(sent->at(0)));
    CHECK(printed["params"]["_meta"]["progressToken"] == printed["id"]);
  }

  TEST_CASE(
      "the time that a person is asked for counts against no limit of a call, and what is left of it does") {
    CHECK(await(held_for_a_while(true)).value() == "answered");
    CHECK(contains(await(held_for_a_while(false)).value(), "within 20 ms"));
  }

  TEST_CASE("past its deadline a call ends and the peer is told to stop") {
    std::string text;
    auto sent = await(run_into_deadline(text));
    CHECK(text == "tools/call got no answer within 5 ms");
    REQUIRE(sent->size() == 2);
    CHECK(sent->at(1).method == "notifications/cancelled");
    CHECK((*sent->at(1).body)["requestId"] == *sent->at(0).id);
  }

  TEST_CASE("progress keeps a slow call alive") {
    int seen = 0;
    CHECK(await(with_progress(within(200ms), 30, seen)).value() == "answered");
    CHECK(seen == 30);
  }

  TEST_CASE("but not beyond the hard limit") {
    int seen = 0;
    CHECK(await(with_progress(within(1s, 100ms), 1000, seen)).value() ==
          "tools/call got no result within 100 ms");
    CHECK(seen > 0);
  }

  TEST_CASE("cancelling the caller sends a cancellation and forgets the call") {
    auto sent = await(cancel_a_call());
    REQUIRE(sent.has_value());
    REQUIRE(sent->size() == 2);
    CHECK(sent->at(1).method == "notifications/cancelled");
  }

  TEST_CASE("a broken connection ends every call in flight and refuses later ones") {
    CHECK(await(break_the_connection()).value() == std::vector<Code>(4, Code::kTransport));
  }
}
