// The MCP servers that people run, as published on npm, through `tsukai mcp`. Label net: npm is asked for the
// packages; the servers themselves reach no network here.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

struct Published {
  const char* package;
  const char* version;
  std::size_t tools;
  Words environment;
  bool folder = false;  // Takes a folder as its argument.
};

const std::vector<Published> kServers = {
    {"@amap/amap-maps-mcp-server", "0.0.8", 12, {"AMAP_MAPS_API_KEY=none"}},
    {"@baidumap/mcp-server-baidu-map", "1.0.5", 10, {"BAIDU_MAP_API_KEY=none"}},
    {"@modelcontextprotocol/server-google-maps", "0.6.2", 7, {"GOOGLE_MAPS_API_KEY=none"}},
    {"@modelcontextprotocol/server-brave-search", "0.6.2", 2, {"BRAVE_API_KEY=none"}},
    {"@brave/brave-search-mcp-server", "2.1.4", 8, {"BRAVE_API_KEY=none"}},
    {"@modelcontextprotocol/server-filesystem", "2026.8.31", 14, {}, true},
    {"@modelcontextprotocol/server-memory", "2026.8.31", 9, {}},
    {"@modelcontextprotocol/server-everything", "2026.8.31", 17, {}},
    {"@modelcontextprotocol/server-sequential-thinking", "2026.8.31", 1, {}},
    {"@shopify/dev-mcp", "1.16.0", 5, {"OPT_OUT_INSTRUMENTATION=true"}},
    {"tavily-mcp", "0.2.22", 5, {"TAVILY_API_KEY=none"}},
    {"exa-mcp-server", "3.4.1", 2, {"EXA_API_KEY=none"}},
    {"mcp-searxng", "1.16.0", 4, {"SEARXNG_URL=http://127.0.0.1:9"}},
    {"duckduckgo-mcp-server", "0.1.2", 1, {}}};

bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

bool npm_is_here() {
  if (run("command -v npm >/dev/null 2>&1")) return true;
  MESSAGE("npm is not installed: not shown here");
  return false;
}

// All packages, installed once for the tests of this file: the folder they are in.
const std::string& packages() {
  static const ScratchDir folder;
  static const std::string path = [] {
    std::string names;
    for (const Published& one : kServers) names += fmt::format(" {}@{}", one.package, one.version);
    const std::string in = folder.path();
    const bool good =
        run(fmt::format("cd {0} && npm install --silent --no-audit --no-fund --prefix {0}{1} >{0}/log "
                        "2>&1",
                        in, names));
    REQUIRE_MESSAGE(good, read_file(in + "/log"));
    return in;
  }();
  return path;
}

// The words that start a package's program.
Words program_of(const std::string& package) {
  const std::string folder = fmt::format("{}/node_modules/{}", packages(), package);
  const auto about = parse_json(read_file(folder + "/package.json"));
  REQUIRE(about);
  const Json& bin = (*about)["bin"];
  return {"node", folder + "/" + (bin.is_string() ? bin : *bin.begin()).get<std::string>()};
}

struct Call {
  const char* tool;
  std::string good;
  std::string bad;
};

// Each tool with arguments that must work and with some that must not: in whatever way the server says so,
// the command tells in an exit code of its own.
void check_calls(const Home& home, const Words& server, const std::vector<Call>& calls) {
  for (const Call& call : calls) {
    CAPTURE(call.tool);
    const Finished good = tsukai(home, Words{"mcp", "call", call.tool, call.good, "--"} + server);
    CHECK_MESSAGE(good.exit == 0, good.out, good.err);
    const Finished bad = tsukai(home, Words{"mcp", "call", call.tool, call.bad, "--"} + server);
    CHECK_MESSAGE((bad.exit == 1 || bad.exit == 2), "exit ", bad.exit, ": ", bad.out, bad.err);
  }
}

}  // namespace

