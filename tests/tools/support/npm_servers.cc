#include "tools/support/npm_servers.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "support/scratch_dir.h"

namespace tsukai::cli {
namespace {

const std::string& folder() {
  static const std::string path = std::string(TSUKAI_BIN_DIR) + "/../npm-servers";
  return path;
}

}  // namespace

bool npm_servers_are_here() {
  static const int status =
      std::system(fmt::format("'{}/tests/tools/npm_servers.sh' '{}'", TSUKAI_SOURCE_DIR, folder()).c_str());
  if (status == 0) return true;
  MESSAGE("npm does not answer here: not shown");
  return false;
}

std::vector<std::string> npm_program(const std::string& package) {
  const std::string in = fmt::format("{}/node_modules/{}", folder(), package);
  const auto about = parse_json(read_file(in + "/package.json"));
  REQUIRE(about);
  const Json& bin = (*about)["bin"];
  return {"node", in + "/" + (bin.is_string() ? bin : *bin.begin()).get<std::string>()};
}

}  // namespace tsukai::cli
