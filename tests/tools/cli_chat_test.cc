// A conversation as a person or a script would have it.
#include <doctest/doctest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "support/text.h"
#include "tools/support/chain_model.h"
#include "tools/support/model_service.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

void furnish(const Home& home, const std::string& more = {}) {
  home.write("chain.gguf", chain_model());
  const auto server = toy_server(home);
  home.write("agent.yaml", "name: greeter\nmodel: ./chain.gguf\nservers:\n  toy: {command: sh, args: [\"" +
                               server[1] + "\", \"" + server[2] + "\"]}\ntools: [toy.greet]\n" + more);
}

Finished chat(const Home& home, const std::string& said, const std::string& flags = "agent.yaml") {
  home.write("said.txt", said);
  return Program(home, {"/bin/sh", "-c", tsukai_program() + " chat " + flags + " < said.txt"}).finish();
}

}  // namespace

TEST_SUITE("tools/tsukai/chat") {
  TEST_CASE("each line is a turn that knows all before it, and one server serves them all") {
    const Home home;
    furnish(home);
    const Finished finished = chat(home, "Good day.\n\n  And in spring?  \n/quit\nnever said\n");
    CHECK(finished.exit == 0);
    CHECK(finished.out == "Old gate.\nOld gate.\n");
    CHECK(count_of(finished.err, "toy is up") == 1);
    CHECK(!contains(finished.err, "step 1"));
    CHECK(!contains(finished.err, "to the model"));
    CHECK(contains(finished.err, "tsukai chat --from "));
    const auto runs = parse_json(tsukai(home, {"runs", "list", "--json"}).out);
    REQUIRE(runs);
    CHECK(runs->at("runs").size() == 2);
    CHECK(runs->at("runs")[0]["task"] == "And in spring?");
    const auto last = parse_json(tsukai(home, {"runs", "show", "last", "--prompts", "--json"}).out);
    REQUIRE(last);
    const std::string prompt = last->at("model_calls").back()["prompt"]["text"];
    CHECK(contains(prompt, "Good day."));
    CHECK(contains(prompt, "Old gate."));
    CHECK(contains(prompt, "And in spring?"));
    CHECK(!contains(prompt, "never said"));
    // The second turn read only what was new.
    CHECK(last->at("totals")["prefix_hit_ratio"] > 0.4);
    CHECK(tsukai(home, {"runs", "verify", "last"}).exit == 0);
    CHECK(tsukai(home, {"runs", "replay", "last"}).exit == 0);
  }

  TEST_CASE("a conversation goes on another time") {
    const Home home;
    furnish(home);
    REQUIRE(chat(home, "Good day.\n").exit == 0);
    const Finished more = chat(home, "And in spring?\n", "--from last");
    CHECK(more.exit == 0);
    CHECK(more.out == "Old gate.\n");
    CHECK(contains(tsukai(home, {"runs", "show", "last", "--prompts"}).out, "Good day."));
    CHECK(chat(home, "x\n", "agent.yaml --from last").exit == 2);
    CHECK(chat(home, "x\n", "--from zzzz").exit == 2);
  }

  TEST_CASE("at a terminal there is a prompt, help, and an end by Ctrl-D") {
    const Home home;
    furnish(home);
    Program program(home, {tsukai_program(), "chat", "agent.yaml"}, Program::Streams::kTerminal);
    program.type("/help\n/nonsense\nGood day.\n\x04");
    const Finished finished = program.finish();
    CHECK(finished.exit == 0);
    CHECK(contains(finished.out, "> "));
    CHECK(contains(finished.out, "/quit"));
    CHECK(contains(finished.out, "there is no command /nonsense"));
    CHECK(contains(finished.out, "Old gate."));
  }

  TEST_CASE("a line can be edited, and an earlier one called back") {
    Home home;
    furnish(home);
    home.environment["TERM"] = "xterm";
    Program program(home, {tsukai_program(), "chat", "agent.yaml"}, Program::Streams::kTerminal);
    // Ctrl-A, Ctrl-K; a line; the same again by Ctrl-P with a letter more.
    program.wait_for_output("> ");
    program.type("wrong\x01\x0bGood da");
    program.type("y.\n");
    program.wait_for_output("generated");
    program.wait_for_output("> ");
    program.type("\x10!\n");
    program.wait_for_output("generated");
    program.wait_for_output("> ");
    program.type("/quit\n");
    const Finished finished = program.finish();
    CHECK_MESSAGE(finished.exit == 0, finished.out);
    const std::string prompts = tsukai(home, {"runs", "show", "last", "--prompts", "--quiet"}).out;
    CHECK(contains(prompts, "Good day.!"));
    CHECK(!contains(prompts, "wrong"));
  }

  TEST_CASE("Ctrl-D typed while a turn is on its way ends the conversation after it") {
    Home home;
    home.environment["TERM"] = "xterm";
    std::promise<void> asked, typed;
    auto turn = agent::text_turn("Old gate.");
    turn.before = [&] {
      asked.set_value();
      typed.get_future().wait();
    };
    const ModelService service({turn});
    home.write("agent.yaml", "name: greeter\nmodel: " + service.model() + "\n");
    Program program(home, {tsukai_program(), "chat", "agent.yaml"}, Program::Streams::kTerminal);
    program.wait_for_output("> ");
    program.type("Good day.\n");
    asked.get_future().wait();
    program.type("\x04");
    typed.set_value();
    const Finished finished = program.finish();
    CHECK_MESSAGE(finished.exit == 0, finished.out);
    CHECK(contains(finished.out, "Old gate."));
    CHECK(contains(finished.out, "tsukai chat --from"));
  }

  TEST_CASE("a turn that is interrupted counts, and the next one knows what was said") {
    Home home;
    home.environment["TERM"] = "xterm";
    const ModelService service({hanging_turn("Once upon"), agent::text_turn("a time.")});
    home.write("agent.yaml", "name: teller\nmodel: " + service.model() + "\n");
    Program program(home, {tsukai_program(), "chat", "agent.yaml"}, Program::Streams::kTerminal);
    program.wait_for_output("> ");
    program.type("Tell me a story.\n");
    program.wait_for_output("Once");  // The next word comes with the one after it, or at the end.
    program.type("\x03");
    program.wait_for_output("1 model call");
    program.wait_for_output("> ");
    program.type("Go on.\n");
    program.wait_for_output("a time.");
    program.wait_for_output("1 model call");
    program.wait_for_output("> ");
    program.type("/quit\n");
    CHECK(program.finish().exit == 0);
    const std::string prompts = tsukai(home, {"runs", "show", "last", "--prompts", "--quiet"}).out;
    for (const auto* said : {"Tell me a story.", "Once upon", "Go on."}) CHECK(contains(prompts, said));
    // Each turn is listed under what was said in it.
    const auto runs = parse_json(tsukai(home, {"runs", "list", "--json"}).out);
    REQUIRE(runs);
    CHECK(runs->at("runs")[0]["task"] == "Go on.");
    CHECK(runs->at("runs")[0]["state"] == "done");
    CHECK(runs->at("runs")[1]["task"] == "Tell me a story.");
    CHECK(runs->at("runs")[1]["state"] == "cancelled");
    for (const auto& run : runs->at("runs")) {
      CHECK(tsukai(home, {"runs", "verify", string_at(run, "run_id")}).exit == 0);
      CHECK(tsukai(home, {"runs", "replay", string_at(run, "run_id")}).exit == 0);
    }
  }

  TEST_CASE("a call that waits ends the conversation, and --json gives events") {
    const Home home;
    furnish(home, "tool_choice: required-first\npolicy:\n  - ask: toy.greet\n");
    const Finished waiting = chat(home, "Good day.\nmore\n");
    CHECK(waiting.exit == 5);
    CHECK(contains(waiting.err, "tsukai runs approve "));
    furnish(home);
    const Finished events = chat(home, "Good day.\n", "agent.yaml --json");
    CHECK(events.err == "");
    CHECK(count_of(events.out, "\"type\":\"run_done\"") == 1);
    home.write("broken.yaml", "modle: x\n");
    CHECK(chat(home, "Good day.\n", "broken.yaml").exit == 2);
  }
}

}  // namespace tsukai::cli
