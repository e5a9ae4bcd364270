#include "mcp/tool_schema.h"

#include <nlohmann/json.hpp>

namespace tsukai::mcp::schema {

Json text(const char* description) {
  Json schema = {{"type", "string"}};
  if (description != nullptr) schema["description"] = description;
  return schema;
}

Json text(const char* description, std::int64_t characters_max, std::int64_t characters_min) {
  Json schema = text(description);
  schema["maxLength"] = characters_max;
  if (characters_min > 0) schema["minLength"] = characters_min;
  return schema;
}

Json number() { return {{"type", "number"}}; }

Json integer() { return {{"type", "integer"}}; }

Json between(const char* description, std::int64_t least, std::int64_t most) {
  return {{"type", "integer"}, {"minimum", least}, {"maximum", most}, {"description", description}};
}

Json list(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }

Json object(Members required, Members optional) {
  Json properties = Json::object(), names = Json::array();
  for (auto& [name, schema] : required) {
    names.push_back(name);
    properties[name] = std::move(schema);
  }
  for (auto& [name, schema] : optional) properties[name] = std::move(schema);
  Json whole = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!names.empty()) whole["required"] = std::move(names);
  return whole;
}

Json object(Members required) { return object(std::move(required), {}); }

Json arguments(Members required) { return arguments(std::move(required), {}); }

Json arguments(Members required, Members optional) {
  Json whole = object(std::move(required), std::move(optional));
  whole["additionalProperties"] = false;
  return whole;
}

Tool tool(const char* name, const char* title, const char* description, Json input, Json output) {
  Tool tool;
  tool.name = name;
  tool.title = title;
  tool.description = description;
  tool.input_schema = JsonValue(std::move(input));
  tool.output_schema = JsonValue(std::move(output));
  tool.annotations = {
      .title = title, .read_only = true, .destructive = false, .idempotent = true, .open_world = false};
  tool.has_annotations = true;
  return tool;
}

}  // namespace tsukai::mcp::schema
