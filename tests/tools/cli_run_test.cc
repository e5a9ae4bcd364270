#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "support/processes.h"
#include "tools/support/chain_model.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

// A home with a model, an agent that must call a tool first, and its server.
void run_furnish(const Home& home, const ChainOptions& options = {}) {
  home.write("chain.gguf", chain_model(options));
  const Words server = toy_server(home);
  home.write("agent.yaml",
             "name: greeter\nmodel: ./chain.gguf\ntool_choice: required-first\n"
             "instructions: Greet.\n"
             "servers:\n  toy: {command: sh, args: [\"" +
                 server[1] + "\", \"" + server[2] +
                 "\"]}\n"
                 "tools: [toy.greet, toy.hang]\n"
                 "memory: {scope: [user], recall: 2}\n");
}

Json run_json_of(const std::string& text) {
  auto parsed = parse_json(text);
  REQUIRE(parsed);
  return *std::move(parsed);
}

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> lines;
  for (const std::string& line : split(text, '\n')) {
    if (!line.empty()) lines.push_back(run_json_of(line));
  }
  return lines;
}

}  // namespace

TEST_SUITE("tools/tsukai/run") {
  TEST_CASE("piped, the answer alone is on standard output and the steps are on standard error") {
    const Home home;
    run_furnish(home);
    const Finished finished = tsukai(home, {"run", "agent.yaml", "Say hello."});
    CHECK(finished.exit == 0);
    CHECK(finished.out == "Old gate.\n");
    for (const std::string part :
         {"toy is up: 4 tools", "greeter · chain F32 · run ", "step 1\n", "→ toy.greet {\"name\":\"M\"}",
          "← {\"name\":\"M\"}", "step 2\n", "2 model calls · 1 tool call", "prefix_hit_ratio 0."}) {
      CAPTURE(part);
      CHECK(finished.err.find(part) != std::string::npos);
    }
    CHECK(finished.err.find('\x1b') == std::string::npos);
    const Finished quiet = tsukai(home, {"run", "agent.yaml", "Say hello.", "--quiet"});
    CHECK(quiet.out == "Old gate.\n");
    CHECK(quiet.err == "");
  }

  TEST_CASE("on a terminal the text is streamed, coloured, and not said twice") {
    const Home home;
    run_furnish(home);
    Home coloured;
    run_furnish(coloured);
    coloured.environment["TERM"] = "xterm";
    const Finished plain = tsukai_on_terminal(home, {"run", "agent.yaml", "Say hello."});
    CHECK(plain.exit == 0);
    CHECK(plain.out.find('\x1b') == std::string::npos);
    const auto first = plain.out.find("Old gate.");
    CHECK(first != std::string::npos);
    CHECK(plain.out.find("Old gate.", first + 1) == std::string::npos);
    CHECK(
        tsukai_on_terminal(coloured, {"run", "agent.yaml", "Say hello."}).out.find("\x1b[1mstep 1\x1b[0m") !=
        std::string::npos);
    coloured.environment["NO_COLOR"] = "1";
    CHECK(tsukai_on_terminal(coloured, {"run", "agent.yaml", "Say hello."}).out.find("\x1b[1m") ==
          std::string::npos);
  }

  TEST_CASE("--json gives every event on a line of its own") {
    const Home home;
    run_furnish(home);
    const Finished finished = tsukai(home, {"run", "agent.yaml", "Say hello.", "--json"});
    CHECK(finished.exit == 0);
    CHECK(finished.err == "");
    const auto events = json_lines(finished.out);
    std::string types, text;
    for (const Json& event : events) {
      if (event["type"] == "text") {
        if (event["data"]["step"] == 2) text += event["data"]["text"];
      } else {
        types += std::string(event["type"]) + " ";
      }
    }
    CHECK(types ==
          "server_started run_started recalled step_started step_done tool_call tool_result step_started "
          "step_done "
          "run_done ");
    CHECK(text == "Old gate.");
    const Json& done = events.back()["data"];
    CHECK(done["state"] == "done");
    CHECK(done["answer"] == "Old gate.");
    CHECK(done["totals"]["tool_calls"] == 1);
  }

  TEST_CASE("a run can be looked at afterwards, whole and checked") {
    const Home home;
    run_furnish(home);
    REQUIRE(tsukai(home, {"run", "agent.yaml", "Say hello."}).exit == 0);
    const Json list = run_json_of(tsukai(home, {"runs", "list", "--json"}).out);
    REQUIRE(list["runs"].size() == 1);
    const std::string id = list["runs"][0]["run_id"];
    CHECK(tsukai(home, {"runs", "list", "--quiet"}).out == id + "\n");
    CHECK(tsukai(home, {"runs", "list", "--state", "failed", "--quiet"}).out == "");

    const Finished shown = tsukai(home, {"runs", "show", id.substr(0, 5)});
    CHECK(shown.exit == 0);
    for (const std::string part : {"Say hello.", "RUN_STARTED", "TOOL_INTENT", "toy.greet {\"name\":\"M\"}",
                                   "RUN_DONE", "Old gate."}) {
      CAPTURE(part);
      CHECK(shown.out.find(part) != std::string::npos);
    }
    const Json whole = run_json_of(tsukai(home, {"runs", "show", "last", "--prompts", "--json"}).out);
    CHECK(whole["state"] == "done");
    REQUIRE(whole["model_calls"].size() == 2);
    REQUIRE(whole["tool_calls"].size() == 1);
    CHECK(whole["tool_calls"][0]["intent"]["arguments"]["name"] == "M");
    CHECK(whole["tool_calls"][0]["result"]["outcome"] == "done");
    // Each prompt is the one before, what the model said, and what is new.
    const std::string first = whole["model_calls"][0]["prompt"]["text"],
                      second = whole["model_calls"][1]["prompt"]["text"];
    CHECK(second.starts_with(first + std::string(whole["model_calls"][0]["result"]["text"])));
    CHECK(first.find("Say hello.") != std::string::npos);
    CHECK(tsukai(home, {"runs", "show", "last", "--prompts", "--quiet"}).out == first + "\n" + second + "\n");

    CHECK(tsukai(home, {"runs", "verify", id}).exit == 0);
    const Finished unknown = tsukai(home, {"runs", "show", "zzzz"});
    CHECK(unknown.exit == 2);
    CHECK(unknown.err.find("zzzz") != std::string::npos);
  }

  TEST_CASE("what happened is remembered by the next run of the same user only") {
    Home home;
    run_furnish(home);
    REQUIRE(tsukai(home, {"run", "agent.yaml", "Say hello to the beans."}).exit == 0);
    CHECK(tsukai(home, {"memory", "search", "beans", "--quiet"}).out == "1\n");
    CHECK(tsukai(home, {"memory", "show", "1"}).out.find("Say hello to the beans.\nOld gate.\n") !=
          std::string::npos);
    CHECK(tsukai(home, {"memory", "list", "--user", "somebody", "--quiet"}).out == "");
    CHECK(tsukai(home, {"run", "agent.yaml", "Where are the beans?"}).err.find("remembered 1 earlier run") !=
          std::string::npos);
  }

  TEST_CASE("a run without an agent file uses the model alone, or the servers of --config") {
    const Home home;
    run_furnish(home);
    const Finished alone = tsukai(home, {"run", "Say hello.", "--model", "chain.gguf"});
    CHECK(alone.exit == 0);
    CHECK(alone.out == "Old gate.\n");
    const Words server = toy_server(home);
    home.write("servers.json",
               print_json({{"mcpServers", {{"toy", {{"command", "sh"}, {"args", {server[1]}}}}}}}));
    const Finished with_server =
        tsukai(home, {"run", "Say hello.", "--model", "chain.gguf", "--config", "servers.json"});
    CHECK(with_server.err.find("toy is up: 4 tools") != std::string::npos);
  }

  TEST_CASE("Ctrl-C closes the run and its servers") {
    for (const int signal : {SIGINT, SIGTERM}) {
      const Home home;
      run_furnish(home, {.tool_letter = 'h'});
      Program program(home, {tsukai_program(), "run", "agent.yaml", "Say hello."});
      wait_for_file(home / "hanging");
      const int server = std::stoi(wait_for_file(home / "pid"));
      program.send_signal(signal);
      program.send_signal(signal);  // At once, as timeout(1) does: still one.
      const Finished finished = program.finish();
      CHECK(finished.exit == 130);
      CHECK(finished.out == "");
      CHECK(finished.err.find("tsukai: interrupted; run ") != std::string::npos);
      CHECK(gone(server));
      const Json list = run_json_of(tsukai(home, {"runs", "list", "--json"}).out);
      CHECK(list["runs"][0]["state"] == "cancelled");
      CHECK(tsukai(home, {"runs", "verify", "last"}).exit == 0);
    }
  }

  TEST_CASE("--timeout stops the run with exit code 4") {
    const Home home;
    run_furnish(home, {.tool_letter = 'h'});
    const Finished finished = tsukai(home, {"run", "agent.yaml", "Say hello.", "--timeout", "1"});
    CHECK(finished.exit == 4);
    CHECK(finished.err.find("was stopped after 1 s; raise --timeout\n") != std::string::npos);
    CHECK(gone(std::stoi(wait_for_file(home / "pid"))));
  }

  TEST_CASE("a server that does not start costs its own tools only, unless there is no other") {
    const Home home;
    run_furnish(home);
    home.write("gone.yaml", "name: a\nmodel: ./chain.gguf\nservers:\n  gone: {command: no-such-program}\n");
    const Finished none = tsukai(home, {"run", "gone.yaml", "Say hello."});
    CHECK(none.exit == 2);
    CHECK(none.out == "");
    CHECK(none.err.find("command not found: no-such-program") != std::string::npos);
    const std::string agent = read_file(home / "agent.yaml");
    const auto servers = agent.find("servers:\n") + 9;
    home.write("agent.yaml",
               agent.substr(0, servers) + "  gone: {command: no-such-program}\n" + agent.substr(servers));
    const Finished finished = tsukai(home, {"run", "agent.yaml", "Say hello."});
    CHECK(finished.exit == 0);
    CHECK(finished.out == "Old gate.\n");
    CHECK(finished.err.find("gone is not available: ") != std::string::npos);
  }

  TEST_CASE("an agent file's mistakes come all at once, with line, column and the nearest key") {
    const Home home;
    home.write("agent.yaml", "name: a\nmodle: x\nbudget: {stpes: 3}\n");
    const Finished finished = tsukai(home, {"agent", "check", "agent.yaml"});
    CHECK(finished.exit == 2);
    CHECK(finished.err.find("agent.yaml:2:1: ") != std::string::npos);
    CHECK(finished.err.find("model") != std::string::npos);
    CHECK(finished.err.find("agent.yaml:3:10: ") != std::string::npos);
    CHECK(tsukai(home, {"run", "agent.yaml", "hello"}).exit == 2);
    const Json document = run_json_of(tsukai(home, {"agent", "check", "agent.yaml", "--json"}).out);
    CHECK(document["mistakes"].size() >= 2);
    // Nothing was written for a run that could not begin.
    CHECK(tsukai(home, {"runs", "list", "--quiet"}).out == "");
    run_furnish(home);
    CHECK(tsukai(home, {"agent", "check", "agent.yaml"}).out.starts_with("ok agent.yaml\n"));
  }

  TEST_CASE("a full disk behind standard output is no success") {
    const Home home;
    run_furnish(home);
    const Finished finished =
        Program(home, {"/bin/sh", "-c", tsukai_program() + " runs list --json > /dev/full"}).finish();
    CHECK(finished.exit == 3);
    CHECK(finished.err == "tsukai: standard output could not be written: No space left on device\n");
  }
}

