// JSON Schema to Program: one method for each kind of value.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "infer/grammar/compiled.h"
#include "infer/grammar/lexemes.h"
#include "infer/grammar/schema_logic.h"

namespace tsukai::infer {
namespace grammar {
namespace {

constexpr std::size_t kNodesMax = 100'000;
constexpr std::size_t kPropertiesMax = 512;
constexpr std::size_t kEnumMax = 4'096;
constexpr std::size_t kSchemaBytesMax = 1u << 20;
// Arrays without maxItems, so that a model can't go on for ever; an explicit limit may be higher.
constexpr std::uint32_t kItemsMax = 256;
constexpr std::uint32_t kItemsLimitMax = 1'000'000;
// Members of an object that names none, and how deep values without a schema nest.
constexpr std::uint32_t kMembersMax = 64;
constexpr int kFreeDepthMax = 8;

const std::set<std::string, std::less<>> kKeywords{"$ref",
                                                   "additionalItems",
                                                   "additionalProperties",
                                                   "allOf",
                                                   "anyOf",
                                                   "const",
                                                   "enum",
                                                   "exclusiveMaximum",
                                                   "exclusiveMinimum",
                                                   "format",
                                                   "items",
                                                   "maxItems",
                                                   "maxLength",
                                                   "maximum",
                                                   "minItems",
                                                   "minLength",
                                                   "minimum",
                                                   "multipleOf",
                                                   "nullable",
                                                   "oneOf",
                                                   "pattern",
                                                   "prefixItems",
                                                   "properties",
                                                   "required",
                                                   "type",
                                                   "uniqueItems"};

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

// One spelling for each number: 2.0 is 2.
Json canonical(const Json& value) {
  if (value.is_number_float() && std::abs(value.get<double>()) < 1e15 &&
      std::floor(value.get<double>()) == value.get<double>()) {
    return static_cast<std::int64_t>(value.get<double>());
  }
  Json out = value;
  if (value.is_structured()) {
    for (auto& element : out) element = canonical(element);
  }
  return out;
}

class Compiler {
 public:
  Compiler(const Json& root, Grammar::SchemaOptions options) : logic_(root), options_(options) {}

  Problems& problems() { return logic_.problems; }
  Program& program() { return program_; }

  NodeId value(const Json& schema, const std::string& at, int depth = 0) {
    if (schema.is_boolean()) return schema.get<bool>() ? anything(kFreeDepthMax) : program_.nothing();
    if (!schema.is_object()) {
      problems().add(at, "is neither an object nor a boolean");
      return program_.nothing();
    }
    if (auto it = done_.find(&schema); it != done_.end()) return it->second;
    if (depth > kSchemaDepthMax) {
      problems().limit(at, "subschemas are nested deeper than 64 levels");
      return program_.nothing();
    }
    if (program_.nodes.size() > kNodesMax) {
      problems().limit(at, "the schema needs more than 100,000 grammar nodes");
      return program_.nothing();
    }
    if (!problems().exhausted.empty()) return program_.nothing();
    const auto self = program_.reserve();
    done_.emplace(&schema, self);
    program_.bind(self, constrained(schema, at, depth));
    return self;
  }

