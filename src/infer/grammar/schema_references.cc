#include "infer/grammar/schema_references.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace tsukai::infer::grammar {
namespace {

// A URI reference cut where RFC 3986 cuts it (appendix B). A part that is not there is empty and not `has`.
struct Uri {
  std::string scheme, authority, path, query;
  bool has_authority = false, has_query = false;
};

Uri parse_uri(std::string_view text) {
  Uri out;
  const auto colon = text.find_first_of(":/?");
  if (colon != std::string_view::npos && colon > 0 && text[colon] == ':') {
    out.scheme = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with("//")) {
    out.has_authority = true;
    const auto end = std::min(text.find_first_of("/?", 2), text.size());
    out.authority = text.substr(2, end - 2);
    text.remove_prefix(end);
  }
  const auto query = text.find('?');
  out.path = text.substr(0, query);
  if (query != std::string_view::npos) out.has_query = true, out.query = text.substr(query + 1);
  return out;
}

std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    if (path.starts_with("../")) {
      path.remove_prefix(3);
    } else if (path.starts_with("./") || path.starts_with("/./")) {
      path.remove_prefix(2);
    } else if (path == "/.") {
      path = "/";
    } else if (path.starts_with("/../") || path == "/..") {
      path = path == "/.." ? std::string_view("/") : path.substr(3);
      out.erase(std::min(out.rfind('/'), out.size()));
    } else if (path == "." || path == "..") {
      path = {};
    } else {
      const auto end = std::min(path.find('/', 1), path.size());
      out += path.substr(0, end);
      path.remove_prefix(end);
    }
  }
  return out;
}

// `reference` (without a fragment) as seen from `base`.
std::string resolve(const std::string& base, std::string_view reference) {
  if (reference.empty()) return base;
  Uri to = parse_uri(reference);
  if (to.scheme.empty()) {
    const Uri from = parse_uri(base);
    to.scheme = from.scheme;
    if (!to.has_authority) {
      to.has_authority = from.has_authority, to.authority = from.authority;
      if (to.path.empty()) {
        to.path = from.path;
        if (!to.has_query) to.has_query = from.has_query, to.query = from.query;
      } else if (to.path[0] != '/') {
        if (from.has_authority && from.path.empty()) {
          to.path = "/" + to.path;
        } else {
          const auto slash = from.path.rfind('/');
          if (slash != std::string::npos) to.path = from.path.substr(0, slash + 1) + to.path;
        }
      }
    }
  }
  std::string out = to.scheme.empty() ? "" : to.scheme + ":";
  if (to.has_authority) out += "//" + to.authority;
  out += without_dots(to.path);
  if (to.has_query) out += "?" + to.query;
  return out;
}

std::string escaped(std::string_view part) {
  std::string out;
  for (const char c : part) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else if (c == '%')
      out += "%25";
    else
      out += c;
  }
  return out;
}

// What stands below a keyword: one schema, a list of them, or schemas by name.
enum class Below { kNothing, kSchema, kList, kNames };
Below below(std::string_view keyword, const Json& value) {
  static constexpr std::array<std::string_view, 12> kSchemas{"additionalItems",
                                                             "additionalProperties",
                                                             "contains",
                                                             "contentSchema",
                                                             "else",
                                                             "if",
                                                             "items",
                                                             "not",
                                                             "propertyNames",
                                                             "unevaluatedItems",
                                                             "then",
                                                             "unevaluatedProperties"};
  static constexpr std::array<std::string_view, 5> kLists{"allOf", "anyOf", "items", "oneOf", "prefixItems"};
  static constexpr std::array<std::string_view, 6> kNames{
      "$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"};
  const auto in = [&](const auto& list) {
    return std::find(list.begin(), list.end(), keyword) != list.end();
  };
  if (value.is_array()) return in(kLists) ? Below::kList : Below::kNothing;
  if (in(kSchemas)) return Below::kSchema;
  return value.is_object() && in(kNames) ? Below::kNames : Below::kNothing;
}

class Localiser {
 public:
  explicit Localiser(const Json& root) : root_(root) {
    const auto draft = root.is_object() ? string_at(root, "$schema") : "";
    for (const char* old : {"draft-03", "draft-04", "draft-06", "draft-07"})
      ref_stands_alone_ = ref_stands_alone_ || draft.find(old) != std::string::npos;
  }

  Json run() {
    places_[""] = "";
    index(root_, "", "");
    Json out = root_;
    rewrite(out, "", "");
    return out;
  }

 private:
  // The base of a schema: its own $id's, or its parent's.
  std::string base_of(const Json& schema, const std::string& base) const {
    const Json* id = find(schema, "$id");
    if (id == nullptr || !id->is_string() || (ref_stands_alone_ && schema.contains("$ref"))) return base;
    const auto& text = id->get_ref<const std::string&>();
    return resolve(base, std::string_view(text).substr(0, text.find('#')));
  }