TEST_SUITE("tools/tsukai/model") {
  TEST_CASE("info tells what is in the file") {
    const Home home;
    run_furnish(home);
    const Json info = run_json_of(tsukai(home, {"model", "info", "chain.gguf", "--json"}).out);
    CHECK(info["architecture"] == "llama");
    CHECK(info["layers"] == 1);
    CHECK(info["vocabulary"] == 288);
    CHECK(tsukai(home, {"model", "info", "chain.gguf"}).out.find("1 of 288 wide") != std::string::npos);
  }

  TEST_CASE("generate answers, continues, and keeps to a schema") {
    const Home home;
    run_furnish(home);
    CHECK(tsukai(home, {"model", "generate", "chain.gguf", "hello"}).out == "Old gate.\n");
    CHECK(tsukai(home, {"model", "generate", "chain.gguf", "--plain", "the g"}).out == "ate.\n");
    const Json cut = run_json_of(
        tsukai(home, {"model", "generate", "chain.gguf", "hello", "--tokens", "3", "--json"}).out);
    CHECK(cut["text"] == "Old");
    CHECK(cut["finish"] == "length");
    CHECK(cut["usage"]["generated_tokens"] == 3);
    CHECK(tsukai(home, {"model", "generate", "chain.gguf", "--plain", "the g", "--stop", "e", "--stop", "x"})
              .out == "at\n");
    CHECK(tsukai(home, {"model", "generate", "chain.gguf", "hello", "--stop", "gate"}).out == "Old \n");
    const Json told = run_json_of(tsukai(home, {"model", "generate", "chain.gguf", "--plain", "the g",
                                                "--tokens", "2", "--logprobs", "3", "--json"})
                                      .out);
    REQUIRE(told["tokens"].size() == 2);
    CHECK(told["tokens"][0]["text"] == "a");
    CHECK(told["tokens"][0]["top"].size() == 3);
    CHECK(told["tokens"][0]["top"][0]["id"] == told["tokens"][0]["id"]);
    CHECK(told["tokens"][0]["logprob"].get<double>() < 0);
    const std::string bias = std::to_string(told["tokens"][0]["id"].get<int>()) + "=-1000";
    const Json without =
        run_json_of(tsukai(home, {"model", "generate", "chain.gguf", "--plain", "the g", "--tokens", "1",
                                  "--logit-bias", bias, "--logprobs", "0", "--json"})
                        .out);
    CHECK(without["tokens"][0]["id"] == told["tokens"][0]["top"][1]["id"]);
    CHECK(without["tokens"][0]["logprob"] == told["tokens"][0]["top"][1]["logprob"]);
    CHECK(tsukai(home, {"model", "generate", "chain.gguf", "--plain", "x", "--logit-bias", "12"}).exit == 2);
    home.write("schema.json",
               R"({"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]})");
    const Finished json =
        tsukai(home, {"model", "generate", "chain.gguf", "hello", "--schema", "schema.json"});
    CHECK(json.exit == 0);
    CHECK(run_json_of(json.out)["n"].is_string());
  }

  TEST_CASE("tokenize shows ids and pieces, control tokens only when asked for") {
    const Home home;
    run_furnish(home);
    CHECK(run_json_of(tsukai(home, {"model", "tokenize", "chain.gguf", "<|im_end|>", "--control", "--json"})
                          .out)["count"] == 1);
    CHECK(run_json_of(
              tsukai(home, {"model", "tokenize", "chain.gguf", "<|im_end|>", "--json"}).out)["count"] == 10);
    CHECK(tsukai(home, {"model", "tokenize", "chain.gguf", "}\"", "--quiet"}).out == "0\n1\n");
  }

  TEST_CASE("a damaged or foreign file is named, with the reason") {
    const Home home;
    const std::string whole = chain_model();
    home.write("short.gguf", whole.substr(0, whole.size() / 2));
    home.write("text.gguf", "this is no model at all, only a text that somebody renamed");
    home.write("empty.gguf", "");
    std::string other = whole;
    other.replace(other.find("llama"), 5, "lamma");
    home.write("other.gguf", other);
    for (const char* file : {"short.gguf", "text.gguf", "empty.gguf", "other.gguf"}) {
      for (const Words& command : {Words{"model", "info"}, Words{"model", "generate"}, Words{"run"}}) {
        Words words = command;
        if (command.front() == "run") {
          words = {"run", "hello", "--model", file};
        } else {
          words.push_back(file);
          if (command.back() == "generate") words.push_back("hello");
        }
        CAPTURE(file);
        CAPTURE(words.front());
        const Finished finished = tsukai(home, words);
        CHECK((finished.exit == 2 || finished.exit == 3));
        CHECK(finished.out == "");
        CHECK(finished.err.find(file) != std::string::npos);
        CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
      }
    }
    CHECK(tsukai(home, {"run", "hello", "--model", "other.gguf"}).err.find("lamma") != std::string::npos);
  }
}

}  // namespace tsukai::cli
