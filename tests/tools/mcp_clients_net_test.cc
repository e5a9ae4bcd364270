// The clients that others wrote, as published, against tsukai-maps over stdio and over HTTP. Label net: npm
// and pip are asked for them.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kSupport = TSUKAI_SOURCE_DIR "/tests/tools/support/";
constexpr const char* kQuestion = R"({"address": "Old Gate"})";
constexpr std::size_t kMapsTools = 12;

bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

bool is_here(const std::string& program) {
  if (run("command -v " + program + " >/dev/null 2>&1")) return true;
  MESSAGE(program, " is not installed: not shown here");
  return false;
}

std::string maps() { return std::string(TSUKAI_BIN_DIR) + "/tsukai-maps"; }

// tsukai-maps over HTTP for as long as it lives.
struct MapsOverHttp {
  explicit MapsOverHttp(const Home& home)
      : program(home, {"/bin/sh", "-c", fmt::format("exec {} --http 127.0.0.1:0 >{}", maps(), home / "url")}),
        url(trimmed(wait_for_file(home / "url"))) {}
  Program program;
  std::string url;
};

// What a reference client said of a server: all tools, and the place in the answer.
void check_answer(const Finished& finished) {
  CHECK_MESSAGE(finished.exit == 0, finished.out, finished.err);
  const auto answer = parse_json(finished.out);
  REQUIRE_MESSAGE(answer.has_value(), finished.out, finished.err);
  CHECK((*answer)["tools"].size() == kMapsTools);
  CHECK(bool_at((*answer)["result"], "isError") == false);
  CHECK((*answer)["result"]["structuredContent"]["return"][0]["city"] == "Lanwan");
}

}  // namespace

TEST_SUITE("tools/tsukai/mcp_clients") {
  TEST_CASE("the TypeScript SDK lists and calls the tools of tsukai-maps") {
    if (!is_here("npm")) return;
    const Home home;
    const ScratchDir folder;
    REQUIRE(
        run(fmt::format("cd {0} && npm install --silent --no-audit --no-fund --prefix {0} "
                        "@modelcontextprotocol/client@2.4.0 >{0}/log 2>&1 && cp {1}sdk_client.mjs {0}",
                        folder.path(), kSupport)));
    const std::string script = folder / "sdk_client.mjs";
    check_answer(Program(home, {"/usr/bin/env", "node", script, maps(), "maps_geo", kQuestion}).finish());
    const MapsOverHttp http(home);
    check_answer(Program(home, {"/usr/bin/env", "node", script, http.url, "maps_geo", kQuestion}).finish());
  }

  TEST_CASE("the Python SDK lists and calls the tools of tsukai-maps") {
    if (!is_here("python3")) return;
    const Home home;
    const ScratchDir folder;
    REQUIRE(run(fmt::format("python3 -m venv {0}/py && {0}/py/bin/pip install -q mcp==2.3.0 >{0}/log 2>&1",
                            folder.path())));
    const std::string python = folder / "py/bin/python", script = std::string(kSupport) + "sdk_client.py";
    check_answer(Program(home, {python, script, maps(), "maps_geo", kQuestion}).finish());
    const MapsOverHttp http(home);
    check_answer(Program(home, {python, script, http.url, "maps_geo", kQuestion}).finish());
  }

  TEST_CASE("the MCP Inspector lists and calls the tools of tsukai-maps") {
    if (!is_here("npm")) return;
    const Home home;
    const ScratchDir folder;
    REQUIRE(
        run(fmt::format("cd {0} && npm install --silent --no-audit --no-fund --prefix {0} "
                        "@modelcontextprotocol/inspector@0.15.0 >{0}/log 2>&1",
                        folder.path())));
    const MapsOverHttp http(home);
    for (const std::string& target : {maps(), http.url}) {
      const Words inspector = {folder / "node_modules/.bin/mcp-inspector", "--cli", target};
      Words transport;
      if (target == http.url) transport = {"--transport", "http"};
      const Finished list = Program(home, inspector + transport + Words{"--method", "tools/list"}).finish();
      const auto tools = parse_json(list.out);
      REQUIRE_MESSAGE(tools.has_value(), list.out, list.err);
      CHECK((*tools)["tools"].size() == kMapsTools);
      const Finished call = Program(home, inspector + transport +
                                              Words{"--method", "tools/call", "--tool-name", "maps_geo",
                                                    "--tool-arg", "address=Old Gate"})
                                .finish();
      const auto answer = parse_json(call.out);
      REQUIRE_MESSAGE(answer.has_value(), call.out, call.err);
      CHECK((*answer)["structuredContent"]["return"][0]["city"] == "Lanwan");
    }
  }
}

}  // namespace tsukai::cli
