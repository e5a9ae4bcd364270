// Long answers in pages: where the next page begins is told by a cursor.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace tsukai::shop {

// Where the page asked for begins; 0 without a cursor. kInvalidArgument for a cursor that this tool did not
// give, or gave for other arguments.
Result<std::size_t> page_begin(const Json& arguments);
// The cursor of the page that begins at `offset` of what these arguments ask for.
std::string cursor_at(std::size_t offset, const Json& arguments);

}  // namespace tsukai::shop
