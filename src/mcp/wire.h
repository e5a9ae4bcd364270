// Typed values of the protocol to JSON and back. Pure. Unknown members survive in `whole`.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "mcp/types.h"

namespace tsukai::mcp {

Json to_json(const Implementation& implementation);
Implementation parse_implementation(const Json& value);

// The definition as a server sends it: `whole` with the typed members on top.
Json to_json(const Tool& tool);
// kProtocol says what is wrong: no name, an inputSchema that is no object.
Result<Tool> parse_tool(const Json& value);

struct ToolPage {
  std::vector<Tool> tools;
  std::string next_cursor;          // Empty: the last page.
  std::vector<std::string> broken;  // One sentence for each definition that was left out.
};
Result<ToolPage> parse_tool_page(const Json& result);

Result<ToolResult> parse_tool_result(const JsonValue& result);

}  // namespace tsukai::mcp
