// The MCP servers that people run, as published on npm, through `tsukai mcp`. Label net: npm is asked for the
// packages; the servers themselves reach no network here.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tools/support/npm_servers.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

struct Published {
  const char* package;
  std::size_t tools;
  Words environment;
  bool folder = false;  // Takes a folder as its argument.
};

const std::vector<Published> kServers = {
    {"@amap/amap-maps-mcp-server", 12, {"AMAP_MAPS_API_KEY=none"}},
    {"@baidumap/mcp-server-baidu-map", 10, {"BAIDU_MAP_API_KEY=none"}},
    {"@modelcontextprotocol/server-google-maps", 7, {"GOOGLE_MAPS_API_KEY=none"}},
    {"@modelcontextprotocol/server-brave-search", 2, {"BRAVE_API_KEY=none"}},
    {"@brave/brave-search-mcp-server", 8, {"BRAVE_API_KEY=none"}},
    {"@modelcontextprotocol/server-filesystem", 14, {}, true},
    {"@modelcontextprotocol/server-memory", 9, {}},
    {"@modelcontextprotocol/server-everything", 17, {}},
    {"@modelcontextprotocol/server-sequential-thinking", 1, {}},
    {"@shopify/dev-mcp", 5, {"OPT_OUT_INSTRUMENTATION=true"}},
    {"tavily-mcp", 5, {"TAVILY_API_KEY=none"}},
    {"exa-mcp-server", 2, {"EXA_API_KEY=none"}},
    {"mcp-searxng", 4, {"SEARXNG_URL=http://127.0.0.1:9"}},
    {"duckduckgo-mcp-server", 1, {}}};

}  // namespace

TEST_SUITE("tools/tsukai/mcp_servers") {
  TEST_CASE("fourteen published servers start and list their tools") {
    if (!npm_servers_are_here()) return;
    for (const Published& published : kServers) {
      CAPTURE(published.package);
      const Home home;
      Words server = npm_program(published.package);
      if (published.folder) server.push_back(home.path());
      Words words = {"mcp", "tools", "--json", "--timeout", "60"};
      for (const std::string& variable : published.environment) words = words + Words{"--env", variable};
      const Finished finished = tsukai(home, words + Words{"--"} + server);
      CHECK_MESSAGE(finished.exit == 0, finished.out, finished.err);
      const auto document = parse_json(finished.out);
      REQUIRE(document);
      const std::size_t count = (*document)["tools"].size();
      MESSAGE(published.package, " ", (*document)["protocol"].get<std::string>(), ": ", count, " tools");
      CHECK(count == published.tools);
    }
  }

  TEST_CASE("a command calls the long-running tool of the everything server and waits for its task") {
    if (!npm_servers_are_here()) return;
    const Home home;
    const Finished finished =
        tsukai(home, Words{"mcp", "call", "simulate-research-query", "topic=tea", "--timeout", "60", "--"} +
                         npm_program("@modelcontextprotocol/server-everything"));
    CHECK_MESSAGE(finished.exit == 0, finished.out, finished.err);
    CHECK(finished.out.find("Research Report: tea") != std::string::npos);
  }
}

}  // namespace tsukai::cli
