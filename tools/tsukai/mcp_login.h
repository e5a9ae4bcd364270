// Logins to MCP servers: where they are kept, and how a person is sent to a browser.
#pragma once

#include <memory>
#include <string>

#include "agent/runtime.h"
#include "mcp/auth/oauth.h"
#include "mcp/client.h"
#include "tools/tsukai/mcp_command.h"

namespace tsukai::cli {

struct LoginOptions {
  bool interactive = false;  // A person is there: print the address, and
  bool browser = true;       // open a browser ($BROWSER, else xdg-open) where there is a display.
  Output* output = nullptr;  // Its progress line gives way to the address, if there is one.
};

// $XDG_DATA_HOME/tsukai/credentials.json, beside the default database.
Result<std::string> credentials_path();

// What gives requests to this server their tokens; null for servers over stdio and for those whose
// configuration has an Authorization header.
Result<std::shared_ptr<mcp::OAuth>> authorizer_for(asio::any_io_executor executor,
                                                   const mcp::ServerConfig& config, LoginOptions options);

// For RuntimeOptions::connect: stored logins are used and renewed.
agent::ConnectServer connect_with_logins(LoginOptions options);

int mcp_login_command(Output& output, const McpArguments& arguments);
int mcp_logout_command(Output& output, const McpArguments& arguments);

}  // namespace tsukai::cli
