// Long answers of tools in pages: where the next page begins is told by a cursor, which goes out as
// next_cursor and comes back as the argument cursor. (Lists of the protocol itself have their own.)
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace tsukai::mcp {

// Where the page asked for begins; 0 without a cursor. kInvalidArgument for a cursor that this tool did not
// give, or gave for other arguments.
Result<std::size_t> page_begin(const Json& arguments);
// The cursor of the page that begins at `offset` of what these arguments ask for.
std::string cursor_at(std::size_t offset, const Json& arguments);

}  // namespace tsukai::mcp
