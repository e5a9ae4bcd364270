// `tsukai run`: one task, from the sentence to the answer.
#pragma once

#include <string>
#include <vector>

#include "agent/agent_file.h"
#include "tools/tsukai/follow.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct RunArguments {
  FollowArguments follow;
  std::string agent;  // An agent file; empty: none.
  std::string task;
  std::string model;                // Overrides the agent file's.
  std::string config;               // An mcpServers file whose servers are added.
  std::vector<std::string> params;  // NAME=VALUE
};

// What this program honours of agent files, and the values given with -p. kInvalidArgument: not NAME=VALUE.
Result<agent::AgentFileOptions> agent_options(const std::vector<std::string>& params);

// The agent that is meant, its model resolved.
Result<agent::AgentFile> agent_of(const RunArguments& arguments);

// Exit codes as of follow().
int run_command(Output& output, const RunArguments& arguments);

}  // namespace tsukai::cli
