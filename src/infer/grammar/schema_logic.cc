#include "infer/grammar/schema_logic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/json_schema.h"

namespace tsukai::infer::grammar {
namespace {

Json all_of(Json a, Json b) {
  if (a == b) return a;
  return Json{{"allOf", Json::array({std::move(a), std::move(b)})}};
}

// OpenAPI's nullable as a type, so that combining schemas can't lose it.
Json without_nullable(Json schema) {
  const bool nullable = schema["nullable"] == true;
  schema.erase("nullable");
  if (nullable && schema.contains("type")) {
    if (!schema["type"].is_array()) schema["type"] = Json::array({schema["type"]});
    schema["type"].push_back("null");
  }
  return schema;
}

// Before 2020-12 a list of items was called `items`, and what follows it `additionalItems`.
Json with_prefix_items(Json schema) {
  if (schema.contains("items") && schema["items"].is_array()) {
    schema["prefixItems"] = schema["items"];
    schema.erase("items");
    if (schema.contains("additionalItems")) schema["items"] = schema["additionalItems"];
  }
  schema.erase("additionalItems");
  return schema;
}
bool has_old_items(const Json& schema) {
  const Json* items = find(schema, "items");
  return (items != nullptr && items->is_array()) || schema.contains("additionalItems");
}

bool whole(const std::string& type, const std::string& other) {
  return type == "integer" && other == "number";
}

}  // namespace

bool is_annotation(std::string_view keyword) {
  static constexpr std::array<std::string_view, 18> kAnnotations{
      "$anchor",         "$comment",         "$defs",         "$dynamicAnchor", "$id",         "$schema",
      "contentEncoding", "contentMediaType", "contentSchema", "default",        "definitions", "deprecated",
      "description",     "example",          "examples",      "readOnly",       "title",       "writeOnly"};
  return std::find(kAnnotations.begin(), kAnnotations.end(), keyword) != kAnnotations.end();
}

bool is_flattened(std::string_view keyword) {
  static constexpr std::array<std::string_view, 11> kFlattened{
      "$ref", "allOf", "dependencies", "dependentRequired", "dependentSchemas",     "else",
      "if",   "not",   "then",         "unevaluatedItems",  "unevaluatedProperties"};
  return std::find(kFlattened.begin(), kFlattened.end(), keyword) != kFlattened.end();
}

void Problems::add(const std::string& at, std::string what) {
  if (unsupported.size() >= 64) return;
  auto line = fmt::format("{}: {}", at.empty() ? "/" : at, what);
  if (std::find(unsupported.begin(), unsupported.end(), line) == unsupported.end())
    unsupported.push_back(std::move(line));
}

void Problems::limit(const std::string& at, std::string_view what) {
  if (exhausted.empty()) exhausted = fmt::format("{}: {}", at.empty() ? "/" : at, what);
}

const Json& SchemaLogic::keep(Json schema, const std::string& at) {
  if (schema.is_object()) schema.erase("$id");
  auto text = print_json(schema);
  kept_bytes_ += text.size();
  if (kept_bytes_ > kMergedBytesMax) problems.limit(at, "combining subschemas takes more than 16 MiB");
  auto& kept = kept_[std::move(text)];
  if (kept.is_null()) kept = JsonValue(std::move(schema));
  return *kept;
}

bool SchemaLogic::afford(const Json& schema, const std::string& at) {
  std::vector<const Json*> open{&schema};
  while (!open.empty() && work_ <= kMergeWorkMax) {
    const Json* value = open.back();
    open.pop_back();
    ++work_;
    if (!value->is_structured()) continue;
    for (const auto& child : *value) open.push_back(&child);
  }
  if (work_ > kMergeWorkMax) problems.limit(at, "combining subschemas takes too long");
  return work_ <= kMergeWorkMax;
}

bool SchemaLogic::foreign_base(const Json& schema) const {
  const Json* id = find(schema, "$id");
  return &schema != &root_ && id != nullptr && id->is_string() &&
         id->get_ref<const std::string&>().substr(0, 1) != "#";
}

const Json* SchemaLogic::resolve(const Json& reference, const std::string& at) {
  if (!reference.is_string()) {
    problems.add(at, "keyword \"$ref\" is not a string");
    return nullptr;
  }
  const auto text = reference.get<std::string>();
  const Json* target = &root_;
  if (text.empty() || text[0] != '#' || (text.size() > 1 && text[1] != '/')) {
    problems.add(at, fmt::format("keyword \"$ref\" to \"{}\" (only # and #/... are followed)", text));
    return nullptr;
  }
  std::size_t begin = 1;
  while (begin < text.size()) {
    const auto end = std::min(text.find('/', begin + 1), text.size());
    std::string part;
    for (auto i = begin + 1; i < end; ++i) {
      if (text[i] == '~' && i + 1 < end && (text[i + 1] == '0' || text[i + 1] == '1')) {
        part += text[++i] == '0' ? '~' : '/';
      } else if (text[i] == '%' && i + 2 < end && std::isxdigit(static_cast<unsigned char>(text[i + 1])) &&
                 std::isxdigit(static_cast<unsigned char>(text[i + 2]))) {
        part += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
        i += 2;
      } else {
        part += text[i];
      }
    }
    const Json* next = nullptr;
    if (target->is_object()) {
      next = find(*target, part);
    } else if (target->is_array() && !part.empty() && part.size() < 6 &&
               std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      const auto index = std::stoul(part);
      if (index < target->size()) next = &(*target)[index];
    }
    if (next == nullptr) {
      problems.add(at, fmt::format("keyword \"$ref\" to \"{}\", which is not there", text));
      return nullptr;
    }
    target = next;
    begin = end;
    if (foreign_base(*target)) {
      problems.add(at, fmt::format("keyword \"$ref\" to \"{}\", which has an $id of its own", text));
      return nullptr;
    }
  }
  return target;
}

Json SchemaLogic::flatten(const Json& schema, const std::string& at, int depth) {
  if (!schema.is_object()) {
    if (!schema.is_boolean()) problems.add(at, "is neither an object nor a boolean");
    return schema;
  }
  if (foreign_base(schema)) problems.add(at, "keyword \"$id\" inside a schema");
  if (depth > kSchemaDepthMax || problems.any()) {
    problems.limit(at, "references and allOf are nested deeper than 64 levels");
    return false;
  }
  const Json* reference = find(schema, "$ref");
  const Json* all = find(schema, "allOf");
  if (std::none_of(schema.items().begin(), schema.items().end(),
                   [](const auto& item) { return is_flattened(item.key()); }))
    return schema;
  if (reference != nullptr && ref_stands_alone()) {
    const Json* target = resolve(*reference, at);
    return target != nullptr ? flatten(*target, at, depth + 1) : Json(false);
  }
  const auto conditions = conditions_;
  Json out = Json::object();
  for (const auto& [key, value] : schema.items()) {
    if (!is_flattened(key)) out[key] = value;
  }
  if (reference != nullptr) {
    const Json* target = resolve(*reference, at);
    if (target == nullptr) return false;
    out = merge(out, flatten(*target, at, depth + 1), at);
  }
  if (all != nullptr) {
    if (!all->is_array()) {
      problems.add(at, "keyword \"allOf\" is not an array");
      return false;
    }
    for (std::size_t i = 0; i < all->size() && !problems.any(); ++i) {
      out = merge(out, flatten((*all)[i], fmt::format("{}/allOf/{}", at, i), depth + 1), at);
    }
  }
  out = flatten_conditions(std::move(out), schema, at, depth);
  apply_unevaluated(out, schema, conditions != conditions_, at);
  return out;
}

Json SchemaLogic::merge(const Json& a, const Json& b, const std::string& at) {
  if (!afford(a, at) || !afford(b, at)) return false;
  if (a.is_boolean()) return a.get<bool>() ? b : a;
  if (b.is_boolean()) return b.get<bool>() ? a : b;
  if (!a.is_object() || !b.is_object()) return false;
  if (a.contains("nullable")) return merge(without_nullable(a), b, at);
  if (b.contains("nullable")) return merge(a, without_nullable(b), at);
  if (has_old_items(a)) return merge(with_prefix_items(a), b, at);
  if (has_old_items(b)) return merge(a, with_prefix_items(b), at);
  Json out = a;
  if (!a.contains("contains")) out.erase("minContains"), out.erase("maxContains");
  // properties and additionalProperties of one side reach into the other's.
  const Json* pa = find(a, "properties");
  const Json* pb = find(b, "properties");
  const Json* ra = find(a, "additionalProperties");
  const Json* rb = find(b, "additionalProperties");
  if ((pa != nullptr && pa->is_object()) || (pb != nullptr && pb->is_object())) {
    Json properties = Json::object();
    if (pa != nullptr && pa->is_object()) {
      for (const auto& [key, value] : pa->items()) {
        const Json* other = pb != nullptr ? find(*pb, key) : nullptr;
        if (other == nullptr) other = rb;
        properties[key] = other != nullptr ? all_of(value, *other) : value;
      }
    }
    if (pb != nullptr && pb->is_object()) {
      for (const auto& [key, value] : pb->items()) {
        if (properties.contains(key)) continue;
        properties[key] = ra != nullptr ? all_of(value, *ra) : value;
      }
    }
    out["properties"] = std::move(properties);
  }
  if (ra != nullptr && rb != nullptr)
    out["additionalProperties"] = all_of(*ra, *rb);
  else if (rb != nullptr)
    out["additionalProperties"] = *rb;

  // So do patterns of names; which of them meet is not looked into.
  const Json* na = find(a, "patternProperties");
  const Json* nb = find(b, "patternProperties");
  const auto constrains = [](const Json* rest) { return rest != nullptr && *rest != true; };
  const bool apart =
      (pa == nullptr && na == nullptr && ra == nullptr) || (pb == nullptr && nb == nullptr && rb == nullptr);
  if (!apart && (na != nullptr || nb != nullptr) && (constrains(ra) || constrains(rb))) {
    problems.add(at, "keyword \"patternProperties\" combined with additionalProperties by allOf");
    return false;
  }
  // The i-th item of both.
  const Json* fa = find(a, "prefixItems");
  const Json* fb = find(b, "prefixItems");
  if ((fa != nullptr && !fa->is_array()) || (fb != nullptr && !fb->is_array())) {
    problems.add(at, "keyword \"prefixItems\" is not an array");
    return false;
  }
  const Json* ia = find(a, "items");
  const Json* ib = find(b, "items");
  if (fa != nullptr || fb != nullptr) {
    const std::size_t sa = fa != nullptr ? fa->size() : 0, sb = fb != nullptr ? fb->size() : 0;
    Json prefix = Json::array();
    for (std::size_t i = 0; i < std::max(sa, sb); ++i) {
      const Json* x = i < sa ? &(*fa)[i] : ia;
      const Json* y = i < sb ? &(*fb)[i] : ib;
      prefix.push_back(x == nullptr ? *y : y == nullptr ? *x : all_of(*x, *y));
    }
    out["prefixItems"] = std::move(prefix);
  }
  if (ib != nullptr) out["items"] = ia != nullptr ? all_of(*ia, *ib) : *ib;
  const bool counted_apart = a.contains("contains") && b.contains("contains");

  for (const auto& [key, theirs] : b.items()) {
    if (key == "properties" || key == "additionalProperties" || key == "items" || key == "prefixItems")
      continue;
    if ((key == "minContains" || key == "maxContains") && !b.contains("contains")) continue;
    const Json* mine = find(a, key);
    if ((key == "minContains" || key == "maxContains") && (counted_apart || mine != nullptr) &&
        (mine == nullptr || *mine != theirs)) {
      problems.add(at, "keyword \"contains\" twice, combined by allOf");
      return false;
    }
    if (mine == nullptr) {
      out[key] = theirs;
      continue;
    }
    if (is_annotation(key) || *mine == theirs) continue;
    if (key == "type") {
      const Json x = mine->is_array() ? *mine : Json::array({*mine}),
                 y = theirs.is_array() ? theirs : Json::array({theirs});
      Json both = Json::array();
      for (const auto& s : x) {
        for (const auto& t : y) {
          if (!s.is_string() || !t.is_string()) continue;
          const auto u = s.get<std::string>(), v = t.get<std::string>();
          if (u == v || whole(u, v))
            both.push_back(u);
          else if (whole(v, u))
            both.push_back(v);
        }
      }
      if (both.empty()) return false;
      out["type"] = both;
    } else if (key == "required" && mine->is_array() && theirs.is_array()) {
      for (const auto& name : theirs) {
        if (std::find(out["required"].begin(), out["required"].end(), name) == out["required"].end())
          out["required"].push_back(name);
      }
    } else if (key == "enum" && mine->is_array() && theirs.is_array()) {
      Json both = Json::array();
      for (const auto& value : *mine) {
        if (std::find(theirs.begin(), theirs.end(), value) != theirs.end()) both.push_back(value);
      }
      if (both.empty()) return false;
      out["enum"] = both;
    } else if (key == "const") {
      return false;
    } else if ((key == "minimum" || key == "exclusiveMinimum" || key == "minLength" || key == "minItems" ||
                key == "minProperties") &&
               mine->is_number() && theirs.is_number()) {
      if (theirs > *mine) out[key] = theirs;
    } else if ((key == "maximum" || key == "exclusiveMaximum" || key == "maxLength" || key == "maxItems" ||
                key == "maxProperties") &&
               mine->is_number() && theirs.is_number()) {
      if (theirs < *mine) out[key] = theirs;
    } else if (key == "propertyNames") {
      out[key] = all_of(*mine, theirs);
    } else if (key == "patternProperties" && mine->is_object() && theirs.is_object()) {
      for (const auto& [pattern, value] : theirs.items())
        out[key][pattern] = mine->contains(pattern) ? all_of((*mine)[pattern], value) : value;
    } else if ((key == kNot || key == kAlso) && mine->is_array() && theirs.is_array()) {
      for (const auto& one : theirs) out[key].push_back(one);
    } else if ((key == "pattern" || key == "format") && mine->is_string() && theirs.is_string()) {
      if (!out.contains(kAlso)) out[kAlso] = Json::array();
      out[kAlso].push_back({{key, theirs}});
    } else if ((key == "anyOf" || key == "oneOf") && mine->is_array() && theirs.is_array()) {
      // One of each list: for oneOf, exactly one pair holds where exactly one of each does.
      if (mine->size() * theirs.size() > kBranchesMax) {
        problems.limit(at, fmt::format("{} has more than 256 branches once combined", key));
        return false;
      }
      Json product = Json::array();
      for (const auto& x : *mine) {
        for (const auto& y : theirs) product.push_back(all_of(x, y));
      }
      out[key] = product;
    } else if (key == "multipleOf" && mine->is_number_integer() && theirs.is_number_integer() && *mine > 0 &&
               theirs > 0 && *mine < 1'000'000 && theirs < 1'000'000) {
      out[key] = std::lcm(mine->get<std::int64_t>(), theirs.get<std::int64_t>());
    } else if (key == "uniqueItems") {
      out[key] = *mine == true || theirs == true;
    } else {
      problems.add(at, fmt::format("keyword \"{}\" with two values combined by allOf or $ref", key));
    }
  }
  return out;
}

bool SchemaLogic::ref_stands_alone() const {
  const auto draft = string_at(root_, "$schema");
  return draft.find("draft-03") != std::string::npos || draft.find("draft-04") != std::string::npos ||
         draft.find("draft-06") != std::string::npos || draft.find("draft-07") != std::string::npos;
}

std::vector<std::string> SchemaLogic::types(const Json& schema, const std::string& at) {
  static const std::vector<std::string> kAll{"array", "boolean", "null", "number", "object", "string"};
  std::vector<std::string> out;
  const Json* type = find(schema, "type");
  if (type == nullptr) {
    out = kAll;
  } else {
    const Json list = type->is_array() ? *type : Json::array({*type});
    for (const auto& t : list) {
      const auto name = t.is_string() ? t.get<std::string>() : std::string();
      if (name != "integer" && std::find(kAll.begin(), kAll.end(), name) == kAll.end()) {
        problems.add(at, fmt::format("keyword \"type\" with {}", print_json(t)));
      } else {
        out.push_back(name);
      }
    }
    if (find(schema, "nullable") != nullptr && *find(schema, "nullable") == true) out.push_back("null");
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  const auto has = [&](std::string_view name) {
    return std::find(out.begin(), out.end(), name) != out.end();
  };
  if (has("number")) out.erase(std::remove(out.begin(), out.end(), "integer"), out.end());
  return out;
}

bool SchemaLogic::disjoint(const Json& first, const Json& second, const std::string& at, int depth) {
  if (depth > 8 || problems.any() || !afford(first, at) || !afford(second, at)) return false;
  const Json a = flatten(first, at), b = flatten(second, at);
  if (a == false || b == false) return true;
  if (!a.is_object() || !b.is_object()) return false;
  auto branches = [&](const Json& x, const Json& y) {
    for (const char* key : {"anyOf", "oneOf"}) {
      const Json* list = find(x, key);
      if (list == nullptr || !list->is_array()) continue;
      if (std::all_of(list->begin(), list->end(),
                      [&](const Json& branch) { return disjoint(branch, y, at, depth + 1); }))
        return true;
    }
    return false;
  };
  auto values = [](const Json& x) {
    if (const Json* c = find(x, "const")) return Json::array({*c});
    const Json* e = find(x, "enum");
    return e != nullptr && e->is_array() ? *e : Json();
  };
  const Json va = values(a), vb = values(b);
  const auto none = [](const std::vector<bool>& flags) {
    return std::find(flags.begin(), flags.end(), true) == flags.end();
  };
  if (va.is_array() && vb.is_array()) {
    const bool shared = std::any_of(
        va.begin(), va.end(), [&](const Json& v) { return std::find(vb.begin(), vb.end(), v) != vb.end(); });
    if (!shared) return true;
  }
  if (va.is_array() && none(satisfying(va, b, at))) return true;
  if (vb.is_array() && none(satisfying(vb, a, at))) return true;
  bool all = true;
  for (const auto& s : types(a, at)) {
    for (const auto& t : types(b, at)) {
      if (s != t && !whole(s, t) && !whole(t, s)) continue;
      bool apart = false;
      if (s == "number" || s == "integer") {
        auto below = [](const Json& x, const Json& y) {  // Everything in x is below everything in y.
          for (const char* high : {"maximum", "exclusiveMaximum"}) {
            for (const char* low : {"minimum", "exclusiveMinimum"}) {
              const Json* h = find(x, high);
              const Json* l = find(y, low);
              if (h == nullptr || l == nullptr || !h->is_number() || !l->is_number()) continue;
              if (*h < *l || (*h == *l && (high[0] == 'e' || low[0] == 'e'))) return true;
            }
          }
          return false;
        };
        apart = below(a, b) || below(b, a);
      } else if (s == "object") {
        auto required = [](const Json& x, const std::string& name) {
          const Json* list = find(x, "required");
          return list != nullptr && list->is_array() &&
                 std::find(list->begin(), list->end(), name) != list->end();
        };
        auto property = [](const Json& x, const std::string& name) -> Json {
          const Json* properties = find(x, "properties");
          if (properties != nullptr)
            if (const Json* p = find(*properties, name)) return *p;
          const Json* rest = find(x, "additionalProperties");
          return rest != nullptr ? *rest : Json(true);
        };
        std::vector<std::string> names;
        for (const Json* x : {&a, &b}) {
          if (const Json* list = find(*x, "required"); list != nullptr && list->is_array()) {
            for (const auto& name : *list)
              if (name.is_string()) names.push_back(name.get<std::string>());
          }
        }
        for (const auto& name : names) {
          const Json x = property(a, name), y = property(b, name);
          const bool both = required(a, name) && required(b, name);
          apart = apart || (required(a, name) && y == false) || (required(b, name) && x == false) ||
                  (both && disjoint(x, y, at, depth + 1));
        }
      }
      all = all && apart;
    }
  }
  return all || branches(a, b) || branches(b, a);
}

std::vector<bool> SchemaLogic::satisfying(const Json& values, const Json& schema, const std::string& at) {
  std::vector<bool> out(values.size(), false);
  if (schema.is_boolean()) return std::vector<bool>(values.size(), schema.get<bool>());
  if (!afford(schema, at) || !afford(values, at)) return out;
  Json whole_schema = schema;
  // In the words that the validator knows.
  Json more = Json::array();
  if (const Json* list = find(schema, kNot)) {
    for (const auto& one : *list) more.push_back({{"not", one}});
  }
  if (const Json* list = find(schema, kAlso)) {
    for (const auto& one : *list) more.push_back(one);
  }
  if (schema.contains(kFraction)) more.push_back({{"not", {{"type", "integer"}}}});
  for (const char* key : {kNot, kAlso, kFraction}) whole_schema.erase(key);
  if (!more.empty())
    whole_schema =
        Json{{"allOf", Json::array({whole_schema, more.size() == 1 ? more[0] : Json{{"allOf", more}}})}};
  const auto text = print_json(schema);
  for (const char* key : {"dependentRequired", "dependentSchemas", "minContains", "maxContains",
                          "unevaluatedItems", "unevaluatedProperties"}) {
    if (text.find(fmt::format("\"{}\"", key)) != std::string::npos)
      problems.add(at, fmt::format("keyword \"{}\" beside or below \"enum\" or \"const\"", key));
  }
  if (text.find("\"$ref\"") != std::string::npos) {
    for (const char* key : {"$defs", "definitions"}) {
      if (root_.is_object() && root_.contains(key) && afford(root_[key], at)) whole_schema[key] = root_[key];
    }
  }
  auto compiled = JsonSchema::compile(whole_schema);
  if (!compiled) {
    problems.add(at, "values that can't be checked: " + compiled.error().message());
    return out;
  }
  for (std::size_t i = 0; i < values.size(); ++i) out[i] = compiled->check(values[i], 1).empty();
  return out;
}

}  // namespace tsukai::infer::grammar
