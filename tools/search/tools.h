// The three tools as MCP clients see them.
#pragma once

#include <functional>
#include <vector>

#include "mcp/server.h"
#include "tools/search/service.h"

namespace tsukai::search {

// Their definitions; `web`: pages of the web are among the answers.
std::vector<mcp::Tool> tools(bool web);

// Adds them all. `service` outlives the server. `wrap` is put around each handler.
void add_tools(mcp::Server& server, Service& service,
               const std::function<mcp::ToolHandler(mcp::ToolHandler)>& wrap = {});

}  // namespace tsukai::search