 private:
  NodeId constrained(const Json& schema, const std::string& at, int depth) {
    if (logic_.foreign_base(schema)) problems().add(at, "keyword \"$id\" inside a schema");
    bool trivial = true;
    for (const auto& [key, ignored] : schema.items()) {
      if (is_annotation(key)) continue;
      if (kKeywords.contains(key))
        trivial = false;
      else
        problems().add(at, fmt::format("keyword \"{}\"", key));
    }
    if (trivial) return anything(kFreeDepthMax);
    if (const Json* reference = find(schema, "$ref")) {
      const bool alone = logic_.ref_stands_alone() ||
                         std::none_of(schema.items().begin(), schema.items().end(), [](const auto& item) {
                           return item.key() != "$ref" && !is_annotation(item.key());
                         });
      if (alone) {
        const Json* target = logic_.resolve(*reference, at);
        return target != nullptr ? value(*target, reference->get<std::string>().substr(1), depth + 1)
                                 : program_.nothing();
      }
    }
    if (schema.contains("$ref") || schema.contains("allOf")) {
      return value(logic_.keep(logic_.flatten(schema, at), at), at, depth + 1);
    }
    for (const char* key : {"anyOf", "oneOf"}) {
      if (schema.contains(key)) return branches(schema, key, at, depth);
    }
    if (schema.contains("const") || schema.contains("enum")) return values(schema, at);
    std::vector<NodeId> alternatives;
    for (const auto& type : logic_.types(schema, at)) {
      if (type == "null")
        alternatives.push_back(program_.literal("null"));
      else if (type == "boolean")
        alternatives.push_back(boolean());
      else if (type == "string")
        alternatives.push_back(string(schema, at));
      else if (type == "array")
        alternatives.push_back(array(schema, at, depth));
      else if (type == "object")
        alternatives.push_back(object(schema, at, depth));
      else
        alternatives.push_back(number(schema, at, type == "integer"));
    }
    return program_.choice(std::move(alternatives));
  }

  NodeId branches(const Json& schema, const char* key, const std::string& at, int depth) {
    const Json& list = schema[key];
    if (!list.is_array() || list.empty()) {
      problems().add(at, fmt::format("keyword \"{}\" is not a list of schemas", key));
      return program_.nothing();
    }
    if (list.size() > kBranchesMax) {
      problems().limit(at, fmt::format("{} has more than {} branches", key, kBranchesMax));
      return program_.nothing();
    }
    Json rest = schema;
    rest.erase(key);
    for (auto it = rest.begin(); it != rest.end();)
      it = is_annotation(it.key()) ? rest.erase(it) : std::next(it);
    const bool bare = std::all_of(rest.items().begin(), rest.items().end(),
                                  [](const auto& item) { return is_annotation(item.key()); });
    std::vector<const Json*> merged;
    for (std::size_t i = 0; i < list.size() && problems().exhausted.empty(); ++i) {
      const auto here = fmt::format("{}/{}/{}", at, key, i);
      if (bare)
        merged.push_back(&list[i]);
      else
        merged.push_back(&logic_.keep(logic_.merge(rest, logic_.flatten(list[i], here), here), here));
    }
    if (std::string_view(key) == "oneOf") {
      for (std::size_t i = 0; i < merged.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (problems().any() || logic_.disjoint(*merged[i], *merged[j], at)) continue;
          problems().add(
              at, fmt::format("keyword \"oneOf\" whose branches {} and {} may both match (use anyOf)", j, i));
          return program_.nothing();
        }
      }
    }
    std::vector<NodeId> alternatives;
    for (std::size_t i = 0; i < merged.size(); ++i) {
      alternatives.push_back(value(*merged[i], fmt::format("{}/{}/{}", at, key, i), depth + 1));
    }
    return program_.choice(std::move(alternatives));
  }