TEST_SUITE("tools/tsukai/mcp_servers") {
  TEST_CASE("fourteen published servers start and list their tools") {
    if (!npm_is_here()) return;
    for (const Published& published : kServers) {
      CAPTURE(published.package);
      const Home home;
      Words server = program_of(published.package);
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

  TEST_CASE("every tool of the filesystem server answers, and says when its arguments are wrong") {
    if (!npm_is_here()) return;
    const Home home;
    const std::string files = home / "files";
    home.write("files/a.txt", "one\ntwo\n");
    home.write("files/p.png", "\x89PNG\r\n");
    const auto at = [&](const char* name) { return files + "/" + name; };
    const auto path = [&](const char* name) { return print_json({{"path", at(name)}}); };
    const std::string outside = print_json({{"path", "/etc/hostname"}});
    const Words server = program_of("@modelcontextprotocol/server-filesystem") + Words{files};
    check_calls(
        home, server,
        {{"read_file", path("a.txt"), outside},
         {"read_text_file", print_json({{"path", at("a.txt")}, {"head", 1}}), path("missing")},
         {"read_media_file", path("p.png"), outside},
         {"read_multiple_files", print_json({{"paths", {at("a.txt")}}}), R"({"paths": "a"})"},
         {"write_file", print_json({{"path", at("b.txt")}, {"content", "b"}}), path("b.txt")},
         {"edit_file",
          print_json({{"path", at("a.txt")}, {"edits", {{{"oldText", "one"}, {"newText", "eins"}}}}}),
          print_json({{"path", at("a.txt")}, {"edits", {{{"oldText", "nowhere"}, {"newText", "x"}}}}})},
         {"create_directory", path("d"), outside},
         {"list_directory", path(""), outside},
         {"list_directory_with_sizes", path(""), outside},
         {"directory_tree", path(""), outside},
         {"move_file", print_json({{"source", at("b.txt")}, {"destination", at("c.txt")}}),
          print_json({{"source", at("gone")}, {"destination", at("x")}})},
         {"search_files", print_json({{"path", files}, {"pattern", "*.txt"}}), path("")},
         {"get_file_info", path("a.txt"), path("gone")}});
    const Finished roots = tsukai(home, Words{"mcp", "call", "list_allowed_directories", "--"} + server);
    CHECK(roots.exit == 0);
    CHECK(roots.out.find(files) != std::string::npos);
    CHECK(read_file(at("a.txt")) == "eins\ntwo\n");
    CHECK(read_file(at("c.txt")) == "b");
  }

  TEST_CASE("every tool of the memory server answers, and says when its arguments are wrong") {
    if (!npm_is_here()) return;
    const Home home;
    Words server = program_of("@modelcontextprotocol/server-memory");
    server = Words{"env", "MEMORY_FILE_PATH=" + (home / "memory.json")} + server;
    const std::string wrong = R"({"entities": 7, "relations": 7, "observations": 7, "entityNames": 7,
                                  "deletions": 7, "query": [], "names": 7})";
    check_calls(
        home, server,
        {{"create_entities", R"({"entities": [{"name": "Mika", "entityType": "person", "observations": []},
                                {"name": "Tea", "entityType": "drink", "observations": ["green"]}]})",
          wrong},
         {"create_relations", R"({"relations": [{"from": "Mika", "to": "Tea", "relationType": "likes"}]})",
          wrong},
         {"add_observations", R"({"observations": [{"entityName": "Mika", "contents": ["tall"]}]})", wrong},
         {"search_nodes", R"({"query": "Mika"})", wrong},
         {"open_nodes", R"({"names": ["Mika"]})", wrong},
         {"delete_observations", R"({"deletions": [{"entityName": "Mika", "observations": ["tall"]}]})",
          wrong},
         {"delete_relations", R"({"relations": [{"from": "Mika", "to": "Tea", "relationType": "likes"}]})",
          wrong},
         {"delete_entities", R"({"entityNames": ["Tea"]})", wrong}});
    const Finished graph = tsukai(home, Words{"mcp", "call", "read_graph", "--json", "--"} + server);
    CHECK(graph.exit == 0);
    CHECK(graph.out.find("Mika") != std::string::npos);
    CHECK(graph.out.find("Tea") == std::string::npos);
  }
}

}  // namespace tsukai::cli
