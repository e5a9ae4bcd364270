// Tool arguments that travel as HTTP headers as well (`x-mcp-header`, 2026-07-28), and how values look in
// headers. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tsukai::mcp {

struct ParamHeader {
  std::string header;             // "Mcp-Param-Region"
  std::vector<std::string> path;  // Property names from the arguments object down.
  std::string type;               // "string", "integer", "boolean"
};

// The annotations of an input schema. kInvalidArgument names what the specification forbids: an empty or
// non-token name, one that differs from another by case only, a type other than string, integer and boolean,
// or a place that `properties` alone does not reach.
Result<std::vector<ParamHeader>> param_headers(const Json& input_schema);

// A value as header text: plain where that is safe, else "=?base64?...?=".
std::string header_value(std::string_view text);
// Back again; nullopt when a sentinel holds invalid base64.
std::optional<std::string> from_header_value(std::string_view text);

// The text of the argument at `path`: nullopt when absent or null.
std::optional<std::string> argument_text(const Json& arguments, const ParamHeader& header);
// Does a header's decoded text say the same as the argument? Integers are compared as numbers.
bool same_argument(const Json& arguments, const ParamHeader& header, std::string_view text);

}  // namespace tsukai::mcp