  NodeId values(const Json& schema, const std::string& at) {
    Json list = Json::array();
    Json rest = schema;
    if (schema.contains("enum")) {
      if (!schema["enum"].is_array()) {
        problems().add(at, "keyword \"enum\" is not an array");
        return program_.nothing();
      }
      list = schema["enum"];
      rest.erase("enum");
    } else {
      list.push_back(schema["const"]);
      rest.erase("const");
    }
    if (list.size() > kEnumMax) {
      problems().limit(at, "enum has more than 4,096 values");
      return program_.nothing();
    }
    const bool bare = std::all_of(rest.items().begin(), rest.items().end(),
                                  [](const auto& item) { return is_annotation(item.key()); });
    const bool only_type = std::all_of(rest.items().begin(), rest.items().end(), [](const auto& item) {
      return is_annotation(item.key()) || item.key() == "type" || item.key() == "nullable";
    });
    std::vector<std::string> types;
    if (only_type && !bare) types = logic_.types(rest, at);
    std::vector<NodeId> alternatives;
    std::vector<bool> satisfied;
    if (!bare && !only_type) {
      satisfied = logic_.satisfying(list, rest, at);  // Looks at everything but formats.
      Json inner = rest;
      inner.erase("format");
      if (print_json(inner).find("\"format\"") != std::string::npos) {
        problems().add(at, "keyword \"enum\" or \"const\" beside a schema with \"format\" inside");
      }
      if (const Json* format = find(rest, "format")) {
        const auto dfa = format_string(format->is_string() ? format->get<std::string>() : std::string());
        if (!dfa) problems().add(at, fmt::format("keyword \"format\" with {}", print_json(*format)));
        for (std::size_t i = 0; dfa && i < list.size(); ++i) {
          if (!list[i].is_string()) continue;
          std::uint32_t state = 0;
          for (char byte : print_json(list[i])) {
            if (state != kDead) state = dfa->next(state, static_cast<unsigned char>(byte));
          }
          satisfied[i] = satisfied[i] && state != kDead && dfa->state(state).accept;
        }
      }
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Json& v = list[i];
      bool fits = bare || (!satisfied.empty() && satisfied[i]);
      for (const auto& type : types) {
        const bool integral =
            v.is_number_integer() || (v.is_number() && std::floor(v.get<double>()) == v.get<double>());
        fits = fits || (type == "number"    ? v.is_number()
                        : type == "integer" ? integral
                                            : type == v.type_name());
      }
      if (fits) alternatives.push_back(program_.literal(print_json(canonical(v))));
    }
    return program_.choice(std::move(alternatives));
  }

  // A non-negative whole number under `key`.
  std::uint32_t count(const Json& schema, const char* key, std::uint32_t otherwise, std::uint32_t most,
                      const std::string& at) {
    const Json* v = find(schema, key);
    if (v == nullptr) return otherwise;
    if (!v->is_number() || v->get<double>() < 0 || std::floor(v->get<double>()) != v->get<double>()) {
      problems().add(at, fmt::format("keyword \"{}\" is not a whole number", key));
      return otherwise;
    }
    return static_cast<std::uint32_t>(std::min<double>(v->get<double>(), most));
  }

  NodeId string(const Json& schema, const std::string& at) {
    const Json* pattern = find(schema, "pattern");
    const Json* format = find(schema, "format");
    constexpr std::uint32_t kMost = 1u << 30;
    Lexeme lexeme;
    lexeme.min = count(schema, "minLength", 0, kMost, at);
    lexeme.max = count(schema, "maxLength", std::max(lexeme.min, kStringCharactersMax), kMost, at);
    if (pattern == nullptr && format == nullptr) {
      lexeme.dfa = any_string();
      return program_.lexeme(lexeme);
    }
    if (pattern != nullptr && format != nullptr) {
      problems().add(at, "keyword \"pattern\" beside \"format\"");
      return program_.nothing();
    }
    if (pattern != nullptr) {
      if (!pattern->is_string()) {
        problems().add(at, "keyword \"pattern\" is not a string");
        return program_.nothing();
      }
      auto compiled = compile_regex(pattern->get<std::string>(), {.search = true, .quoted = true});
      if (!compiled) {
        if (compiled.error().code() == Code::kExhausted)
          problems().limit(at, "keyword \"pattern\": " + compiled.error().message());
        else
          problems().add(at, "keyword \"pattern\": " + compiled.error().message());
        return program_.nothing();
      }
      lexeme.dfa = *compiled;
    } else {
      const auto name = format->is_string() ? format->get<std::string>() : std::string();
      lexeme.dfa = format_string(name);
      if (!lexeme.dfa) {
        problems().add(at, fmt::format("keyword \"format\" with {}", print_json(*format)));
        return program_.nothing();
      }
    }
    if (lexeme.min > 0 && !lexeme.dfa->empty() && lexeme.dfa->state(0).characters_left < lexeme.min) {
      auto longer = at_least(*lexeme.dfa, lexeme.min, kDfaStatesMax);
      if (!longer) {
        problems().limit(
            at, fmt::format("keyword \"minLength\" of {} beside a pattern needs more than 6,000 states",
                            lexeme.min));
        return program_.nothing();
      }
      lexeme.dfa = longer;
    }
    lexeme.min = 0;
    return program_.lexeme(lexeme);
  }

