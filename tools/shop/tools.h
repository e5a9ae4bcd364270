// The ten tools of the shop as MCP clients see them.
#pragma once

#include <span>

#include "mcp/server_program.h"
#include "tools/shop/shop.h"

namespace tsukai::shop {

struct ToolEntry {
  mcp::Tool tool;
  ToolFunction function;
};

// Built once, in the order of an errand: search, cart, order, money.
std::span<const ToolEntry> tools();

// Adds them all. `shop` outlives the server.
void add_tools(mcp::Server& server, Shop& shop, mcp::Misbehaviour misbehaviour = {});

}  // namespace tsukai::shop
