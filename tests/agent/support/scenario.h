// Scenario files (tests/scenarios/README.md): a run of an agent as data.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace tsukai::agent {

// A YAML file as JSON; plain scalars that read as numbers, booleans or null become those.
Result<Json> load_yaml(const std::string& path);

// Plays the scenario and gives what was not as expected, a line each.
std::vector<std::string> play_scenario(const Json& scenario);

}  // namespace tsukai::agent
