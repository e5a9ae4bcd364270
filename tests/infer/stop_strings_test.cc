#include "infer/stop_strings.h"

#include <doctest/doctest.h>

#include <random>

using namespace tsukai;
using namespace tsukai::infer;

TEST_SUITE("infer/stop strings") {
  TEST_CASE("a stop string is found across pieces, and nothing of it is shown") {
    auto stops = *StopStrings::make({"</end>", "\n\n"});
    CHECK(!stops.add("one <"));
    CHECK(stops.take_certain() == "one ");
    CHECK(!stops.add("b>"));
    CHECK(stops.take_certain() == "<b>");
    CHECK(!stops.add(" two </en"));
    CHECK(stops.take_certain() == " two ");
    CHECK(stops.add("d> and more"));
    CHECK(stops.take_certain() == "");
    CHECK(stops.cut_bytes() == std::string("</end> and more").size());
    CHECK(stops.add("later"));
    CHECK(stops.cut_bytes() == std::string("</end> and morelater").size());
  }

  TEST_CASE("what only looked like a stop string is shown when nothing more comes") {
    auto stops = *StopStrings::make({"stop"});
    CHECK(!stops.add("it is a st"));
    CHECK(stops.take_certain() == "it is a ");
    CHECK(stops.take_rest() == "st");
    CHECK(stops.cut_bytes() == 0);
  }

  TEST_CASE("in any pieces the text is cut where a plain search of the whole text cuts it") {
    std::mt19937 random(7);
    for (int round = 0; round < 3'000; ++round) {
      std::vector<std::string> words(1 + random() % 3);
      for (std::string& word : words) {
        for (std::size_t i = 1 + random() % 4; i > 0; --i) word += static_cast<char>('a' + random() % 2);
      }
      auto stops = *StopStrings::make(words);
      std::string whole, shown;
      while (whole.size() < 20 && !stops.found()) {
        std::string piece;
        for (std::size_t i = random() % 4; i > 0; --i) piece += static_cast<char>('a' + random() % 3);
        whole += piece;
        stops.add(piece);
        shown += stops.take_certain();
      }
      shown += stops.take_rest();
      std::size_t first = std::string::npos;
      for (const std::string& word : words) first = std::min(first, whole.find(word));
      CAPTURE(whole);
      CHECK(stops.found() == (first != std::string::npos));
      CHECK(shown == whole.substr(0, first));
      CHECK(stops.cut_bytes() == whole.size() - std::min(first, whole.size()));
    }
  }

  TEST_CASE("stop strings without an end to them are refused") {
    CHECK(StopStrings::make({""}).error().code() == Code::kInvalidArgument);
    CHECK(StopStrings::make({std::string(1025, 'x')}).error().code() == Code::kInvalidArgument);
    CHECK(StopStrings::make(std::vector<std::string>(17, "x")).error().code() == Code::kInvalidArgument);
    CHECK(StopStrings::make({}).has_value());
  }
}
