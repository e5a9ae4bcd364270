#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

const std::vector<Words> kCommands = {{"run"},
                                      {"chat"},
                                      {"agent", "check"},
                                      {"runs", "list"},
                                      {"runs", "show"},
                                      {"runs", "verify"},
                                      {"runs", "replay"},
                                      {"runs", "export"},
                                      {"runs", "resume"},
                                      {"runs", "approve"},
                                      {"runs", "resolve"},
                                      {"runs", "fork"},
                                      {"runs", "cancel"},
                                      {"runs", "erase"},
                                      {"runs", "prune"},
                                      {"memory", "list"},
                                      {"memory", "search"},
                                      {"memory", "show"},
                                      {"mcp", "list"},
                                      {"mcp", "tools"},
                                      {"mcp", "call"},
                                      {"mcp", "ping"},
                                      {"model", "info"},
                                      {"model", "generate"},
                                      {"model", "tokenize"},
                                      {"doctor"}};

std::string spelled(const Words& words) {
  std::string text = "tsukai";
  for (const std::string& word : words) text += " " + word;
  return text;
}

}  // namespace

TEST_SUITE("tools/tsukai/usage") {
  TEST_CASE("--help lists every command and every exit code") {
    const Home home;
    const Finished help = tsukai(home, {"--help"});
    CHECK(help.exit == 0);
    for (const Words& command : kCommands)
      CHECK(help.out.find("\n  " + command.front() + " ") != std::string::npos);
    for (const char* code : {"  0 ", "  1 ", "  2 ", "  3 ", "  4 ", "  5 ", "  130 "}) {
      CHECK(help.out.find(code) != std::string::npos);
    }
    CHECK(help.err == "");
    CHECK(tsukai(home, {}).out == help.out);
    CHECK(tsukai(home, {"--version"}).out == std::string("tsukai ") + TSUKAI_VERSION + "\n");
  }

  TEST_CASE("the help of every command ends in an example of that command, and offers --json and --quiet") {
    const Home home;
    for (const Words& command : kCommands) {
      CAPTURE(spelled(command));
      const Finished help = tsukai(home, command + Words{"--help"});
      CHECK(help.exit == 0);
      const auto example = help.out.rfind("Example:\n  " + spelled(command));
      CHECK(example != std::string::npos);
      CHECK(help.out.find("--json") != std::string::npos);
      CHECK(help.out.find("--quiet") != std::string::npos);
    }
  }

  TEST_CASE("a usage mistake is one sentence with what was probably meant, and exit code 2") {
    const Home home;
    struct Mistake {
      Words words;
      std::string says;
    };
    const std::vector<Mistake> mistakes = {
        {{"rnu", "x"}, "tsukai has no command \"rnu\"; did you mean run?"},
        {{"--versoin"}, "tsukai has no flag --versoin; did you mean --version?"},
        {{"mcp"},
         "tsukai mcp needs a command: list, tools, call, resources, read, prompts, prompt, complete, ping, "
         "login, logout, pins, serve; see tsukai mcp --help"},
        {{"mcp", "tool"}, "tsukai mcp has no command \"tool\"; did you mean tools?"},
        {{"runs", "show"}, "tsukai runs show needs RUN; see tsukai runs show --help"},
        {{"run", "--modle", "a", "b"}, "tsukai run has no flag --modle; did you mean --model?"},
        {{"run", "find", "a", "cafe"},
         "tsukai run takes no further argument \"cafe\"; put quotation marks around what belongs together, "
         "or see "
         "tsukai run --help"},
        {{"run"}, "tsukai run: the task is missing; write tsukai run \"what to do\""},
        {{"run", "a.yaml"}, "tsukai run: the task is missing; write tsukai run a.yaml \"what to do\""},
        {{"run", "x", "--threads", "many"},
         "tsukai run: --threads: takes a whole number from 1 to 1,024, not \"many\"; see tsukai run --help"},
        {{"run", "x", "--timeout"}, "tsukai run: --timeout needs a value; see tsukai run --help"},
        {{"runs", "list", "-n", "-3"},
         "tsukai runs list: --count: takes a whole number from 1 to 1,000,000, not \"-3\"; see tsukai runs "
         "list --help"},
        {{"runs", "approve"}, "tsukai runs approve needs RUN; see tsukai runs approve --help"},
        {{"runs", "resolve", "x"}, "tsukai runs resolve: say one of --done JSON, --retry and --abort"},
        {{"runs", "resolve", "x", "--retry", "--abort"}, "tsukai runs resolve: say one of"},
        {{"runs", "prune"}, "tsukai runs prune: which runs?"},
        {{"runs", "prune", "--older-than", "soon"},
         "--older-than: \"soon\" is not an age such as 30d (s, min, h, d, w)"},
        {{"runs", "prune", "--larger-than", "-1MB"},
         "--larger-than: \"-1MB\" is not a size such as 500MB (B, kB, MB, GB, TB)"},
        {{"run", "x", "-p", "city"}, "-p city: not NAME=VALUE"},
        {{"run", "x", "-p", "city=Kyoto"}, "-p: only an agent file has parameters"},
        {{"runs", "list", "--state", "finished"},
         "--state finished: no such state; one of running, done, failed, stopped, waiting, cancelled"},
        {{"mcp", "tools"},
         "tsukai mcp tools: the server is missing; name one, or put its command line behind --"},
        {{"mcp", "call", "--", "cat"},
         "tsukai mcp call: the tool is missing; tsukai mcp tools lists what a server has"},
        {{"mcp", "ping", "x", "--", "cat"},
         "tsukai mcp ping: takes no further argument \"x\"; the command line behind -- says the server "
         "already"},
        {{"memory", "list", "--scope", "usr=mika"}, "--scope"},
    };
    for (const Mistake& mistake : mistakes) {
      CAPTURE(spelled(mistake.words));
      const Finished finished = tsukai(home, mistake.words);
      CHECK(finished.exit == 2);
      CHECK(finished.out == "");
      CHECK(finished.err.starts_with("tsukai: " + mistake.says));
      CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
    }
  }

  TEST_CASE("with --json a mistake is an object on standard output") {
    const Home home;
    const Finished finished = tsukai(home, {"runs", "shwo", "--json"});
    CHECK(finished.exit == 2);
    CHECK(finished.err == "");
    const auto document = parse_json(finished.out);
    REQUIRE(document);
    CHECK(string_at((*document)["error"], "code") == "invalid_argument");
    CHECK(string_at((*document)["error"], "message") == "tsukai runs has no command \"shwo\"");
    CHECK(string_at((*document)["error"], "remedy") == "did you mean show?");
  }

  TEST_CASE("what is not there is named, with what to do about it") {
    const Home home;
    const std::string file = home.write("broken.gguf", "GG");
    struct Missing {
      Words words;
      std::string says;
    };
    const std::vector<Missing> all = {
        {{"runs", "show", "last"}, "there is no run yet"},
        {{"runs", "resume", "last"}, "there is no run yet"},
        {{"runs", "export", "last"}, "there is no run yet"},
        {{"runs", "fork", "last", "--step", "1"}, "there is no run yet"},
        {{"memory", "show", "1"}, "there is no memory yet"},
        {{"run", "nowhere.yaml", "hello"}, "nowhere.yaml"},
        {{"run", "hello", "--model", "nowhere.gguf"}, "nowhere.gguf"},
        {{"run", "hello", "--model", "bundled"}, "bundled"},
        {{"run", "hello"}, "tools/fetch_smollm2.sh"},
        {{"model", "info", "smollm2"}, "tools/fetch_smollm2.sh"},
        {{"model", "info", file}, file},
        {{"model", "generate", file, "hello"}, file},
        {{"model", "tokenize", file, "hello"}, file},
        {{"agent", "check", "nowhere.yaml"}, "nowhere.yaml"},
        {{"runs", "list", "--db", "nowhere.db"}, "nowhere.db"},
        {{"mcp", "tools", "maps"}, ".mcp.json"},
        {{"mcp", "tools", "maps", "--config", "nowhere.json"}, "nowhere.json"},
    };
    for (const Missing& missing : all) {
      CAPTURE(spelled(missing.words));
      const Finished finished = tsukai(home, missing.words);
      CHECK((finished.exit == 2 || finished.exit == 3));
      CHECK(finished.out == "");
      CHECK(finished.err.starts_with("tsukai: "));
      CHECK(finished.err.find(missing.says) != std::string::npos);
      CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
    }
  }

  TEST_CASE("lists of nothing are empty, not mistakes") {
    const Home home;
    CHECK(tsukai(home, {"runs", "list"}).exit == 0);
    CHECK(tsukai(home, {"memory", "list"}).exit == 0);
    CHECK(tsukai(home, {"memory", "search", "coffee"}).exit == 0);
    const auto runs = parse_json(tsukai(home, {"runs", "list", "--json"}).out);
    REQUIRE(runs);
    CHECK((*runs)["runs"].empty());
  }

  TEST_CASE("doctor says that a bare home works, and what could be added") {
    const Home home;
    const Finished finished = tsukai(home, {"doctor", "--json"});
    CHECK(finished.exit == 0);
    const auto document = parse_json(finished.out);
    REQUIRE(document);
    CHECK(bool_at(*document, "ok"));
    bool names_database = false, names_model = false;
    for (const Json& finding : (*document)["findings"]) {
      if (finding["what"] == "database") names_database = finding["verdict"] == "works";
      if (finding["what"] == "model smollm2")
        names_model = finding["verdict"] == "missing" && finding.contains("remedy");
    }
    CHECK(names_database);
    CHECK(names_model);
    // The write test leaves nothing behind.
    CHECK(std::filesystem::is_empty(home / "data/tsukai"));
  }

  TEST_CASE("doctor fails when the database can't be written") {
    const Home home;
    home.write("file", "");
    const Finished finished = tsukai(home, {"doctor", "--db", home / "file/tsukai.db"});
    CHECK(finished.exit == 3);
    CHECK(finished.out.find("broken   database") != std::string::npos);
  }
}

}  // namespace tsukai::cli
