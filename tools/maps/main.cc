// tsukai-maps: an MCP server over a local map.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tools/maps/generate.h"
#include "tools/maps/map_file.h"
#include "tools/maps/osm_import.h"
#include "tools/maps/tools.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

int complain(const Error& error) {
  fmt::print(stderr, "tsukai-maps: {}\n", error.text());
  return static_cast<int>(exit_code(error.code()));
}

// Whatever is wrong with the map, the server as a component is broken: exit code 3, also for a file that is
// not there.
int no_map(const Error& error) {
  complain(error);
  return static_cast<int>(Exit::kComponent);
}

int serve(const std::string& data, std::uint64_t seed, Language language, mcp::ServerProgram program) {
  if (auto right = program.check(); !right) return complain(right.error());
  program.misbehaviour.seed = seed;
  std::string path = data;
  if (path.empty()) {
    auto cached = cached_city(seed);
    if (!cached) return no_map(cached.error());
    path = *cached;
  }
  auto map = Map::open(path);
  if (!map) return no_map(map.error());
  const std::string city = map->region().city.in(language);
  Service service(std::move(*map), language, system_clock());
  auto server = mcp::Server::make(
      {.implementation = {"tsukai-maps", "tsukai maps", TSUKAI_VERSION},
       .instructions = "A map of " + city +
                       ". Coordinates are written longitude,latitude; get them from maps_geo or a search."});
  add_tools(*server, service, program.misbehaviour);
  return program.serve(*server);
}

int generate(const std::string& out, std::uint64_t seed) {
  const City city = generate_city(seed);
  if (auto done = write_map(out, city); !done) return complain(done.error());
  fmt::print("{}: {}, {} places, {} streets, {} road nodes, {} road edges, {} metro lines\n", out,
             city.origin, city.places.size(), city.streets.size(), city.nodes.size(), city.edges.size(),
             city.lines.size());
  return 0;
}

// One line on stderr, written over and over, when a person watches.
class ProgressLine {
 public:
  ProgressLine() : watched_(isatty(STDERR_FILENO) != 0) {}
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\r\033[K");
  }
  void operator()(std::string_view stage, std::size_t done, std::size_t total) {
    if (!watched_) return;
    shown_ = true;
    fmt::print(stderr, "\r\033[K{}: {}%", stage, total == 0 ? 0 : done * 100 / total);
  }

 private:
  bool watched_, shown_ = false;
};

int import(const std::string& in, const std::string& out, const std::string& city_name) {
  ImportReport report;
  ProgressLine progress;
  progress("reading " + in, 0, 1);
  auto city = import_osm(in, city_name, report);
  if (!city) return complain(city.error());
  if (auto done = write_map(out, *city, std::ref(progress)); !done) return complain(done.error());
  fmt::print("{}: {}, {} places, {} streets, {} road nodes, {} road edges, from {} nodes and {} ways", out,
             city->region.city.in(Language::kEnglish), city->places.size(), city->streets.size(),
             city->nodes.size(), city->edges.size(), report.nodes, report.ways);
  if (report.missing_nodes > 0) fmt::print("; {} road nodes lie outside the extract", report.missing_nodes);
  fmt::print("\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "tsukai-maps: an MCP server with Amap's maps tools, answered from a local map, over standard input and "
      "output or HTTP.");
  app.footer(
      "Without --data the made-up city of Lanwan is used; its file is made at the first start, in "
      "$XDG_CACHE_HOME/tsukai\n"
      "or ~/.cache/tsukai.\n\n"
      "Examples:\n"
      "  tsukai mcp call maps_text_search keywords=\"coffee near the old gate\" -- tsukai-maps\n"
      "  tsukai-maps generate --out city.db --seed 7 && tsukai-maps --data city.db\n"
      "  tsukai-maps import town.osm.pbf --out town.db && tsukai-maps --data town.db\n"
      "  tsukai-maps --http 127.0.0.1:8930 --key secret\n"
      "In .mcp.json: {\"mcpServers\": {\"maps\": {\"command\": \"tsukai-maps\"}}}\n\n"
      "Exit codes: 0 done, 2 wrong arguments, 3 the map is missing or broken.");
  app.set_version_flag("--version", std::string("tsukai-maps ") + TSUKAI_VERSION);
  std::string data, out;
  std::uint64_t seed = kDefaultSeed;
  Language language = Language::kEnglish;
  app.add_option("--data", data, "Map file to serve")->type_name("FILE");
  app.add_option("--seed", seed, "Which made-up city, when --data is not given, and which calls fail")
      ->type_name("N");
  mcp::ServerProgram program{.name = "tsukai-maps", .port = 8930};
  program.add_options(app);
  app.add_option("--language", language,
                 "Language of answers: en, zh or ja; questions in Chinese or Japanese are answered in kind")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Language>{
          {"en", Language::kEnglish}, {"zh", Language::kChinese}, {"ja", Language::kJapanese}}))
      ->option_text("LANGUAGE");
  CLI::App* make = app.add_subcommand("generate", "Write a made-up city to a map file");
  make->add_option("--out", out, "File to write; replaced when it is there")->required()->type_name("FILE");
  make->add_option("--seed", seed, "The same number gives the same city")->type_name("N");
  std::string in, city_name;
  CLI::App* import_command = app.add_subcommand("import", "Make a map file of an OpenStreetMap extract");
  import_command->add_option("extract", in, "The extract: .osm (XML) or .osm.pbf")
      ->required()
      ->type_name("FILE");
  import_command->add_option("--out", out, "File to write; replaced when it is there")
      ->required()
      ->type_name("FILE");
  import_command->add_option("--city", city_name, "What to call it; else the largest city or town inside")
      ->type_name("NAME");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(Exit::kUsage);
  }
  if (make->parsed()) return generate(out, seed);
  if (import_command->parsed()) return import(in, out, city_name);
  return serve(data, seed, language, std::move(program));
}
