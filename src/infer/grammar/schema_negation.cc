// What a schema does not allow, and the keywords that are said by it: not, if, dependencies.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "infer/grammar/schema_logic.h"

namespace tsukai::infer::grammar {
namespace {

constexpr std::size_t kNumbersMax = 64;  // In a const or enum that is negated.

// Everything but these values, as a list of schemas; false for lists and objects with content.
bool other_values(const Json& values, Json& out) {
  Json types = Json::array({"array", "boolean", "null", "number", "object", "string"});
  const auto drop = [&](const char* type) {
    const auto at = std::find(types.begin(), types.end(), type);
    if (at != types.end()) types.erase(at);
  };
  Json texts = Json::array();
  std::vector<Json> numbers;
  bool yes = false, no = false;
  for (const auto& value : values) {
    if (value.is_number()) {
      numbers.push_back(value);
    } else if (value.is_string()) {
      texts.push_back(value);
    } else if (value.is_boolean()) {
      (value.get<bool>() ? yes : no) = true;
    } else if (value.is_structured()) {
      if (!value.empty()) return false;
      const bool list = value.is_array();
      drop(list ? "array" : "object");
      out.push_back({{"type", list ? "array" : "object"}, {list ? "minItems" : "minProperties", 1}});
    } else {
      drop("null");
    }
  }
  if (numbers.size() > kNumbersMax) return false;
  if (!texts.empty()) {
    drop("string");
    out.push_back({{"type", "string"}, {kNot, Json::array({{{"enum", texts}}})}});
  }
  if (yes || no) drop("boolean");
  if (yes != no) out.push_back({{"const", no}});
  if (!numbers.empty()) {
    drop("number");
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    for (std::size_t i = 0; i <= numbers.size(); ++i) {
      Json gap = {{"type", "number"}};
      if (i > 0) gap["exclusiveMinimum"] = numbers[i - 1];
      if (i < numbers.size()) gap["exclusiveMaximum"] = numbers[i];
      out.push_back(std::move(gap));
    }
  }
  if (!types.empty()) out.push_back({{"type", types}});
  return true;
}

bool whole_number(const Json& value) { return value.is_number_integer() && value >= 0; }

}  // namespace

std::optional<Json> SchemaLogic::negation(const Json& given, const std::string& at, std::string& why,
                                          int depth) {
  const Json schema = flatten(given, at, depth + 1);
  if (problems.any()) return std::nullopt;
  if (schema.is_boolean()) return Json(!schema.get<bool>());
  Json out = Json::array();
  // Some keyword is not satisfied. Each case adds what does not satisfy it.
  for (const auto& [key, value] : schema.items()) {
    if (is_annotation(key)) continue;
    why = key;
    if (key == "type") {
      auto left = types(schema, at);  // With what nullable adds.
      Json others = Json::array();
      for (const char* type : {"array", "boolean", "null", "object", "string"}) {
        if (std::find(left.begin(), left.end(), type) == left.end()) others.push_back(type);
      }
      const auto has = [&](const char* type) {
        return std::find(left.begin(), left.end(), type) != left.end();
      };
      if (has("integer"))
        out.push_back({{"type", "number"}, {kFraction, true}});
      else if (!has("number"))
        others.push_back("number");
      if (!others.empty()) out.push_back({{"type", others}});
    } else if (key == "nullable") {
      continue;
    } else if (key == "const" || key == "enum") {
      if (key == "enum" && !value.is_array()) return std::nullopt;
      if (!other_values(key == "enum" ? value : Json::array({value}), out)) return std::nullopt;
    } else if (key == "required" && value.is_array()) {
      for (const auto& name : value) {
        if (!name.is_string()) return std::nullopt;
        out.push_back({{"type", "object"}, {"properties", {{name.get<std::string>(), false}}}});
      }
    } else if (key == "properties" && value.is_object()) {
      for (const auto& [name, property] : value.items()) {
        out.push_back({{"type", "object"},
                       {"required", Json::array({name})},
                       {"properties", {{name, {{"not", property}}}}}});
      }
    } else if (key == "minimum" || key == "maximum" || key == "exclusiveMinimum" ||
               key == "exclusiveMaximum") {
      const char* opposite = key == "minimum"            ? "exclusiveMaximum"
                             : key == "maximum"          ? "exclusiveMinimum"
                             : key == "exclusiveMinimum" ? "maximum"
                                                         : "minimum";
      out.push_back({{"type", "number"}, {opposite, value}});
    } else if ((key == "minLength" || key == "minItems" || key == "minProperties") && whole_number(value)) {
      const char* type = key == "minLength" ? "string" : key == "minItems" ? "array" : "object";
      if (value > 0) out.push_back({{"type", type}, {"max" + key.substr(3), value.get<std::int64_t>() - 1}});
    } else if ((key == "maxLength" || key == "maxItems" || key == "maxProperties") && whole_number(value) &&
               value < 1'000'000) {
      const char* type = key == "maxLength" ? "string" : key == "maxItems" ? "array" : "object";
      out.push_back({{"type", type}, {"min" + key.substr(3), value.get<std::int64_t>() + 1}});
    } else if (key == "pattern" || key == "format") {
      out.push_back({{"type", "string"}, {kNot, Json::array({{{key, value}}})}});
    } else if (key == kNot && value.is_array()) {
      for (const auto& one : value) out.push_back({{"type", "string"}, {kAlso, Json::array({one})}});
    } else if (key == kAlso && value.is_array()) {
      for (const auto& one : value) out.push_back({{"type", "string"}, {kNot, Json::array({one})}});
    } else if (key == kFraction) {
      out.push_back({{"type", "integer"}});
    } else if (key == "anyOf" && value.is_array() && value.size() <= kBranchesMax) {
      Json none = Json::array();
      for (const auto& branch : value) none.push_back({{"not", branch}});
      out.push_back({{"allOf", none}});
    } else if (key == "items" && !value.is_array() && !schema.contains("prefixItems")) {
      out.push_back({{"type", "array"}, {"contains", {{"not", value}}}});
    } else if (key == "prefixItems" && value.is_array() && !schema.contains("items")) {
      Json before = Json::array();
      for (const auto& item : value) {
        Json prefix = before;
        prefix.push_back({{"not", item}});
        out.push_back({{"type", "array"}, {"minItems", prefix.size()}, {"prefixItems", prefix}});
        before.push_back(true);
      }
    } else if (key == "contains" && !schema.contains("minContains") && !schema.contains("maxContains")) {
      out.push_back({{"type", "array"}, {"items", {{"not", value}}}});
    } else if ((key == "additionalProperties" && value == true) || (key == "uniqueItems" && value == false)) {
      continue;
    } else {
      return std::nullopt;
    }
  }
  if (out.empty()) return Json(false);
  return out.size() == 1 ? out[0] : Json{{"anyOf", std::move(out)}};
}

// Adds to `out` what these keywords of `schema` say.
Json SchemaLogic::flatten_conditions(Json out, const Json& schema, const std::string& at, int depth) {
  const auto add = [&](const Json& more, const char* keyword) {
    ++conditions_;
    out = merge(out, flatten(more, at + "/" + keyword, depth + 1), at);
  };
  const auto negated = [&](const Json& inner, const char* keyword) -> Json {
    std::string why;
    auto opposite = negation(inner, at + "/" + keyword, why, depth);
    if (opposite) return *std::move(opposite);
    if (!problems.any()) {
      problems.add(at, inner.is_object() || inner.is_boolean()
                           ? fmt::format("keyword \"{}\" of a schema with \"{}\"", keyword, why)
                           : fmt::format("keyword \"{}\"", keyword));
    }
    return false;
  };
  if (const Json* inner = find(schema, "not"); inner != nullptr && !problems.any())
    add(negated(*inner, "not"), "not");
  if (schema.contains("if")) ++conditions_;  // What it describes when it holds is not looked into.
  const Json *yes = find(schema, "then"), *no = find(schema, "else");
  if (const Json* condition = find(schema, "if");
      condition != nullptr && (yes != nullptr || no != nullptr) && !problems.any()) {
    const Json opposite = negated(*condition, "if");
    Json holds = Json::array({*condition}), fails = Json::array({opposite});
    if (yes != nullptr) holds.push_back(*yes);
    if (no != nullptr) fails.push_back(*no);
    add({{"anyOf", Json::array({{{"allOf", holds}}, {{"allOf", fails}}})}}, "if");
  }
  for (const char* key : {"dependencies", "dependentRequired", "dependentSchemas"}) {
    const Json* all = find(schema, key);
    if (all == nullptr || problems.any()) continue;
    if (!all->is_object()) {
      problems.add(at, fmt::format("keyword \"{}\"", key));
      continue;
    }
    for (const auto& [name, needs] : all->items()) {
      if (problems.any()) break;
      Json with = {{"type", "object"}, {"required", Json::array({name})}};
      if (needs.is_array()) {
        for (const auto& other : needs) with["required"].push_back(other);
      } else {
        with = Json{{"allOf", Json::array({with, needs})}};
      }
      // Without the member, or with it and what it needs.
      add({{"anyOf", Json::array({{{"properties", {{name, false}}}}, with})}}, key);
    }
  }
  return out;
}

// What nothing in `schema` describes. Said by additionalProperties and items where it is plain what has been
// described.
void SchemaLogic::apply_unevaluated(Json& out, const Json& schema, bool conditional, const std::string& at) {
  for (const char* key : {"unevaluatedProperties", "unevaluatedItems"}) {
    const Json* rest = find(schema, key);
    if (rest == nullptr || !out.is_object() || problems.any()) continue;
    const char* same = key[11] == 'P' ? "additionalProperties" : "items";
    if (out.contains("items") && out["items"].is_array()) out = merge(out, Json::object(), at);
    if (*rest == true) {  // Then all is described: whoever includes this schema is to see it.
      if (!out.contains(same)) out[same] = true;
      continue;
    }
    if (conditional || out.contains("anyOf") || out.contains("oneOf") ||
        (key[11] == 'I' && out.contains("contains"))) {
      problems.add(at, fmt::format("keyword \"{}\" beside alternatives", key));
      return;
    }
    if (!out.contains(same)) out[same] = *rest;
  }
}

}  // namespace tsukai::infer::grammar
