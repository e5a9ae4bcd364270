// Finding the MCP server that a person means.
#pragma once

#include <string>
#include <vector>

#include "mcp/client.h"

namespace tsukai::cli {

struct ServerChoice {
  std::string name;                  // A URL; or one of the file's servers,
  std::string config;                // an mcpServers file; empty: .mcp.json of this folder,
  std::string agent;                 // or an agent file;
  std::vector<std::string> command;  // or a command line of its own (behind --), which needs none of these.
  std::vector<std::string> environment;  // NAME=VALUE, for that command.
  std::vector<std::string> headers;      // NAME:VALUE, for a URL.
  std::string era;                       // auto, legacy, modern, or a revision; empty: as configured.
  double timeout_s = 0;                  // For starting and for each call; 0: as configured.
};

// The servers of a file with an `mcpServers` object. Errors name the file.
Result<std::vector<mcp::ServerConfig>> read_server_file(const std::string& path);

// All servers that `choice` could mean.
Result<std::vector<mcp::ServerConfig>> servers_of(const ServerChoice& choice);

// The one it means. kNotFound names the nearest.
Result<mcp::ServerConfig> find_server(const ServerChoice& choice);

}  // namespace tsukai::cli
