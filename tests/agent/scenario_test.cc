#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/support/scenario.h"

using namespace tsukai;
using namespace tsukai::agent;

TEST_SUITE("agent/scenarios") {
  TEST_CASE("every scenario file plays as it says") {
    std::vector<std::string> paths;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(TSUKAI_SOURCE_DIR) + "/tests/scenarios")) {
      if (entry.path().extension() == ".yaml") paths.push_back(entry.path().string());
    }
    std::sort(paths.begin(), paths.end());
    CHECK(paths.size() >= 60);
    for (const auto& path : paths) {
      CAPTURE(path);
      const auto scenario = load_yaml(path);
      REQUIRE_MESSAGE(scenario, scenario.error().text());
      for (const auto& fault : play_scenario(*scenario)) FAIL_CHECK(fault);
    }
  }
}
