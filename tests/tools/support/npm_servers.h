// The MCP servers that people run, as published on npm: installed once a build folder (npm_servers.sh),
// started offline.
#pragma once

#include <string>
#include <vector>

namespace tsukai::cli {

// False, and said so, when npm did not answer: then there is nothing to test.
bool npm_servers_are_here();
// The words that start a package's program. REQUIRES: npm_servers_are_here().
std::vector<std::string> npm_program(const std::string& package);

}  // namespace tsukai::cli
