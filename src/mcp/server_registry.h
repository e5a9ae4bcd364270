// What a server offers: its tools, ready to be listed and called.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_schema.h"
#include "mcp/server.h"

namespace tsukai::mcp {

struct RegisteredTool {
  std::string name;
  JsonValue definition;  // As tools/list sends it.
  JsonValue input_json;
  JsonSchema input;
  std::optional<JsonSchema> output;
  ToolHandler handler;
};

struct Registry {
  ServerOptions options;
  std::deque<RegisteredTool> tools;  // In the order added: lists must not change from call to call.

  const RegisteredTool* tool(std::string_view name) const;
};

// "argument /x: ...; the tool takes: city (string, required), radius (integer)". For a model that must repair
// its call.
std::string explain_arguments(const RegisteredTool& tool, const Json& arguments);

}  // namespace tsukai::mcp
