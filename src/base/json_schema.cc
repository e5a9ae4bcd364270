#include "base/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace tsukai {
namespace {

constexpr int kSchemaDepthMax = 64;

// Rewrites 2020-12 spellings into draft-07 ones, which valijson knows: $defs -> definitions, prefixItems ->
// items, items beside prefixItems -> additionalItems. References follow.
// `named`: the keys of `schema` are names that somebody gave (of properties, of definitions), not keywords.
Result<Json> to_draft7(const Json& schema, int depth, bool named = false) {
  if (depth > kSchemaDepthMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("the schema is nested deeper than {} levels", kSchemaDepthMax));
  }
  if (schema.is_array()) {
    Json out = Json::array();
    for (const auto& element : schema) {
      TSUKAI_TRY(auto rewritten, to_draft7(element, depth + 1));
      out.push_back(std::move(rewritten));
    }
    return out;
  }
  if (!schema.is_object()) return schema;
  Json out = Json::object();
  const bool tuple = schema.contains("prefixItems");
  for (const auto& [key, value] : schema.items()) {
    if (named) {
      TSUKAI_TRY(auto rewritten, to_draft7(value, depth + 1));
      out[key] = std::move(rewritten);
      continue;
    }
    if (key == "enum" || key == "const" || key == "default" || key == "examples") {
      out[key] = value;
      continue;
    }
    if (key == "$schema" || key == "$id") continue;
    if (key == "$ref" && value.is_string()) {
      auto reference = value.get<std::string>();
      if (reference.empty() || reference.front() != '#') {
        return fail(
            Code::kUnsupported,
            fmt::format("$ref \"{}\" leaves the schema; only references that start with # are followed",
                        reference));
      }
      for (auto at = reference.find("/$defs/"); at != std::string::npos;
           at = reference.find("/$defs/", at + 1)) {
        reference.replace(at, 7, "/definitions/");
      }
      out[key] = reference;
      continue;
    }
    if (key == "nullable") continue;
    const bool names = key == "properties" || key == "patternProperties" || key == "$defs" ||
                       key == "definitions" || key == "dependentSchemas" || key == "dependencies";
    TSUKAI_TRY(auto rewritten, to_draft7(value, depth + 1, names && value.is_object()));
    if (key == "$defs")
      out["definitions"] = std::move(rewritten);
    else if (key == "prefixItems")
      out["items"] = std::move(rewritten);
    else if (key == "items" && tuple)
      out["additionalItems"] = std::move(rewritten);
    else
      out[key] = std::move(rewritten);
  }
  if (!named && schema.contains("nullable") && schema["nullable"] == true && out.contains("type")) {
    if (!out["type"].is_array()) out["type"] = Json::array({out["type"]});
    if (std::find(out["type"].begin(), out["type"].end(), "null") == out["type"].end())
      out["type"].push_back("null");
  }
  return out;
}

// valijson's context is a list such as "<root>", "[amount]": a JSON pointer for people.
std::string pointer(const std::vector<std::string>& context) {
  std::string path;
  for (const auto& part : context) {
    if (part == "<root>") continue;
    path += '/';
    path += part.size() >= 2 && part.front() == '[' ? part.substr(1, part.size() - 2) : part;
  }
  return path.empty() ? "/" : path;
}

}  // namespace

struct JsonSchema::Compiled {
  valijson::Schema schema;
};

Result<JsonSchema> JsonSchema::compile(const Json& schema) {
  TSUKAI_TRY(const Json rewritten, to_draft7(schema, 0));
  auto compiled = std::make_shared<Compiled>();
  try {
    valijson::SchemaParser parser;
    valijson::adapters::NlohmannJsonAdapter adapter(rewritten);
    parser.populateSchema(adapter, compiled->schema);
  } catch (const std::exception& error) {
    return fail(Code::kInvalidArgument, fmt::format("not a JSON Schema: {}", error.what()));
  }
  JsonSchema out;
  out.compiled_ = std::move(compiled);
  return out;
}

std::vector<std::string> JsonSchema::check(const Json& value, std::size_t errors_max) const {
  std::vector<std::string> lines;
  try {
    valijson::Validator validator;
    valijson::ValidationResults results;
    valijson::adapters::NlohmannJsonAdapter adapter(value);
    if (validator.validate(compiled_->schema, adapter, &results)) return lines;
    valijson::ValidationResults::Error error;
    while (lines.size() < errors_max && results.popError(error)) {
      lines.push_back(pointer(error.context) + ": " + error.description);
    }
    if (lines.empty()) lines.emplace_back("/: does not match the schema");
  } catch (const std::exception& error) {
    lines.push_back(fmt::format("/: could not be checked: {}", error.what()));
  }
  return lines;
}

}  // namespace tsukai
