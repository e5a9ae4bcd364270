// `tsukai mcp`: any MCP server, from the command line.
#pragma once

#include <string>
#include <vector>

#include "tools/tsukai/output.h"
#include "tools/tsukai/servers.h"

namespace tsukai::cli {

struct McpArguments {
  ServerChoice server;
  std::string trace;                // Every message as JSON Lines into this file; "-": standard error.
  std::string tool;                 // call
  std::vector<std::string> values;  // call: one JSON object, or key=value pairs
};

// Exit codes say whose fault it was: 1 the tool answered with an error, 2 the command line (no such server,
// no such tool, not JSON), 3 the server (does not start, dies, hangs, breaks the protocol).
int mcp_list_command(Output& output, const McpArguments& arguments);
int mcp_tools_command(Output& output, const McpArguments& arguments);
int mcp_call_command(Output& output, const McpArguments& arguments);
int mcp_ping_command(Output& output, const McpArguments& arguments);

}  // namespace tsukai::cli
