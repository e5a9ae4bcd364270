// The twelve maps tools as MCP clients see them: Amap's names, arguments and result fields.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "mcp/server.h"
#include "tools/maps/service.h"

namespace tsukai::maps {

struct ToolEntry {
  mcp::Tool tool;
  ToolFunction function;
};

// Built once; the order is Amap's.
std::span<const ToolEntry> tools();

// Misbehaviour on purpose, for tests of agents: the same options and the same order of calls give the same
// failures.
struct Faults {
  std::chrono::milliseconds latency{0};  // Before every answer.
  double fail_rate = 0;                  // Share of calls, 0 to 1, that end in an error instead of an answer.
  std::uint64_t seed = 1;
};

// Adds them all. `service` outlives the server.
void add_tools(mcp::Server& server, Service& service, Faults faults = {});

}  // namespace tsukai::maps
