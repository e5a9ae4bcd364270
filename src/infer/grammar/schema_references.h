// References of a JSON Schema made plain: JSON pointers into the schema itself.
#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"

namespace tsukai::infer::grammar {

// The same schema with every reference that $id, $anchor or a single $dynamicAnchor explains written as
// "#/pointer", and without the $id of its parts. References that lead elsewhere stay as they are: resolving
// them names them. Nothing when the schema needs none of this. `text` is the schema as print_json() has it.
// Source: JSON Schema 2020-12 core, section 8.2; RFC 3986, section 5.2.
std::optional<Json> with_local_references(const Json& schema, std::string_view text);

}  // namespace tsukai::infer::grammar
