#include "base/sse.h"

#include <doctest/doctest.h>

using namespace tsukai;

namespace {

// The events as text, "TYPE/ID:DATA" each, joined by a bar.
std::string shown(const std::vector<SseEvent>& events) {
  std::string out;
  for (const auto& event : events)
    out += (out.empty() ? "" : "|") + event.type + "/" + event.id + ":" + event.data;
  return out;
}

std::string parsed(std::string_view text) {
  SseParser parser;
  auto events = parser.feed(text);
  return events ? shown(*events) : events.error().text();
}

}  // namespace

TEST_SUITE("base/sse") {
  TEST_CASE("an event ends at an empty line; its data lines are joined") {
    CHECK(parsed("event: add\nid: 7\ndata: a\ndata:b\ndata\n\n") == "add/7:a\nb\n");
    CHECK(parsed("data: unfinished\n") == "");
  }

  TEST_CASE("type is per event, the id stays") {
    CHECK(parsed("id: 1\nevent: x\ndata: a\n\ndata: b\n\nid\ndata: c\n\n") == "x/1:a|message/1:b|message/:c");
  }

  TEST_CASE("an event without data is none, but its id and retry count") {
    SseParser parser;
    CHECK(parser.feed("id: 9\nretry: 500\n\n")->empty());
    CHECK(parser.last_id() == "9");
    CHECK(parser.retry() == std::chrono::milliseconds(500));
  }

  TEST_CASE("an empty data line is an event, the priming one of resumable streams") {
    CHECK(parsed("id: s-0\ndata: \n\n") == "message/s-0:");
  }

  TEST_CASE("comments, unknown fields and bad retries are passed over") {
    SseParser parser;
    CHECK(shown(*parser.feed(": hello\ncolour: red\nretry: soon\nretry: -5\nretry:\ndata: a\n\n")) ==
          "message/:a");
    CHECK_FALSE(parser.retry());
    REQUIRE(parser.feed("retry: 99999999999\n").has_value());
    CHECK(parser.retry() == std::chrono::hours(24));
  }

  TEST_CASE("an id with a NUL inside is ignored") {
    using std::string_view_literals::operator""sv;
    CHECK(parsed("id: 3\nid: a\0b\ndata: x\n\n"sv) == "message/3:x");
  }

  TEST_CASE("lines end with LF, CR or CRLF, and bytes come in any pieces") {
    const std::string_view text =
        "\xEF\xBB\xBF"
        "data: a\r\ndata: b\r\r\nid: 5\ndata: c\r\n\r\ndata: d\n\n";
    const std::string whole = parsed(text);
    CHECK(whole == "message/:a\nb|message/5:c|message/5:d");
    for (std::size_t step = 1; step <= 5; ++step) {
      SseParser parser;
      std::vector<SseEvent> all;
      for (std::size_t at = 0; at < text.size(); at += step) {
        const auto events = parser.feed(text.substr(at, step));
        REQUIRE(events);
        for (const auto& event : *events) all.push_back(event);
      }
      CHECK(shown(all) == whole);
    }
  }

  TEST_CASE("an event over the limit ends the stream, whether one line or many") {
    SseParser line(64), lines(64);
    CHECK(line.feed(std::string(65, 'x')).error().code() == Code::kExhausted);
    std::string many;
    for (int i = 0; i < 65; ++i) many += "data:\n";
    CHECK(lines.feed(many).error().code() == Code::kExhausted);
    SseParser fine(64);
    for (int i = 0; i < 100; ++i) CHECK(fine.feed("data: short\n\n")->size() == 1);
  }
}
