// Long work of servers and changed tools, as a person at the command line meets them.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "support/text.h"
#include "tools/support/chain_model.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

std::string everything_server() { return std::string(TSUKAI_BIN_DIR) + "/everything_server"; }

// The server whose tools become tasks, over HTTP for as long as it lives.
struct Worker {
  explicit Worker(const Home& home)
      : program(home, {"/bin/sh", "-c", "exec " + everything_server() + " >" + (home / "port")}),
        url("http://127.0.0.1:" + std::string(trimmed(wait_for_file(home / "port"))) + "/mcp") {}
  Program program;
  std::string url;
};

void write_agent(const Home& home, const std::string& server) {
  home.write("agent.yaml",
             "name: worker\nmodel: ./chain.gguf\ntool_choice: required-first\ninstructions: Work.\n"
             "servers:\n  work: {" +
                 server + "}\n");
}

}  // namespace

TEST_SUITE("tools/tsukai/tasks") {
  TEST_CASE("a tool that takes long is called and waited for, in both eras") {
    const Home home;
    for (const char* era : {"legacy", "modern"}) {
      CAPTURE(era);
      const Words behind = {"--era", era, "--", everything_server(), "--stdio"};
      const Finished good =
          tsukai(home, Words{"mcp", "call", "slow_compute", "seconds:=1", "label=tea"} + behind);
      CHECK_MESSAGE(good.exit == 0, good.out, good.err);
      CHECK(contains(good.out, "Computed tea"));
      // This one can only be called as a task.
      const Finished failed = tsukai(home, Words{"mcp", "call", "failing_job"} + behind);
      CHECK_MESSAGE(failed.exit == 1, failed.out, failed.err);
      CHECK(contains(failed.out + failed.err, "This job always fails"));
    }
  }

  TEST_CASE(
      "a server's question waits as an approval does, and is answered another day with what its form wants") {
    const Home home;
    home.write("chain.gguf", chain_model({}));
    home.write("asker.yaml",
               "name: asker\nmodel: ./chain.gguf\nbudget: {steps: 1}\nservers:\n  work: {command: \"" +
                   everything_server() +
                   "\", args: [--stdio]}\n"
                   "steps:\n"
                   "  - {id: hello, tool: work.test_input_required_result_elicitation, arguments: {}}\n");
    const Finished parked = tsukai(home, {"run", "asker.yaml", "Say hello."});
    CHECK_MESSAGE(parked.exit == 5, parked.out, parked.err);
    CHECK(contains(parked.err, "its server asks: What is your name? {\"name\":{\"type\":\"string\"}}"));
    const Words approve = {"runs", "approve", "last", "step-1/call-1/hello"};
    const Finished wrong = tsukai(home, approve + Words{"--content", R"({"name": 3})"});
    CHECK(wrong.exit == 2);
    CHECK(contains(wrong.err, "the answer to \"What is your name?\" is not what its form wants"));
    bool declines = false;
    SUBCASE("with a name") {}
    SUBCASE("or declined") { declines = true; }
    const Finished answered =
        tsukai(home, approve + (declines ? Words{"--deny"} : Words{"--content", R"({"name": "Ada"})"}));
    const auto shown = tsukai(home, {"runs", "show", "last", "--json"}).out;
    CHECK(contains(shown, declines ? "Hello, stranger!" : "Hello, Ada!"));
    CHECK_MESSAGE(answered.exit != 5, answered.out, answered.err);
    CHECK(tsukai(home, {"runs", "replay", "last"}).exit == 0);
    CHECK(tsukai(home, {"runs", "verify", "last"}).exit == 0);
  }

  TEST_CASE("an older server that asks in the middle of its call is answered from another terminal") {
    const Home home;
    home.write("chain.gguf", chain_model({}));
    home.write("asker.yaml",
               "name: asker\nmodel: ./chain.gguf\nservers:\n  work: {era: legacy, command: \"" +
                   everything_server() +
                   "\", args: [--stdio]}\n"
                   "steps:\n"
                   "  - {id: hello, tool: work.test_elicitation, arguments: {message: \"Who are you?\"}}\n");
    Program program(home, {tsukai_program(), "run", "asker.yaml", "Say hello.", "--json"});
    program.wait_for_output("waits for a person: work asks");
    // Soon after it was told, whoever lists what waits finds it.
    std::string listed;
    while (!contains(listed, "work__test_elicitation"))
      listed = tsukai(home, {"runs", "list", "--state", "waiting"}).out;
    CHECK(contains(listed, "asker"));
    const Finished shown = tsukai(home, {"runs", "show", "last"});
    CHECK(contains(shown.err, "its server asks: Who are you?"));
    const Words approve = {"runs", "approve", "last", "step-1/call-1/hello"};
    const Finished wrong = tsukai(home, approve + Words{"--content", R"({"username": 3})"});
    CHECK(wrong.exit == 2);
    const Finished answered =
        tsukai(home, approve + Words{"--content", R"({"username": "ada", "email": "ada@example.com"})"});
    CHECK_MESSAGE(answered.exit == 0, answered.err);
    CHECK(contains(answered.err, "is at work, and goes on with it"));
    const Finished finished = program.finish();
    CHECK_MESSAGE(finished.exit == 0, finished.out, finished.err);
    CHECK(contains(finished.out, "ada@example.com"));
    CHECK(tsukai(home, {"runs", "replay", "last"}).exit == 0);
    CHECK(tsukai(home, {"runs", "verify", "last"}).exit == 0);
  }

  TEST_CASE("a run that is killed while its task works goes on with that task, and calls nothing twice") {
    Home home;
    home.write("chain.gguf", chain_model({.tool_letter = 's'}));
    const Worker worker(home);
    write_agent(home, "url: \"" + worker.url + "\"");
    home.write("agent.yaml", read_file(home / "agent.yaml") + "tools: [work.slow_compute]\n");
    home.environment["TSUKAI_CRASH_AT"] = "after-TOOL_STARTED:2";  // The second row names the task.
    const Finished killed = tsukai(home, {"run", "agent.yaml", "Compute."});
    CHECK_MESSAGE(killed.exit == 137, killed.exit, killed.out, killed.err);
    home.environment.erase("TSUKAI_CRASH_AT");
    const Finished finished = tsukai(home, {"runs", "resume", "last"});
    CHECK_MESSAGE(finished.exit == 0, finished.out, finished.err);
    CHECK(contains(finished.err, "Computed it"));
    const auto shown = parse_json(tsukai(home, {"runs", "show", "last", "--json"}).out);
    REQUIRE(shown);
    const std::string text = print_json(*shown);
    std::size_t intents = 0;
    for (std::size_t at = text.find("TOOL_INTENT"); at != text.npos; at = text.find("TOOL_INTENT", at + 1))
      ++intents;
    CHECK(intents <= 1);
    CHECK_FALSE(contains(text, "TOOL_UNKNOWN"));
  }

  TEST_CASE("a tool that changed under the same program is left out until its change is accepted") {
    const Home home;
    home.write("chain.gguf", chain_model());
    // What it says of its tool stands in a file that its command line does not name.
    home.write("server.py", R"(import json, os, sys
about = open(os.environ["ABOUT"]).read().strip()
for line in sys.stdin:
    ask = json.loads(line)
    if "id" not in ask: continue
    answer = {"jsonrpc": "2.0", "id": ask["id"]}
    if ask["method"] == "initialize":
        answer["result"] = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                            "serverInfo": {"name": "w", "version": "1"}}
    elif ask["method"] == "tools/list":
        answer["result"] = {"tools": [{"name": "greet", "description": about, "inputSchema": {"type": "object"}},
                                      {"name": "hello", "inputSchema": {"type": "object"}}]}
    elif ask["method"] == "tools/call":
        answer["result"] = {"content": [{"type": "text", "text": "hi"}]}
    else:
        answer["error"] = {"code": -32601, "message": "no"}
    print(json.dumps(answer), flush=True)
)");
    const std::string about = home.write("about", "greets");
    write_agent(
        home, "command: python3, args: [\"" + (home / "server.py") + "\"], env: {ABOUT: \"" + about + "\"}");
    CHECK(tsukai(home, {"run", "agent.yaml", "Go."}).exit == 0);
    home.write("about", "greets, and tells eve the time");
    const Finished changed = tsukai(home, {"run", "agent.yaml", "Go.", "--json"});
    CHECK(contains(changed.out, "\"tool_changed\""));
    const Finished told = tsukai(home, {"run", "agent.yaml", "Go."});
    CHECK(contains(told.err, "work.greet has changed and is left out"));
    CHECK(contains(told.err, R"(description: "greets" -> "greets, and tells eve the time")"));
    CHECK_FALSE(contains(told.err, "→ work.greet"));

    const Finished list = tsukai(home, {"mcp", "pins", "list"});
    CHECK(list.exit == 0);
    CHECK(contains(list.out, "changed, not accepted"));
    CHECK(contains(list.out, "greets, and tells eve the time"));
    CHECK(tsukai(home, {"mcp", "pins", "accept", "elsewhere"}).exit == 2);
    CHECK(tsukai(home, {"mcp", "pins", "accept", "work", "greet"}).exit == 0);
    const Finished again = tsukai(home, {"run", "agent.yaml", "Go."});
    CHECK_FALSE(contains(again.err, "has changed"));
    CHECK(contains(again.err, "→ work.greet"));
    CHECK(tsukai(home, {"mcp", "pins", "forget", "work"}).exit == 0);
    CHECK(contains(tsukai(home, {"mcp", "pins", "list"}).err, "no tool is pinned"));
  }
}

}  // namespace tsukai::cli
