#include "infer/grammar/schema_compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "infer/grammar/compiled.h"
#include "infer/grammar/schema_references.h"

namespace tsukai::infer {
namespace grammar {
namespace {

// Those that constrain values, but for the ones that is_flattened() knows.
const std::set<std::string, std::less<>> kKeywords{"additionalItems",
                                                   "additionalProperties",
                                                   "anyOf",
                                                   "const",
                                                   "contains",
                                                   "enum",
                                                   "exclusiveMaximum",
                                                   "exclusiveMinimum",
                                                   "format",
                                                   "items",
                                                   "maxContains",
                                                   "maxItems",
                                                   "maxLength",
                                                   "maxProperties",
                                                   "maximum",
                                                   "minContains",
                                                   "minItems",
                                                   "minLength",
                                                   "minProperties",
                                                   "minimum",
                                                   "multipleOf",
                                                   "nullable",
                                                   "oneOf",
                                                   "pattern",
                                                   "patternProperties",
                                                   "prefixItems",
                                                   "properties",
                                                   "propertyNames",
                                                   "required",
                                                   "type",
                                                   "uniqueItems",
                                                   kNot,
                                                   kAlso,
                                                   kFraction};

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

}  // namespace

NodeId SchemaCompiler::whole(std::string_view text) {
  // Keywords that begin with this character are our own.
  if (text.find("\"\\u0001") != std::string_view::npos) {
    problems().add("", "a keyword that begins with U+0001");
    return program_.nothing();
  }
  return value(logic_.root(), "");
}

NodeId SchemaCompiler::value(const Json& schema, const std::string& at, int depth) {
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

NodeId SchemaCompiler::constrained(const Json& schema, const std::string& at, int depth) {
  if (logic_.foreign_base(schema)) problems().add(at, "keyword \"$id\" inside a schema");
  bool trivial = true;
  bool flat = true;
  for (const auto& [key, ignored] : schema.items()) {
    if (is_annotation(key)) continue;
    flat = flat && !is_flattened(key);
    if (kKeywords.contains(key) || is_flattened(key))
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
  if (!flat) {
    const Json flattened = logic_.flatten(schema, at);
    return problems().any() ? program_.nothing() : value(logic_.keep(flattened, at), at, depth + 1);
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

NodeId SchemaCompiler::branches(const Json& schema, const char* key, const std::string& at, int depth) {
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
  if (std::string_view(key) == "oneOf" && !only_one(merged, at)) return program_.nothing();
  std::vector<NodeId> alternatives;
  for (std::size_t i = 0; i < merged.size(); ++i) {
    alternatives.push_back(value(*merged[i], fmt::format("{}/{}/{}", at, key, i), depth + 1));
  }
  return program_.choice(std::move(alternatives));
}

// Makes the branches of a oneOf disjoint: where two may both match, neither includes the other.
bool SchemaCompiler::only_one(std::vector<const Json*>& branches, const std::string& at) {
  const auto given = branches;
  for (std::size_t i = 0; i < given.size() && !problems().any(); ++i) {
    for (std::size_t j = 0; j < i && !problems().any(); ++j) {
      if (logic_.disjoint(*given[i], *given[j], at)) continue;
      for (const auto& [mine, other] : {std::pair(i, j), std::pair(j, i)}) {
        std::string why;
        const auto rest = logic_.negation(*given[other], at, why);
        if (!rest) {
          if (!problems().any()) {
            problems().add(
                at,
                fmt::format("keyword \"oneOf\" whose branches {} and {} may both match (use anyOf; \"{}\" "
                            "can't be turned round)",
                            j, i, why));
          }
          return false;
        }
        const Json both = logic_.merge(logic_.flatten(*branches[mine], at), logic_.flatten(*rest, at), at);
        if (problems().any()) return false;
        branches[mine] = &logic_.keep(both, at);
      }
    }
  }
  return !problems().any();
}

NodeId SchemaCompiler::values(const Json& schema, const std::string& at) {
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
  std::vector<std::string> texts;
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
    if (fits) texts.push_back(print_json(canonical(v)));
  }
  return program_.words(std::move(texts));
}

// A non-negative whole number under `key`.
std::uint32_t SchemaCompiler::count(const Json& schema, const char* key, std::uint32_t otherwise,
                                    std::uint32_t most, const std::string& at) {
  const Json* v = find(schema, key);
  if (v == nullptr) return otherwise;
  if (!v->is_number() || v->get<double>() < 0 || std::floor(v->get<double>()) != v->get<double>()) {
    problems().add(at, fmt::format("keyword \"{}\" is not a whole number", key));
    return otherwise;
  }
  return static_cast<std::uint32_t>(std::min<double>(v->get<double>(), most));
}

NodeId SchemaCompiler::number(const Json& schema, const std::string& at, bool integer) {
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
  if (!schema.contains(kFraction)) return program_.lexeme({*compiled});
  static const auto fraction = compile_regex("-?[0-9]+\\.[0-9]*[1-9][0-9]*", {});
  TSUKAI_CHECK(fraction.has_value(), "the automaton of numbers that are not whole");
  const auto both = texts_of_both(**compiled, **fraction, kDfaStatesMax);
  if (both == nullptr) problems().limit(at, "bounds of a number that is not whole");
  return both == nullptr ? program_.nothing() : program_.lexeme({both});
}

// Any JSON value that nests at most `levels` deep.
NodeId SchemaCompiler::anything(int levels) {
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

}  // namespace grammar

Result<std::shared_ptr<const Grammar>> Grammar::from_schema(const Json& schema, SchemaOptions options) {
  using namespace grammar;
  const auto text = print_json(schema);
  if (text.size() > kSchemaBytesMax) {
    return fail(Code::kExhausted,
                fmt::format("a schema of {} bytes is over the limit of {}", text.size(), kSchemaBytesMax));
  }
  const auto local = with_local_references(schema, text);
  SchemaCompiler compiler(local ? *local : schema, options);
  const auto root = compiler.whole(text);
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
  const auto text = print_json(schema);
  if (text.size() > kSchemaBytesMax) {
    return {fmt::format("/: the schema has {} bytes, more than {}", text.size(), kSchemaBytesMax)};
  }
  const auto local = with_local_references(schema, text);
  SchemaCompiler compiler(local ? *local : schema, options);
  compiler.whole(text);
  auto lines = compiler.problems().unsupported;
  if (!compiler.problems().exhausted.empty()) lines.push_back(compiler.problems().exhausted);
  return lines;
}

}  // namespace tsukai::infer
