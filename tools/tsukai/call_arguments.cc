#include "tools/tsukai/call_arguments.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::cli {
namespace {

// Whether the schema lets the member be a string at all; unknown members may be.
bool may_be_text(const Json& input_schema, const std::string& key) {
  const Json* properties = find(input_schema, "properties");
  const Json* property = properties == nullptr ? nullptr : find(*properties, key);
  const Json* type = property == nullptr ? nullptr : find(*property, "type");
  if (type == nullptr) return true;
  if (type->is_string()) return *type == "string";
  if (!type->is_array()) return true;
  for (const Json& one : *type) {
    if (one == "string") return true;
  }
  return false;
}

Result<Json> json_of(const std::string& key, std::string_view text) {
  auto value = parse_json(text);
  if (!value) {
    return fail(
        Code::kInvalidArgument, fmt::format("{}: \"{}\" is no JSON value", key, text),
        fmt::format("write {}:='\"text\"' for text, or a number, true, false, null, [...] or {{...}}", key));
  }
  return value;
}

bool is_whole_object(const std::vector<std::string>& values) {
  return values.size() == 1 && trimmed(values.front()).starts_with('{');
}

}  // namespace

bool needs_schema(const std::vector<std::string>& values) {
  return !values.empty() && !is_whole_object(values);
}

Result<Json> call_arguments(const std::vector<std::string>& values, const Json& input_schema) {
  Json arguments = Json::object();
  if (values.empty()) return arguments;
  if (is_whole_object(values)) {
    auto whole = parse_json(values.front());
    if (!whole)
      return fail(
          std::move(whole).error().in("arguments").with_remedy("quote the JSON: '{\"key\": \"value\"}'"));
    return whole;
  }
  for (const std::string& pair : values) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || pair.starts_with(":=")) {
      return fail(Code::kInvalidArgument,
                  fmt::format("argument \"{}\" is neither key=value nor a JSON object", pair),
                  "write key=value, key:=JSON, or one '{...}'");
    }
    const bool explicit_json = pair[equals - 1] == ':';
    const std::string key = pair.substr(0, explicit_json ? equals - 1 : equals);
    const std::string text = pair.substr(equals + 1);
    if (arguments.contains(key))
      return fail(Code::kInvalidArgument, fmt::format("argument {} is given twice", key));
    if (explicit_json || !may_be_text(input_schema, key)) {
      TSUKAI_TRY(arguments[key], json_of(key, text));
    } else {
      arguments[key] = text;
    }
  }
  return arguments;
}

}  // namespace tsukai::cli
