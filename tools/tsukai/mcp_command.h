// `tsukai mcp`: any MCP server, from the command line.
#pragma once

#include <string>
#include <vector>

#include "mcp/client.h"
#include "tools/tsukai/output.h"
#include "tools/tsukai/servers.h"

namespace tsukai::cli {

// Exit codes of `tsukai mcp` say whose fault it was; 0, 2, 4 and 130 are those of every command.
inline constexpr int kExitToolError = 1;     // The tool answered with an error.
inline constexpr int kExitTransport = 3;     // The server does not start, dies, hangs or can't be reached.
inline constexpr int kExitProtocol = 6;      // The server breaks the protocol.
inline constexpr int kExitBrokenResult = 7;  // A result is not what the tool's outputSchema promises.
int mcp_exit(const Error& error);

struct McpArguments {
  ServerChoice server;
  std::string trace;                // Every message as JSON Lines into this file; "-": standard error.
  std::string name;                 // Of a tool, a resource or a prompt.
  std::vector<std::string> values;  // What follows it.
  bool browser = true;              // A login may open one.
};

int mcp_tools_command(Output& output, const McpArguments& arguments);
int mcp_call_command(Output& output, const McpArguments& arguments);
int mcp_ping_command(Output& output, const McpArguments& arguments);
// mcp_content.cc
int mcp_resources_command(Output& output, const McpArguments& arguments);
int mcp_prompts_command(Output& output, const McpArguments& arguments);
int mcp_read_command(Output& output, const McpArguments& arguments);
int mcp_prompt_command(Output& output, const McpArguments& arguments);
int mcp_complete_command(Output& output, const McpArguments& arguments);
// mcp_list.cc: every server of a file, asked how it is. 0 all answer, 3 one or more do not.
int mcp_list_command(Output& output, const McpArguments& arguments);

}  // namespace tsukai::cli
