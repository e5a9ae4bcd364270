#include <doctest/doctest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "support/processes.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

Finished with_toy(const Home& home, const Words& words) {
  return tsukai(home, words + Words{"--"} + toy_server(home));
}

std::string config_of(const Home& home) {
  const Words command = toy_server(home);
  const Json entry = {{"command", command[0]}, {"args", Words(command.begin() + 1, command.end())}};
  return print_json({{"mcpServers", {{"toy", entry}, {"gone", {{"command", "no-such-program"}}}}}});
}

}  // namespace

TEST_SUITE("tools/tsukai/mcp") {
  TEST_CASE("tools are listed with what they require and what they take") {
    const Home home;
    const Finished finished = with_toy(home, {"mcp", "tools"});
    CHECK(finished.exit == 0);
    const auto lines = split(finished.out, '\n');
    REQUIRE(lines.size() >= 5);
    CHECK(lines[0] == "TOOL   ARGUMENTS     DESCRIPTION");
    CHECK(lines[1] == "greet  name, times?  Greets a person.");
    CHECK(finished.err.find("toy 1.2") != std::string::npos);
    CHECK(with_toy(home, {"mcp", "tools", "--quiet"}).out == "greet\nfail\npaint\nhang\n");
    CHECK(with_toy(home, {"mcp", "tools", "--quiet"}).err == "");
    const auto document = parse_json(with_toy(home, {"mcp", "tools", "--json"}).out);
    REQUIRE(document);
    CHECK((*document)["tools"][0]["inputSchema"]["required"][0] == "name");
    CHECK((*document)["server"]["name"] == "toy");
  }

  TEST_CASE("a call's values are read as the tool's schema wants them") {
    const Home home;
    CHECK(with_toy(home, {"mcp", "call", "greet", "name=12", "times=3"}).out ==
          "{\"name\":\"12\",\"times\":3}\n");
    CHECK(with_toy(home, {"mcp", "call", "greet", R"({"name": "Mika"})"}).out == "{\"name\":\"Mika\"}\n");
    const Finished wrong = with_toy(home, {"mcp", "call", "greet", "name=a", "times=often"});
    CHECK(wrong.exit == 2);
    CHECK(wrong.err.starts_with("tsukai: times: \"often\" is no JSON value; "));
  }

  TEST_CASE("the exit code says whose fault it was") {
    const Home home;
    const Finished of_tool = with_toy(home, {"mcp", "call", "fail"});
    CHECK(of_tool.exit == 1);
    CHECK(of_tool.err == "tsukai: fail answered with an error: no luck\n");
    const Finished of_caller = with_toy(home, {"mcp", "call", "gret", "name=x"});
    CHECK(of_caller.exit == 2);
    CHECK(of_caller.err == "tsukai: sh: has no tool \"gret\"; did you mean greet?\n");
    CHECK(with_toy(home, {"mcp", "call", "gret"}).exit == 2);
    const Finished of_server = with_toy(home, {"mcp", "call", "die"});
    CHECK(of_server.exit == 3);
    CHECK(of_server.err.find("status 7") != std::string::npos);
  }

  TEST_CASE("a server is found by name in .mcp.json, --config and --agent") {
    const Home home;
    home.write(".mcp.json", config_of(home));
    CHECK(tsukai(home, {"mcp", "ping", "toy"}).exit == 0);
    CHECK(tsukai(home, {"mcp", "list", "--quiet"}).out == "gone\ntoy\n");
    home.write("other.json", config_of(home));
    CHECK(tsukai(home, {"mcp", "ping", "toy", "--config", "other.json"}).exit == 0);
    const Words command = toy_server(home);
    home.write("agent.yaml",
               "name: a\nmodel: smollm2\nservers:\n  toy: {command: sh, args: [" + command[1] + "]}\n");
    CHECK(tsukai(home, {"mcp", "ping", "toy", "--agent", "agent.yaml"}).exit == 0);
    const Finished wrong = tsukai(home, {"mcp", "ping", "toi"});
    CHECK(wrong.exit == 2);
    CHECK(wrong.err == "tsukai: .mcp.json: has no server \"toi\"; did you mean toy?\n");
  }

  TEST_CASE("a server that does not work is told apart in one sentence") {
    const Home home;
    home.write(".mcp.json", config_of(home));
    const Finished missing = tsukai(home, {"mcp", "tools", "gone"});
    CHECK(missing.exit == 2);
    CHECK(missing.err.find("no-such-program") != std::string::npos);
    const Finished dies = tsukai(home, {"mcp", "tools", "--", "sh", "-c", "echo oh dear >&2; exit 3"});
    CHECK(dies.exit == 3);
    CHECK(dies.err.find("oh dear") != std::string::npos);
    const Finished hangs = tsukai(home, {"mcp", "tools", "--timeout", "0.2", "--", "sleep", "1000"});
    CHECK(hangs.exit == 3);
    CHECK(hangs.err.find("did not answer within 200 ms") != std::string::npos);
    const Finished junk =
        tsukai(home, {"mcp", "tools", "--timeout", "0.3", "--", "sh", "-c", "echo hello; sleep 1000"});
    CHECK(junk.exit == 3);
    CHECK(junk.err.find("hello") != std::string::npos);
    for (const Finished* finished : {&missing, &dies, &hangs, &junk}) {
      CHECK(finished->out == "");
      CHECK(finished->err.starts_with("tsukai: "));
    }
  }

  TEST_CASE("a mistake in .mcp.json names the file and the place") {
    const Home home;
    home.write(".mcp.json", "{\"mcpServers\": ");
    CHECK(tsukai(home, {"mcp", "list"}).err.starts_with("tsukai: .mcp.json: "));
    home.write(".mcp.json", "{}");
    CHECK(tsukai(home, {"mcp", "list"}).err.starts_with("tsukai: .mcp.json: has no object `mcpServers`; "));
    home.write(".mcp.json", R"({"mcpServers": {"toy": {"comand": "sh"}}})");
    const Finished finished = tsukai(home, {"mcp", "list"});
    CHECK(finished.exit == 2);
    CHECK(finished.err.find("comand") != std::string::npos);
    CHECK(finished.err.find("command") != std::string::npos);
  }

  TEST_CASE("escape sequences of a server do not reach the terminal") {
    const Home home;
    const Finished finished =
        tsukai_on_terminal(home, Words{"mcp", "call", "paint", "--quiet", "--"} + toy_server(home));
    CHECK(finished.exit == 0);
    CHECK(finished.out == "^[[31mred\r\n");
  }

  TEST_CASE("--trace writes every message as JSON Lines") {
    const Home home;
    CHECK(with_toy(home, {"mcp", "ping", "--era", "legacy", "--trace", home / "trace.jsonl"}).exit == 0);
    std::vector<std::string> methods;
    for (const std::string& line : split(read_file(home / "trace.jsonl"), '\n')) {
      if (line.empty()) continue;
      const auto entry = parse_json(line);
      REQUIRE(entry);
      if (string_at(*entry, "direction") == "sent")
        methods.push_back(string_at((*entry)["message"], "method"));
    }
    CHECK(methods == Words{"initialize", "notifications/initialized", "ping"});
  }

  TEST_CASE("Ctrl-C in the middle of a call ends the server too") {
    for (const int signal : {SIGINT, SIGTERM}) {
      const Home home;
      Program program(home, Words{tsukai_program(), "mcp", "call", "hang", "--"} + toy_server(home));
      wait_for_file(home / "hanging");
      const int server = std::stoi(wait_for_file(home / "pid"));
      program.send_signal(signal);
      const Finished finished = program.finish();
      CHECK(finished.exit == 130);
      CHECK(finished.err == "tsukai: interrupted\n");
      CHECK(gone(server));
    }
  }
}

}  // namespace tsukai::cli
