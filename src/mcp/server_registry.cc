#include "mcp/server_registry.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "mcp/version.h"

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

const RegisteredPrompt* Registry::prompt(std::string_view name) const {
  for (const auto& prompt : prompts) {
    if (prompt.prompt.name == name) return &prompt;
  }
  return nullptr;
}

const RegisteredResource* Registry::resource(const std::string& uri,
                                             std::map<std::string, std::string>& variables) const {
  for (const auto& resource : resources) {
    if (resource.uri == uri) return &resource;
  }
  for (const auto& pattern : templates) {
    if (auto match = match_uri_template(pattern.uri, uri)) {
      variables = *std::move(match);
      return &pattern;
    }
  }
  return nullptr;
}

bool Registry::offers_tasks() const {
  for (const auto& tool : tools) {
    if (tool.task) return true;
  }
  return false;
}

Json Registry::capabilities(std::string_view version) const {
  const auto changing = [&] { return options.changes ? Json{{"listChanged", true}} : Json::object(); };
  Json out = Json::object();
  if (!tools.empty()) out["tools"] = changing();
  if (!prompts.empty()) out["prompts"] = changing();
  if (!resources.empty() || !templates.empty()) {
    out["resources"] = changing();
    if (options.changes) out["resources"]["subscribe"] = true;
  }
  if (completion) out["completions"] = Json::object();
  if (options.logging) out["logging"] = Json::object();
  if (offers_tasks() && version == kModernVersion) {
    out["extensions"] = {{std::string(kTasksExtension), Json::object()}};
  } else if (offers_tasks() && version >= "2025-11-25") {
    out["tasks"] = {{"list", Json::object()},
                    {"cancel", Json::object()},
                    {"requests", {{"tools", {{"call", Json::object()}}}}}};
  }
  return out;
}

std::optional<std::map<std::string, std::string>> match_uri_template(std::string_view pattern,
                                                                     std::string_view uri) {
  std::map<std::string, std::string> variables;
  while (!pattern.empty()) {
    if (pattern.front() != '{') {
      if (uri.empty() || uri.front() != pattern.front()) return std::nullopt;
      pattern.remove_prefix(1);
      uri.remove_prefix(1);
      continue;
    }
    const auto close = pattern.find('}');
    if (close == std::string_view::npos) return std::nullopt;
    const auto name = pattern.substr(1, close - 1);
    pattern.remove_prefix(close + 1);
    // As much as possible up to where the text after the variable stands.
    const auto literal = pattern.substr(0, pattern.find('{'));
    auto end = uri.find('/');
    if (end == std::string_view::npos) end = uri.size();
    if (!literal.empty() && literal.front() != '/') {
      const auto at = uri.substr(0, end).rfind(literal);
      if (at == std::string_view::npos) return std::nullopt;
      end = at;
    }
    if (end == 0) return std::nullopt;
    variables.emplace(name, uri.substr(0, end));
    uri.remove_prefix(end);
  }
  if (!uri.empty()) return std::nullopt;
  return variables;
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
