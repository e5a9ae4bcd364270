// Names of tools: `server.tool` for people and policies, `server__tool` for models; and globs over the
// former.
#pragma once

#include <string>
#include <string_view>

namespace tsukai::agent {

inline constexpr std::size_t kModelNameBytesMax = 64;

// The model-side name: [a-zA-Z0-9_-]{1,64}. "maps", "maps_geo" gives "maps__maps_geo". Where a character had
// to be replaced or the name shortened, it ends in '_' and 8 hexadecimal digits of sha256("server.tool"): the
// same on every machine, different for different tools.
std::string model_tool_name(std::string_view server, std::string_view tool);

// "server.tool".
std::string qualified_name(std::string_view server, std::string_view tool);

// `*` stands for any characters, `?` for one; all others for themselves. Linear in text for each star.
bool glob_matches(std::string_view glob, std::string_view text);

}  // namespace tsukai::agent