  // Calls visit(child, pointer) for every schema right below.
  template <typename Schema, typename Visit>
  static void children(Schema& schema, const std::string& pointer, const Visit& visit) {
    for (auto it = schema.begin(); it != schema.end(); ++it) {
      const auto here = pointer + "/" + escaped(it.key());
      switch (below(it.key(), it.value())) {
        case Below::kNothing:
          break;
        case Below::kSchema:
          visit(it.value(), here);
          break;
        case Below::kList:
          for (std::size_t i = 0; i < it.value().size(); ++i)
            visit(it.value()[i], here + "/" + std::to_string(i));
          break;
        case Below::kNames:
          for (auto child = it.value().begin(); child != it.value().end(); ++child)
            visit(child.value(), here + "/" + escaped(child.key()));
          break;
      }
    }
  }

  void index(const Json& schema, const std::string& pointer, const std::string& parent) {
    schemas_.insert(pointer);
    if (!schema.is_object()) return;
    const auto base = base_of(schema, parent);
    if (base != parent) places_.emplace(base, pointer);
    if (const Json* id = find(schema, "$id"); id != nullptr && id->is_string()) {
      const auto& text = id->get_ref<const std::string&>();
      const auto hash = text.find('#');
      if (hash != std::string::npos && hash + 1 < text.size() &&
          !(ref_stands_alone_ && schema.contains("$ref")))
        places_.emplace(base + text.substr(hash), pointer);
    }
    for (const char* key : {"$anchor", "$dynamicAnchor"}) {
      const auto name = string_at(schema, key);
      if (name.empty()) continue;
      places_.emplace(base + "#" + name, pointer);
      if (key[1] == 'd') dynamic_[name].push_back(pointer);
    }
    children(schema, pointer, [&](const Json& child, const std::string& at) { index(child, at, base); });
  }

  // The pointer that `reference` means at `base`, as "#/..."; nothing when it leads out of the schema.
  std::optional<std::string> target(const std::string& base, const std::string& reference) const {
    const auto hash = std::min(reference.find('#'), reference.size());
    const auto uri = resolve(base, std::string_view(reference).substr(0, hash));
    const auto fragment = hash < reference.size() ? reference.substr(hash + 1) : std::string();
    const bool name = !fragment.empty() && fragment[0] != '/';
    const auto place = places_.find(name ? uri + "#" + fragment : uri);
    if (place == places_.end()) return std::nullopt;
    auto pointer = name ? place->second : place->second + fragment;
    // With several bases, what lies outside the known places for schemas has none that we know.
    if (places_.size() > 1 && !schemas_.contains(pointer) && !one_base()) return std::nullopt;
    return "#" + pointer;
  }

  // Then a pointer may be spelled in any way and lead into any keyword.
  bool one_base() const {
    return std::all_of(places_.begin(), places_.end(), [](const auto& place) {
      return place.first.find('#') != std::string::npos || place.second.empty();
    });
  }

  void rewrite(Json& schema, const std::string& pointer, const std::string& parent) {
    if (!schema.is_object()) return;
    const auto base = base_of(schema, parent);
    if (const Json* reference = find(schema, "$ref"); reference != nullptr && reference->is_string()) {
      const auto text = reference->get<std::string>();
      if (auto to = target(base, text)) {
        schema["$ref"] = *to;
      } else if (base != base_of(root_, "")) {  // Not to be taken for one from the root.
        const auto hash = std::min(text.find('#'), text.size());
        schema["$ref"] = resolve(base, std::string_view(text).substr(0, hash)) + text.substr(hash);
      }
    }
    if (const Json* reference = find(schema, "$dynamicRef"); reference != nullptr && reference->is_string())
      plain_reference(schema, base, reference->get<std::string>());
    if (!pointer.empty()) schema.erase("$id");
    children(schema, pointer, [&](Json& child, const std::string& at) { rewrite(child, at, base); });
  }

  // A $dynamicRef is a $ref unless its name is given twice.
  void plain_reference(Json& schema, const std::string& base, const std::string& reference) {
    const auto to = target(base, reference);
    if (!to) return;
    const auto pointer = to->substr(1);
    for (const auto& [name, pointers] : dynamic_) {
      const bool here = std::find(pointers.begin(), pointers.end(), pointer) != pointers.end();
      if (here && pointers.size() > 1 && reference.ends_with("#" + name)) return;
    }
    schema.erase("$dynamicRef");
    if (schema.contains("$ref")) {
      if (!schema.contains("allOf")) schema["allOf"] = Json::array();
      if (schema["allOf"].is_array()) schema["allOf"].push_back({{"$ref", *to}});
    } else {
      schema["$ref"] = *to;
    }
  }

  const Json& root_;
  bool ref_stands_alone_ = false;
  std::map<std::string, std::string> places_;  // URI, with "#name" for an anchor -> pointer.
  std::map<std::string, std::vector<std::string>> dynamic_;
  std::set<std::string> schemas_;  // The pointers of all schemas.
};

}  // namespace

std::optional<Json> with_local_references(const Json& schema, std::string_view text) {
  if (!schema.is_object()) return std::nullopt;
  bool needed = false;
  for (const char* key : {"\"$anchor\"", "\"$dynamicRef\"", "\"$id\""})
    needed = needed || text.find(key) != std::string_view::npos;
  if (!needed) return std::nullopt;
  return Localiser(schema).run();
}

}  // namespace tsukai::infer::grammar
