// SmolLM2-135M through twenty tasks on the bundled servers: not one call that is no call. What it makes of
// the tasks is printed, not asserted; so small a model can look one thing up and say what it found.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "support/smollm2.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

struct Work {
  const char* agent;  // Of the three agents below.
  const char* task;
  const char* sought;  // In the answer, any case, when the task is done.
};

constexpr std::array<Work, 20> kTasks = {{
    {"maps", "Find an Old Gate coffee shop.", "coffee"},
    {"maps", "Find the city museum.", "museum"},
    {"maps", "Find a noodle restaurant.", "noodle"},
    {"maps", "Find a pharmacy.", "pharmacy"},
    {"maps", "Find the opera house.", "opera"},
    {"maps", "Find a hotel near the Old Gate.", "inn"},
    {"maps", "Find a book shop.", "book"},
    {"maps", "Find the White Heron Lighthouse.", "lighthouse"},
    {"weather", "What is the weather in Lanwan?", "lanwan"},
    {"weather", "Will it rain in Lanwan tomorrow?", "lanwan"},
    {"shop", "What do coffee beans cost?", "coffee"},
    {"shop", "Do you sell matcha powder?", "matcha"},
    {"shop", "Find egg rolls.", "egg roll"},
    {"shop", "Which green tea is there?", "green tea"},
    {"shop", "What do drip bags cost?", "drip bag"},
    {"search", "Where do I get coffee beans?", "coffee"},
    {"search", "What is there to see at the Drum Tower?", "drum"},
    {"search", "Where can I eat vegetarian food?", "vegetarian"},
    {"search", "When is the night market open?", "market"},
    {"search", "Which museum is about tea?", "tea"},
}};

std::string agent_of(const std::string& name, const std::string& model) {
  const std::string city = std::string(TSUKAI_SOURCE_DIR) + "/examples/city-guide";
  const std::string server = name == "weather" ? "maps" : name;
  const std::string tool = name == "maps"      ? "maps_text_search"
                           : name == "weather" ? "maps_weather"
                           : name == "shop"    ? "search_products"
                                               : "search";
  const std::string args = name == "search" ? ", args: [--folder, \"" + city + "\"]" : "";
  return "name: " + name + "\nmodel: " + model +
         "\ntool_choice: required-first\n"
         "instructions: Look up what is asked. Then answer in one short sentence.\n"
         "servers:\n  " +
         server + ": {command: " + TSUKAI_BIN_DIR + "/tsukai-" + server + args + "}\ntools: [" + server +
         "." + tool +
         "]\ncalls_per_step: 1\ntokens_per_step: 96\nresults: {preview: 600}\n"
         "sampling: {repetition_penalty: 1.02}\nbudget: {steps: 3, tool_calls: 3, tokens: 8000, seconds: "
         "120}\n";
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

TEST_SUITE("tools/twenty_tasks") {
  TEST_CASE("SmolLM2 does twenty tasks without one invalid tool call") {
    const std::string model = smollm2_path();
    if (model.empty()) {
      MESSAGE("SKIPPED: SmolLM2-135M-Instruct.Q4_1.gguf is not here; tools/fetch_smollm2.sh fetches it");
      return;
    }
    const Home home;
    for (const auto* agent : {"maps", "weather", "shop", "search"})
      home.write(std::string(agent) + ".yaml", agent_of(agent, model));
    int done = 0, successes = 0, calls = 0, answered_calls = 0;
    for (const auto& work : kTasks) {
      const std::string agent = work.agent, task = work.task;
      CAPTURE(task);
      const auto finished = tsukai(home, {"run", agent + ".yaml", task, "--json", "--db", home / "tasks.db"});
      std::string answer;
      for (const auto& line : split(finished.out, '\n')) {
        const auto event = line.empty() ? Result<Json>(Json()) : parse_json(line);
        REQUIRE_MESSAGE(event, line);
        const Json* data = event->is_object() ? find(*event, "data") : nullptr;
        if (data == nullptr) continue;
        const auto type = string_at(*event, "type");
        if (type == "run_done") {
          answer = string_at(*data, "answer");
          done += string_at(*data, "state") == "done" ? 1 : 0;
        }
        if (type != "tool_result") continue;
        ++calls;
        const auto outcome = string_at(*data, "outcome");
        answered_calls += outcome == "done" ? 1 : 0;
        CAPTURE(string_at(*data, "text"));
        CHECK(outcome != "invalid");
        CHECK(outcome != "unknown_tool");
      }
      const bool success = lower(answer).find(work.sought) != std::string::npos;
      successes += success ? 1 : 0;
      MESSAGE((success ? "+ " : "- ") << task << " -> " << shortened(answer, 120));
    }
    CHECK(calls >= 20);
    MESSAGE("20 tasks: " << calls << " calls, none invalid, " << answered_calls << " answered by their tool; "
                         << done << " runs ended by themselves, " << successes
                         << " answers name what was sought");
  }
}

}  // namespace tsukai::cli
