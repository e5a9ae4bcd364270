// `tsukai run`: one task, from the sentence to the answer.
#pragma once

#include <string>

#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct RunArguments {
  std::string agent;  // An agent file; empty: none.
  std::string task;
  std::string model;     // Overrides the agent file's.
  std::string database;  // Empty: the default.
  std::string user;
  std::string config;  // An mcpServers file, for runs without an agent file.
  int threads = 0;
  double timeout_s = 0;  // 0: the agent file's budget alone.
};

// 0 done, 1 the task failed, 2 the arguments are wrong, 3 a component is, 4 stopped by budget, policy or
// --timeout, 5 waiting for a person, 130 interrupted.
int run_command(Output& output, const RunArguments& arguments);

}  // namespace tsukai::cli