  NodeId number(const Json& schema, const std::string& at, bool integer) {
    NumberBounds bounds;
    bounds.integer = integer;
    auto bound = [&](const char* key, bool open, bool upper) {
      const Json* v = find(schema, key);
      if (v == nullptr) return;
      if (!v->is_number()) {
        problems().add(at, fmt::format("keyword \"{}\" is not a number", key));
        return;
      }
      const auto given = Decimal::from(*v);
      auto& slot = upper ? bounds.high : bounds.low;
      auto& slot_open = upper ? bounds.high_open : bounds.low_open;
      if (slot) {
        const int order = compare(given, *slot);
        if (order == 0 ? !open : upper ? order > 0 : order < 0) return;
      }
      slot = given, slot_open = open;
    };
    bound("minimum", false, false);
    bound("exclusiveMinimum", true, false);
    bound("maximum", false, true);
    bound("exclusiveMaximum", true, true);
    if (const Json* multiple = find(schema, "multipleOf")) {
      if (!multiple->is_number() || multiple->get<double>() <= 0) {
        problems().add(at, "keyword \"multipleOf\" is not a number above 0");
        return program_.nothing();
      }
      bounds.multiple = Decimal::from(*multiple);
    }
    auto compiled = compile_number(bounds);
    if (!compiled) {
      problems().add(at, "keyword " + compiled.error().message());
      return program_.nothing();
    }
    return program_.lexeme({*compiled});
  }

  NodeId boolean() { return program_.choice({program_.literal("false"), program_.literal("true")}); }
  NodeId list(NodeId item, std::uint32_t min, std::uint32_t max) {
    return program_.repeat(item, program_.sequence({program_.literal(","), item}), min, max);
  }
  NodeId key() {
    return key_ != kNoNode ? key_ : key_ = program_.lexeme({any_string(), 0, kKeyCharactersMax});
  }
  NodeId members(NodeId value) {
    const auto member = program_.sequence({key(), program_.literal(":"), value});
    return program_.sequence({program_.literal("{"), list(member, 0, kMembersMax), program_.literal("}")});
  }

  // Any JSON value that nests at most `levels` deep.
  NodeId anything(int levels) {
    auto& node = anything_[levels];
    if (node != kNoNode) return node;
    if (free_string_ == kNoNode) {
      free_string_ = program_.lexeme({any_string(), 0, kStringCharactersMax});
      free_number_ = program_.lexeme({*compile_number({})});
    }
    std::vector<NodeId> kinds{free_string_, free_number_, boolean(), program_.literal("null")};
    if (levels > 0) {
      const auto inner = anything(levels - 1);
      kinds.push_back(
          program_.sequence({program_.literal("["), list(inner, 0, kItemsMax), program_.literal("]")}));
      kinds.push_back(members(inner));
    } else {
      kinds.push_back(program_.literal("[]"));
      kinds.push_back(program_.literal("{}"));
    }
    return node = program_.choice(std::move(kinds));
  }

