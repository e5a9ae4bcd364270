#include "mcp/server_registry.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::mcp {
namespace {

constexpr std::size_t kProblemsShown = 5;

std::string type_name(const Json& schema) {
  const Json* type = find(schema, "type");
  if (type == nullptr) return schema.contains("enum") ? schema["enum"].dump() : "any";
  std::string out = type->is_string() ? type->get<std::string>() : type->dump();
  if (const Json* values = find(schema, "enum")) out += " " + values->dump();
  return out;
}

bool required(const Json& schema, const std::string& name) {
  const Json* list = find(schema, "required");
  if (list == nullptr || !list->is_array()) return false;
  for (const auto& entry : *list) {
    if (entry == name) return true;
  }
  return false;
}

}  // namespace

const RegisteredTool* Registry::tool(std::string_view name) const {
  for (const auto& tool : tools) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

std::string explain_arguments(const RegisteredTool& tool, const Json& arguments) {
  const auto problems = tool.input.check(arguments, kProblemsShown);
  if (problems.empty()) return {};
  std::string out = fmt::format("invalid arguments for {}:", tool.name);
  for (const auto& problem : problems) out += " " + problem + (problem.ends_with('.') ? "" : ".");
  const Json* properties = find(*tool.input_json, "properties");
  if (properties == nullptr || !properties->is_object()) return out;

  std::vector<std::string> names;
  std::string takes;
  for (const auto& [name, schema] : properties->items()) {
    names.push_back(name);
    takes += fmt::format("{}{} ({}{})", takes.empty() ? "" : ", ", name, type_name(schema),
                         required(*tool.input_json, name) ? ", required" : "");
  }
  for (const auto& [name, value] : arguments.items()) {
    if (properties->contains(name)) continue;
    const auto nearest = nearest_name(name, names);
    if (!nearest.empty()) out += fmt::format(" There is no argument {}; did you mean {}?", name, nearest);
  }
  return out + fmt::format(" The tool takes: {}", takes.empty() ? "no arguments" : takes);
}

}  // namespace tsukai::mcp
