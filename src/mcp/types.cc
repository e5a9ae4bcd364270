#include "mcp/types.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tsukai::mcp {
namespace {

// One line for a block that is no text: "[image image/png, 1234 bytes of base64]".
std::string block_line(const Json& block) {
  const auto type = string_at(block, "type", "unknown");
  if (type == "resource") {
    const Json* resource = find(block, "resource");
    if (resource == nullptr) return "[resource]";
    if (const Json* text = find(*resource, "text"); text != nullptr && text->is_string()) {
      return text->get<std::string>();
    }
    return fmt::format("[resource {} {}, {} bytes of base64]", string_at(*resource, "uri"),
                       string_at(*resource, "mimeType", "application/octet-stream"),
                       string_at(*resource, "blob").size());
  }
  if (type == "resource_link") {
    return fmt::format("[resource link {} {}]", string_at(block, "uri"), string_at(block, "name"));
  }
  return fmt::format("[{} {}, {} bytes of base64]", type, string_at(block, "mimeType", "without MIME type"),
                     string_at(block, "data").size());
}

}  // namespace

std::string ToolResult::text() const {
  std::string out;
  if (content->is_array()) {
    for (const auto& block : *content) {
      if (!out.empty()) out += '\n';
      out += string_at(block, "type") == "text" ? string_at(block, "text") : block_line(block);
    }
  }
  if (out.empty() && structured_content) out = structured_content->print();
  return out;
}

}  // namespace tsukai::mcp
