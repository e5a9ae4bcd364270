#include "mcp/wire.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tsukai::mcp {

Json to_json(const Implementation& implementation) {
  Json out = {{"name", implementation.name}, {"version", implementation.version}};
  if (!implementation.title.empty()) out["title"] = implementation.title;
  return out;
}

Implementation parse_implementation(const Json& value) {
  return {string_at(value, "name"), string_at(value, "title"), string_at(value, "version")};
}

Json to_json(const Tool& tool) {
  Json out = tool.whole->is_object() ? *tool.whole : Json::object();
  out["name"] = tool.name;
  if (!tool.title.empty()) out["title"] = tool.title;
  if (!tool.description.empty()) out["description"] = tool.description;
  out["inputSchema"] = tool.input_schema.is_null() ? Json{{"type", "object"}} : *tool.input_schema;
  if (tool.output_schema) out["outputSchema"] = **tool.output_schema;
  if (tool.has_annotations) {
    Json annotations = {{"readOnlyHint", tool.annotations.read_only},
                        {"destructiveHint", tool.annotations.destructive},
                        {"idempotentHint", tool.annotations.idempotent},
                        {"openWorldHint", tool.annotations.open_world}};
    if (!tool.annotations.title.empty()) annotations["title"] = tool.annotations.title;
    out["annotations"] = std::move(annotations);
  }
  return out;
}

Result<Tool> parse_tool(const Json& value) {
  Tool tool;
  tool.name = string_at(value, "name");
  if (tool.name.empty()) return fail(Code::kProtocol, "a tool has no name");
  tool.title = string_at(value, "title");
  tool.description = string_at(value, "description");
  const Json* input = find(value, "inputSchema");
  if (input == nullptr || !input->is_object()) {
    return fail(Code::kProtocol, fmt::format("tool {}: inputSchema is no object", tool.name));
  }
  tool.input_schema = *input;
  if (const Json* output = find(value, "outputSchema"); output != nullptr && output->is_object()) {
    tool.output_schema = *output;
  }
  if (const Json* hints = find(value, "annotations"); hints != nullptr && hints->is_object()) {
    tool.has_annotations = true;
    tool.annotations = {string_at(*hints, "title"), bool_at(*hints, "readOnlyHint", false),
                        bool_at(*hints, "destructiveHint", true), bool_at(*hints, "idempotentHint", false),
                        bool_at(*hints, "openWorldHint", true)};
    if (tool.title.empty()) tool.title = tool.annotations.title;
  }
  tool.whole = value;
  return tool;
}

Result<ToolPage> parse_tool_page(const Json& result) {
  const Json* tools = find(result, "tools");
  if (tools == nullptr || !tools->is_array())
    return fail(Code::kProtocol, "the answer has no array \"tools\"");
  ToolPage page;
  for (const auto& entry : *tools) {
    if (auto tool = parse_tool(entry))
      page.tools.push_back(*std::move(tool));
    else
      page.broken.push_back(tool.error().message());
  }
  page.next_cursor = string_at(result, "nextCursor");
  return page;
}

Result<ToolResult> parse_tool_result(const JsonValue& result) {
  ToolResult out;
  const Json* content = find(*result, "content");
  const Json* structured = find(*result, "structuredContent");
  if (content != nullptr && !content->is_array()) return fail(Code::kProtocol, "content is no array");
  if (content == nullptr && structured == nullptr) {
    return fail(Code::kProtocol, "the result has neither content nor structuredContent");
  }
  out.content = content != nullptr ? *content : Json::array();
  if (structured != nullptr) out.structured_content = *structured;
  out.is_error = bool_at(*result, "isError");
  out.whole = result;
  return out;
}

}  // namespace tsukai::mcp
