// The twelve maps tools as MCP clients see them: Amap's names, arguments and result fields.
#pragma once

#include <span>
#include <string>

#include "mcp/server_program.h"
#include "tools/maps/service.h"

namespace tsukai::maps {

struct ToolEntry {
  mcp::Tool tool;
  ToolFunction function;
  bool routes = false;  // Needs the road network, which takes a while to read the first time.
};

// Built once; the order is Amap's.
std::span<const ToolEntry> tools();

// Adds them all. `service` outlives the server.
void add_tools(mcp::Server& server, Service& service, mcp::Misbehaviour misbehaviour = {});

}  // namespace tsukai::maps
