// Calls a server in this process with arguments that are right, wrong and absurd, the same for the same seed.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/random.h"
#include "mcp/server.h"

namespace tsukai {

// A plausible value for an argument of a tool.
using Plausible = std::function<Json(const std::string& tool, const std::string& argument, Random& random)>;

struct RandomCall {
  std::string tool;
  JsonValue arguments, schema;
  JsonValue result;  // Of tools/call, or {"error": ...}.
};

// Makes `count` calls of the tools that the server lists, one after the other, and shows each with its
// result.
Result<void> make_random_calls(mcp::Server& server, std::uint64_t seed, int count, Plausible plausible,
                               std::function<void(const RandomCall&)> seen);

// What a result's text says; empty when it is no error.
std::string error_text(const RandomCall& call);
// Whether an error says which of the tool's arguments to change.
bool names_an_argument(const RandomCall& call);

}  // namespace tsukai
