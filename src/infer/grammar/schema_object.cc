// Objects and arrays of a schema.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "infer/grammar/schema_compiler.h"

namespace tsukai::infer::grammar {
namespace {

std::string escape_pointer(const std::string& part) {
  std::string out;
  for (char c : part) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

bool takes(const Dfa& dfa, const std::string& name) {
  std::uint32_t state = 0;
  for (const char byte : print_json(Json(name))) {
    state = dfa.next(state, static_cast<unsigned char>(byte));
    if (state == kDead) return false;
  }
  return dfa.state(state).accept;
}

// All of these at once; true for none.
Json all_of(std::vector<Json> schemas) {
  if (schemas.empty()) return true;
  if (schemas.size() == 1) return std::move(schemas[0]);
  return Json{{"allOf", Json(std::move(schemas))}};
}

}  // namespace

NodeId SchemaCompiler::key() {
  return key_ != kNoNode ? key_ : key_ = program_.lexeme({any_string(), 0, kKeyCharactersMax});
}

NodeId SchemaCompiler::members(NodeId value, std::uint32_t min, std::uint32_t max) {
  const auto member = program_.sequence({key(), program_.literal(":"), value});
  return program_.sequence({program_.literal("{"), list(member, min, max), program_.literal("}")});
}

NodeId SchemaCompiler::array(const Json& schema, const std::string& at, int depth) {
  const auto min = count(schema, "minItems", 0, kDead - 1, at);
  if (min > kItemsLimitMax) {
    problems().limit(at, "minItems is over 1,000,000");
    return program_.nothing();
  }
  const auto max = count(schema, "maxItems", std::max(min, kItemsMax), kItemsLimitMax, at);
  const Json* items = find(schema, "items");
  const Json* prefix = find(schema, "prefixItems");
  std::string prefix_name = "prefixItems", items_name = "items";
  if (items != nullptr && items->is_array()) {  // Before 2020-12.
    prefix = items, prefix_name = "items";
    items = find(schema, "additionalItems"), items_name = "additionalItems";
  }
  if (const Json* unique = find(schema, "uniqueItems"); unique != nullptr && *unique != false && max > 1) {
    if (*unique == true && items != nullptr && prefix == nullptr && !schema.contains("contains")) {
      if (const auto node = distinct_items(*items, min, max, at, depth)) return *node;
    }
    if (!problems().any()) problems().add(at, "keyword \"uniqueItems\" of items that no short enum lists");
    return program_.nothing();
  }
  if (prefix != nullptr && !prefix->is_array()) {
    problems().add(at, "keyword \"prefixItems\" is not an array");
    return program_.nothing();
  }
  if (schema.contains("contains")) {
    return array_containing(schema, items != nullptr ? *items : Json(true),
                            prefix != nullptr ? *prefix : Json::array(), min, max, at, depth);
  }
  const auto rest =
      items == nullptr ? anything(kFreeDepthMax) : value(*items, at + "/" + items_name, depth + 1);
  const auto fixed = static_cast<std::uint32_t>(prefix == nullptr ? 0 : prefix->size());
  if (max < min) return program_.nothing();
  if (fixed == 0)
    return program_.sequence({program_.literal("["), list(rest, min, max), program_.literal("]")});
  if (fixed > kPropertiesMax) {
    problems().limit(at, "prefixItems has more than 512 items");
    return program_.nothing();
  }
  // From the back: what may follow the first i items.
  const auto more = program_.sequence({program_.literal(","), rest});
  NodeId tail = max > fixed ? program_.repeat(more, more, min > fixed ? min - fixed : 0, max - fixed)
                            : program_.empty();
  for (auto i = fixed; i-- > 0;) {
    const auto item = value((*prefix)[i], fmt::format("{}/{}/{}", at, prefix_name, i), depth + 1);
    if (i >= max) continue;
    std::vector<NodeId> steps;
    if (i > 0) steps.push_back(program_.literal(","));
    steps.push_back(item);
    steps.push_back(tail);
    tail = program_.sequence(std::move(steps));
    if (i >= min) tail = program_.choice({tail, program_.empty()});
  }
  return program_.sequence({program_.literal("["), tail, program_.literal("]")});
}

// Each value of a short enum at most once: one node for every set of those that have come. Nothing when
// `items` lists no values, or too many.
std::optional<NodeId> SchemaCompiler::distinct_items(const Json& items, std::uint32_t min, std::uint32_t max,
                                                     const std::string& at, int depth) {
  const Json flat = logic_.flatten(items, at + "/items");
  if (problems().any() || !flat.is_object()) return std::nullopt;
  Json values = Json::array();
  if (const Json* one = find(flat, "const"))
    values.push_back(*one);
  else if (const Json* list = find(flat, "enum"); list != nullptr && list->is_array())
    values = *list;
  else if (const Json* type = find(flat, "type"); type != nullptr && *type == "boolean")
    values = {false, true};
  else
    return std::nullopt;
  std::vector<NodeId> nodes;
  for (std::size_t i = 0; i < values.size() && i <= kDistinctMax; ++i) {
    if (std::find(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(i), values[i]) !=
        values.begin() + static_cast<std::ptrdiff_t>(i))
      continue;
    const Json only = {{"allOf", Json::array({items, {{"const", values[i]}}})}};
    nodes.push_back(value(logic_.keep(only, at), at + "/items", depth + 1));
  }
  if (problems().any() || values.size() > kDistinctMax) return std::nullopt;
  const std::uint32_t sets = 1u << nodes.size();
  std::vector<NodeId> after(sets);
  for (std::uint32_t come = sets; come-- > 0;) {
    const auto written = static_cast<std::uint32_t>(std::popcount(come));
    std::vector<NodeId> ways;
    for (std::uint32_t i = 0; i < nodes.size() && written < max; ++i) {
      if ((come >> i & 1) != 0) continue;
      const auto comma = written > 0 ? program_.literal(",") : program_.empty();
      ways.push_back(program_.sequence({comma, nodes[i], after[come | 1u << i]}));
    }
    if (written >= min) ways.push_back(program_.empty());
    after[come] = program_.choice(std::move(ways));
  }
  return program_.sequence({program_.literal("["), after[0], program_.literal("]")});
}

// Items in order, of which some satisfy `contains`: one node for each number of items and of those.
NodeId SchemaCompiler::array_containing(const Json& schema, const Json& items, const Json& prefix,
                                        std::uint32_t min, std::uint32_t max, const std::string& at,
                                        int depth) {
  const Json& contains = schema["contains"];
  const auto needed = count(schema, "minContains", 1, kItemsLimitMax, at);
  const auto most = count(schema, "maxContains", kItemsLimitMax, kItemsLimitMax, at);
  const bool limited = schema.contains("maxContains");
  max = schema.contains("maxItems") ? max : std::max(min, kItemsMax);
  const auto counted = std::max(needed, limited ? most : 0);
  if (counted > kContainsMax || max > kItemsMax) {
    if (needed <= max)
      problems().add(at, fmt::format("keyword \"contains\" that counts over {} items, or {} of all",
                                     kContainsMax, kItemsMax));
    return program_.nothing();
  }
  std::string why;
  auto others = logic_.negation(contains, at + "/contains", why);
  if (problems().any()) return program_.nothing();
  if (!others && limited) {
    problems().add(at, fmt::format("keyword \"maxContains\" of a schema with \"{}\"", why));
    return program_.nothing();
  }
  if (!others) others = true;  // An item that is not counted may satisfy it as well.
  const auto fixed = static_cast<std::uint32_t>(prefix.size());
  const auto item = [&](std::uint32_t i, const Json& kind) {
    const Json& own = i < fixed ? prefix[i] : items;
    return value(logic_.keep(all_of({own, kind}), at), at + "/contains", depth + 1);
  };
  const auto rest_counted = item(fixed, contains), rest_other = item(fixed, *others);
  // after[n]: what may follow i items of which n were counted, from the back; n stops at `counted` unless
  // limited.
  const auto allowed = [&](std::uint32_t n) { return n >= needed && (!limited || n <= most); };
  std::vector<NodeId> after(counted + 1);
  for (std::uint32_t n = 0; n <= counted; ++n) after[n] = allowed(n) ? program_.empty() : program_.nothing();
  for (auto i = max; i-- > 0;) {
    const auto is = i < fixed ? item(i, contains) : rest_counted;
    const auto is_not = i < fixed ? item(i, *others) : rest_other;
    const auto comma = i > 0 ? program_.literal(",") : program_.empty();
    std::vector<NodeId> now(counted + 1);
    for (std::uint32_t n = 0; n <= counted; ++n) {
      std::vector<NodeId> ways{program_.sequence({comma, is_not, after[n]})};
      if (n < counted || !limited)
        ways.push_back(program_.sequence({comma, is, after[std::min(n + 1, counted)]}));
      if (i >= min && allowed(n)) ways.push_back(program_.empty());
      now[n] = program_.choice(std::move(ways));
    }
    after = std::move(now);
  }
  return program_.sequence({program_.literal("["), after[0], program_.literal("]")});
}

// The names that no property has: apart by the patterns they match, with the value that goes with them.
std::vector<SchemaCompiler::FreeNames> SchemaCompiler::free_names(const Json& schema,
                                                                  const std::set<std::string>& names,
                                                                  bool open, const std::string& at,
                                                                  int depth) {
  std::vector<FreeNames> out;
  const Json* additional = find(schema, "additionalProperties");
  const Json* patterns = find(schema, "patternProperties");
  struct Kind {
    std::shared_ptr<const Dfa> names;
    std::vector<Json> values;
  };
  std::vector<Kind> kinds(1);
  kinds[0].names = any_string_but(names, kDfaStatesMax);
  if (kinds[0].names == nullptr) {
    problems().limit(at, "property names are too long, all together");
    return out;
  }
  const auto cut = [&](const std::shared_ptr<const Dfa>& cut) {
    if (cut == nullptr) problems().limit(at, "the patterns of names need more than 6,000 states together");
    return cut;
  };
  if (const Json* limits = find(schema, "propertyNames")) {
    const auto allowed = language(*limits, at + "/propertyNames");
    if (allowed == nullptr) return out;
    kinds[0].names = cut(texts_of_both(*kinds[0].names, *allowed, kDfaStatesMax));
  }
  if (patterns != nullptr) {
    for (const auto& [pattern, content] : patterns->items()) {
      const auto matched = pattern_language(pattern, at);
      std::vector<Kind> finer;
      for (auto& kind : kinds) {
        if (problems().any()) return out;
        Kind in{cut(texts_of_both(*kind.names, *matched, kDfaStatesMax)), kind.values};
        in.values.push_back(content);
        Kind apart{cut(texts_of_first_only(*kind.names, *matched, kDfaStatesMax)), std::move(kind.values)};
        for (auto* each : {&in, &apart}) {
          if (each->names != nullptr && !each->names->empty()) finer.push_back(std::move(*each));
        }
      }
      kinds = std::move(finer);
      if (kinds.size() > kNameKindsMax) {
        problems().limit(at, "patternProperties tell more than 32 kinds of names apart");
        return out;
      }
    }
  }
  for (auto& kind : kinds) {
    if (problems().any()) return out;
    if (kind.names->empty()) continue;
    if (!kind.values.empty()) {
      const Json content = all_of(std::move(kind.values));
      if (content == false) continue;
      out.push_back({kind.names, value(logic_.keep(content, at), at + "/patternProperties", depth + 1)});
    } else if (open) {
      out.push_back({kind.names, additional == nullptr
                                     ? anything(kFreeDepthMax - 1)
                                     : value(*additional, at + "/additionalProperties", depth + 1)});
    }
  }
  return out;
}

NodeId SchemaCompiler::object(const Json& schema, const std::string& at, int depth) {
  const Json* properties = find(schema, "properties");
  const Json* additional = find(schema, "additionalProperties");
  const Json* required = find(schema, "required");
  if (properties != nullptr && !properties->is_object()) {
    problems().add(at, "keyword \"properties\" is not an object");
    return program_.nothing();
  }
  std::set<std::string> needed;
  if (required != nullptr) {
    if (!required->is_array()) {
      problems().add(at, "keyword \"required\" is not an array");
      return program_.nothing();
    }
    for (const auto& name : *required) {
      if (name.is_string())
        needed.insert(name.get<std::string>());
      else
        problems().add(at, "keyword \"required\" is not a list of names");
    }
  }
  const Json* patterns = find(schema, "patternProperties");
  if (patterns != nullptr && (!patterns->is_object() || patterns->size() > kNamePatternsMax)) {
    problems().add(at, fmt::format("keyword \"patternProperties\" {}",
                                   patterns->is_object() ? "with more than 8 patterns" : "is not an object"));
    return program_.nothing();
  }
  const Json* limits = find(schema, "propertyNames");
  const auto least = count(schema, "minProperties", 0, kPropertiesMax + kMembersMax + 1, at);
  auto most = count(schema, "maxProperties", kDead, kDead - 1, at);
  std::set<std::string> names = needed;
  if (properties != nullptr) {
    for (const auto& [name, ignored] : properties->items()) names.insert(name);
  }
  if (names.size() > kPropertiesMax) {
    problems().limit(at, "an object has more than 512 properties");
    return program_.nothing();
  }
  if (needed.size() > most || least > most) return program_.nothing();
  const bool described = !names.empty() || patterns != nullptr;
  const bool open = additional == nullptr || *additional == true ? options_.open_objects || !described
                                                                 : *additional != false;
  if (names.empty() && patterns == nullptr && limits == nullptr && least <= 1) {
    if (additional != nullptr && *additional == false)
      return least == 0 ? program_.literal("{}") : program_.nothing();
    return members(additional == nullptr ? anything(kFreeDepthMax - 1)
                                         : value(*additional, at + "/additionalProperties", depth + 1),
                   least, std::min(most, kMembersMax));
  }
  const auto others =
      open || patterns != nullptr ? free_names(schema, names, open, at, depth) : std::vector<FreeNames>();
  std::shared_ptr<const Dfa> allowed;
  if (limits != nullptr) allowed = language(*limits, at + "/propertyNames");
  if (problems().any()) return program_.nothing();
  if (least > 1 && !others.empty() && least > needed.size() + 1) {
    // A name that is not spelled out could come twice, and count once.
    problems().add(at, fmt::format("keyword \"minProperties\" of {} where names are free", least));
    return program_.nothing();
  }
  // From the back. rest[n]: what may follow when n members have been written; the last stands for that many
  // or more, unless more would be too many.
  if (most > names.size() + kMembersMax) most = kDead;
  const auto counted = std::max<std::uint32_t>({1, least, most == kDead ? 0 : most});
  if ((counted + 1) * names.size() > kNodesMax / 4) {
    problems().limit(at, "minProperties or maxProperties beside so many properties");
    return program_.nothing();
  }
  std::vector<NodeId> rest(counted + 1);
  const auto end = program_.literal("}");
  std::vector<NodeId> kinds;
  for (const auto& other : others) {
    kinds.push_back(program_.sequence(
        {program_.lexeme({other.names, 0, kKeyCharactersMax}), program_.literal(":"), other.content}));
  }
  const auto member = program_.choice(std::move(kinds));
  const auto further = program_.sequence({program_.literal(","), member});
  for (std::uint32_t n = 0; n <= counted; ++n) {
    const auto lacking = least > n ? least - n : 0;
    const auto room = most == kDead ? kMembersMax : std::min(kMembersMax, most - std::min(most, n));
    if (others.empty() || room == 0)
      rest[n] = lacking == 0 ? end : program_.nothing();
    else
      rest[n] = program_.sequence({program_.repeat(n == 0 ? member : further, further, lacking, room), end});
  }
  for (auto it = names.rbegin(); it != names.rend(); ++it) {
    std::vector<Json> wanted;
    const Json* property = properties != nullptr ? find(*properties, *it) : nullptr;
    NodeId content = kNoNode;
    if (patterns != nullptr) {
      for (const auto& [pattern, schema_of] : patterns->items()) {
        const auto matched = pattern_language(pattern, at);
        if (matched != nullptr && takes(*matched, *it)) wanted.push_back(schema_of);
      }
    }
    if (allowed != nullptr && !takes(*allowed, *it)) {
      content = program_.nothing();
    } else if (!wanted.empty()) {
      if (property != nullptr) wanted.push_back(*property);
      content = value(logic_.keep(all_of(std::move(wanted)), at), at + "/patternProperties", depth + 1);
    } else if (property != nullptr) {
      content = value(*property, at + "/properties/" + escape_pointer(*it), depth + 1);
    } else if (additional != nullptr) {
      content = value(*additional, at + "/additionalProperties", depth + 1);
    } else {
      content = anything(kFreeDepthMax - 1);
    }
    const std::string key = print_json(Json(*it)) + ":";
    const bool optional = !needed.contains(*it);
    std::vector<NodeId> now(counted + 1);
    for (std::uint32_t n = 0; n <= counted; ++n) {
      std::vector<NodeId> ways;
      if (most == kDead || n < most) {
        ways.push_back(program_.sequence(
            {program_.literal((n > 0 ? "," : "") + key), content, rest[std::min(n + 1, counted)]}));
      }
      if (optional) ways.push_back(rest[n]);
      now[n] = program_.choice(std::move(ways));
    }
    rest = std::move(now);
  }
  return program_.sequence({program_.literal("{"), rest[0]});
}

}  // namespace tsukai::infer::grammar
