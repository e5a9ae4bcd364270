// The arguments of a tool call, typed by hand.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace tsukai::cli {

// One JSON object, or pairs: key=value, where the schema's type of the key decides how the value is read
// (text unless it says number, integer, boolean, array, object or null), and key:=JSON, always read as JSON.
// No values: {}. kInvalidArgument names the pair.
Result<Json> call_arguments(const std::vector<std::string>& values, const Json& input_schema);

// Whether reading `values` needs the schema at all.
bool needs_schema(const std::vector<std::string>& values);

}  // namespace tsukai::cli
