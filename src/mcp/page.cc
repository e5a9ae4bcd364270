#include "mcp/page.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/text.h"

namespace tsukai::mcp {
namespace {

// Ties a cursor to its question, so that it can't continue another one.
std::string question(const Json& arguments) {
  Json rest = arguments;
  rest.erase("cursor");
  return sha256_hex(print_json(rest)).substr(0, 8);
}

}  // namespace

Result<std::size_t> page_begin(const Json& arguments) {
  const std::string cursor = string_at(arguments, "cursor");
  if (cursor.empty()) return 0;
  std::size_t offset = 0;
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), offset);
  if (error != std::errc() || std::string_view(end) != "-" + question(arguments)) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("cursor \"{}\" does not continue this list", shortened(cursor, 40)),
        "send next_cursor of the answer before with all other arguments unchanged, or leave cursor out");
  }
  return offset;
}

std::string cursor_at(std::size_t offset, const Json& arguments) {
  return fmt::format("{}-{}", offset, question(arguments));
}

}  // namespace tsukai::mcp
