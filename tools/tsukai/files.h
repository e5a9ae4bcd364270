// Reading and writing what a person names on the command line.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tsukai::cli {

// A text file whole, at most kTextFileBytesMax; "-" is standard input. kNotFound, kExhausted,
// kInvalidArgument (a folder).
inline constexpr std::size_t kTextFileBytesMax = 16u << 20;
Result<std::string> read_text_file(const std::string& path);

// Makes or overwrites `path`. kInvalidArgument says why it could not be written.
Result<void> write_text_file(const std::string& path, std::string_view text);

}  // namespace tsukai::cli
