// Printing JSON piece by piece, where a text is put together from values and more.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tsukai {

// Puts the text of print_json() behind what `out` holds; and that of a string.
void append_json(std::string& out, const Json& value);
void append_json_string(std::string& out, std::string_view text);

}  // namespace tsukai
