// `tsukai mcp serve`: an agent, offered to other programs as one MCP tool.
#pragma once

#include <string>
#include <vector>

#include "mcp/server_program.h"
#include "tools/tsukai/output.h"
#include "tools/tsukai/run_command.h"

namespace tsukai::cli {

struct ServeArguments {
  RunArguments run;  // Its agent, model, parameters, servers, user, database, threads and time limit.
  mcp::ServerProgram program{"tsukai mcp serve", 8940};
};

// Serves until standard input ends, or over HTTP until a signal. The tool takes {"task"} and answers with
// {"answer", "run_id", "state"}; each step is a progress notification; cancelling the call cancels the run,
// which stays in the journal like any other. Standard output carries the protocol alone.
int mcp_serve_command(Output& output, ServeArguments arguments);

}  // namespace tsukai::cli
