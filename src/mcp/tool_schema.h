// How server programs describe their tools: the few shapes of JSON Schema that arguments and results take.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "mcp/types.h"

namespace tsukai::mcp::schema {

// Names and schemas, in the order that `required` lists them in.
using Members = std::vector<std::pair<const char*, Json>>;

Json text(const char* description = nullptr);
// Of arguments: at most, and at least, so many characters.
Json text(const char* description, std::int64_t characters_max, std::int64_t characters_min = 0);
Json number();
Json integer();
Json between(const char* description, std::int64_t least, std::int64_t most);
Json list(Json items);
Json object(Members required);
Json object(Members required, Members optional);
// An object without any other members: an argument that the tool does not know is a mistake worth telling.
Json arguments(Members required);
Json arguments(Members required, Members optional);

// A tool that only reads, where nothing changes meanwhile, and whose world is this machine; whoever adds one
// that does more says so in its annotations.
Tool tool(const char* name, const char* title, const char* description, Json input, Json output);

}  // namespace tsukai::mcp::schema
