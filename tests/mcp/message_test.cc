#include "mcp/message.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace tsukai;
using namespace tsukai::mcp;

namespace {

int code_of(std::string_view text) {
  auto parsed = parse_messages(text);
  REQUIRE_FALSE(parsed.has_value());
  return parsed.error().error.code;
}

}  // namespace

TEST_SUITE("mcp/message") {
  TEST_CASE("what is parsed prints as it was, unknown members too") {
    for (
        const char* text : {
            R"({"id":1,"jsonrpc":"2.0","method":"ping"})",
            R"({"id":"a","jsonrpc":"2.0","method":"tools/call","params":{"name":"x","new":[1]},"trace":"t"})",
            R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":0.5}})",
            R"({"id":2,"jsonrpc":"2.0","result":{"content":[],"_meta":{"k":null}}})",
            R"({"error":{"code":-32042,"data":{"u":1},"message":"go there"},"id":2,"jsonrpc":"2.0"})",
        }) {
      auto parsed = parse_messages(text);
      REQUIRE(parsed.has_value());
      REQUIRE(parsed->messages.size() == 1);
      CHECK(Json::parse(print_message(parsed->messages[0])) == Json::parse(text));
    }
  }

  TEST_CASE("what every message says of its sender is printed into _meta, beside what stands there") {
    const auto stamp =
        std::make_shared<const Stamp>(Json{{"io.x/version", "1"}, {"io.x/can", Json::object()}}, "1", true);
    for (const char* params :
         {R"({})", R"({"a":1})", R"({"Zulu":1,"_a":2,"name":"n"})",
          R"({"_meta":{"mine":1,"z":2},"name":"n"})", R"({"_meta":7})", R"({"resultType":"task","z":1})"}) {
      for (auto make : {+[](Json body) { return request(Json(1), "m", std::move(body)); },
                        +[](Json body) { return result(Json(1), std::move(body)); }}) {
        auto message = make(Json::parse(params));
        message.stamp = stamp;
        message.progress_token = 5;
        const auto text = print_message(message);
        const Json printed = Json::parse(text);
        CHECK(print_json(printed) == text);
        Json wanted = Json::parse(params);
        if (!wanted["_meta"].is_object()) wanted["_meta"] = Json::object();
        wanted["_meta"].update(Json::parse(R"({"io.x/version":"1","io.x/can":{},"progressToken":5})"));
        if (message.kind == MessageKind::kResult && !wanted.contains("resultType"))
          wanted["resultType"] = "complete";
        CHECK(printed[message.kind == MessageKind::kRequest ? "params" : "result"] == wanted);
        message.extra = Json{{"more", true}};
        Json with_more = printed;
        with_more["more"] = true;
        CHECK(print_message(message) == print_json(with_more));
      }
    }
  }

  TEST_CASE("a batch is told apart from one message") {
    auto parsed =
        parse_messages(R"([{"id":1,"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","method":"x"}])");
    REQUIRE(parsed.has_value());
    CHECK(parsed->batch);
    CHECK(parsed->messages.size() == 2);
    CHECK(parsed->messages[0].kind == MessageKind::kRequest);
    CHECK(parsed->messages[1].kind == MessageKind::kNotification);
  }

  TEST_CASE("bytes that are no JSON and JSON that is no message get different codes") {
    CHECK(code_of("") == kParseError);
    CHECK(code_of("Server listening on stdio") == kParseError);
    CHECK(code_of(std::string(200, '[')) == kParseError);
    for (const char* text :
         {"[]", "3", "{}", R"({"jsonrpc":"2.0"})", R"({"jsonrpc":"2.0","id":null,"method":"x"})",
          R"({"jsonrpc":"2.0","id":1.5,"method":"x"})", R"({"jsonrpc":"2.0","id":1,"method":3})",
          R"({"jsonrpc":"2.0","id":1,"method":"x","params":[1]})", R"({"jsonrpc":"2.0","result":{}})",
          R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}})",
          R"({"jsonrpc":"2.0","id":1,"error":{"message":"no code"}})", R"({"id":1,"method":"x"})"}) {
      CAPTURE(text);
      CHECK(code_of(text) == kInvalidRequest);
    }
  }

  TEST_CASE("the id of a malformed request is kept, so that its sender learns of it") {
    auto parsed = parse_messages(R"({"jsonrpc":"2.0","id":7,"method":[]})");
    REQUIRE_FALSE(parsed.has_value());
    CHECK(*parsed.error().id == 7);
  }

  TEST_CASE("a batch beyond the limit is refused") {
    Json batch = Json::array();
    for (std::size_t i = 0; i <= kBatchMessagesMax; ++i)
      batch.push_back({{"jsonrpc", "2.0"}, {"method", "x"}});
    CHECK(code_of(batch.dump()) == kInvalidRequest);
  }
}