  NodeId array(const Json& schema, const std::string& at, int depth) {
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
      problems().add(at, "keyword \"uniqueItems\"");
      return program_.nothing();
    }
    if (prefix != nullptr && !prefix->is_array()) {
      problems().add(at, "keyword \"prefixItems\" is not an array");
      return program_.nothing();
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

  NodeId object(const Json& schema, const std::string& at, int depth) {
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
    std::set<std::string> names = needed;
    if (properties != nullptr) {
      for (const auto& [name, ignored] : properties->items()) names.insert(name);
    }
    if (names.size() > kPropertiesMax) {
      problems().limit(at, "an object has more than 512 properties");
      return program_.nothing();
    }
    if (names.empty()) {
      if (additional == nullptr) return members(anything(kFreeDepthMax - 1));
      if (*additional == false) return program_.literal("{}");
      return members(value(*additional, at + "/additionalProperties", depth + 1));
    }
    // From the back. rest[0]: what may follow when nothing has been written yet, rest[1]: when something has.
    NodeId rest[2] = {program_.literal("}"), program_.literal("}")};
    const bool open =
        additional == nullptr || *additional == true ? options_.open_objects : *additional != false;
    if (open) {
      auto other = any_string_but(names, kDfaStatesMax);
      if (!other) {
        problems().limit(at, "property names are too long, all together");
        return program_.nothing();
      }
      const auto content = additional == nullptr
                               ? anything(kFreeDepthMax - 1)
                               : value(*additional, at + "/additionalProperties", depth + 1);
      const auto member =
          program_.sequence({program_.lexeme({other, 0, kKeyCharactersMax}), program_.literal(":"), content});
      const auto further = program_.sequence({program_.literal(","), member});
      rest[0] = program_.sequence({program_.repeat(member, further, 0, kMembersMax), rest[0]});
      rest[1] = program_.sequence({program_.repeat(further, further, 0, kMembersMax), rest[1]});
    }
    for (auto it = names.rbegin(); it != names.rend(); ++it) {
      const Json* property = properties != nullptr ? find(*properties, *it) : nullptr;
      NodeId content;
      if (property != nullptr)
        content = value(*property, at + "/properties/" + escape_pointer(*it), depth + 1);
      else if (additional != nullptr)
        content = value(*additional, at + "/additionalProperties", depth + 1);
      else
        content = anything(kFreeDepthMax - 1);
      const std::string key = print_json(Json(*it)) + ":";
      const bool optional = !needed.contains(*it);
      NodeId now[2];
      for (int written = 0; written < 2; ++written) {
        now[written] = program_.sequence({program_.literal((written ? "," : "") + key), content, rest[1]});
        if (optional) now[written] = program_.choice({now[written], rest[written]});
      }
      rest[0] = now[0], rest[1] = now[1];
    }
    return program_.sequence({program_.literal("{"), rest[0]});
  }

  SchemaLogic logic_;
  Grammar::SchemaOptions options_;
  Program program_;
  std::unordered_map<const Json*, NodeId> done_;
  NodeId key_ = kNoNode, free_string_ = kNoNode, free_number_ = kNoNode;
  std::vector<NodeId> anything_ = std::vector<NodeId>(kFreeDepthMax + 1, kNoNode);
};

}  // namespace
}  // namespace grammar

Result<std::shared_ptr<const Grammar>> Grammar::from_schema(const Json& schema, SchemaOptions options) {
  using namespace grammar;
  if (const auto bytes = print_json(schema).size(); bytes > kSchemaBytesMax) {
    return fail(Code::kExhausted,
                fmt::format("a schema of {} bytes is over the limit of {}", bytes, kSchemaBytesMax));
  }
  Compiler compiler(schema, options);
  const auto root = compiler.value(schema, "");
  const auto& problems = compiler.problems();
  if (!problems.unsupported.empty()) {
    return fail(Code::kUnsupported,
                fmt::format("the schema can't be honoured: {}", fmt::join(problems.unsupported, "; ")));
  }
  if (!problems.exhausted.empty())
    return fail(Code::kExhausted, "the schema is too large: " + problems.exhausted);
  auto& program = compiler.program();
  program.finish(root);
  if (program.left_recursive())
    return fail(Code::kInvalidArgument, "the schema refers to itself without end");
  if (program.nodes[root].shortest == kNever)
    return fail(Code::kInvalidArgument, "no value can satisfy the schema");
  return std::make_shared<Compiled>(std::move(program));
}

std::vector<std::string> Grammar::unsupported(const Json& schema, SchemaOptions options) {
  using namespace grammar;
  if (const auto bytes = print_json(schema).size(); bytes > kSchemaBytesMax) {
    return {fmt::format("/: the schema has {} bytes, more than {}", bytes, kSchemaBytesMax)};
  }
  Compiler compiler(schema, options);
  compiler.value(schema, "");
  auto lines = compiler.problems().unsupported;
  if (!compiler.problems().exhausted.empty()) lines.push_back(compiler.problems().exhausted);
  return lines;
}

}  // namespace tsukai::infer
