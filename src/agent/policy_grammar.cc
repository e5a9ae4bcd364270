#include "agent/policy_grammar.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/condition_parser.h"
#include "agent/tool_names.h"
#include "base/json_schema.h"

namespace tsukai::agent {
namespace {

using Node = Condition::Node;
using Op = Node::Op;

// More constants than this are no choice that a grammar should hold.
constexpr std::size_t kConstantsMax = 256;

// What values one argument may have. All of it must hold.
struct Domain {
  std::optional<std::vector<Json>> only;  // null among them: it may be absent.
  std::vector<Json> never;
  std::optional<Json> low, high;      // Numbers.
  bool above = false, below = false;  // The bounds themselves are out.
};
// Of several arguments; those that are not there may have any value.
using Domains = std::map<std::string, Domain>;

bool holds(const std::vector<Json>& list, const Json& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

Domain both(Domain a, const Domain& b) {
  if (!a.only) {
    a.only = b.only;
  } else if (b.only) {
    std::erase_if(*a.only, [&](const Json& value) { return !holds(*b.only, value); });
  }
  a.never.insert(a.never.end(), b.never.begin(), b.never.end());
  if (b.low && (!a.low || *b.low > *a.low || (*b.low == *a.low && b.above))) {
    a.low = b.low;
    a.above = b.above;
  }
  if (b.high && (!a.high || *b.high < *a.high || (*b.high == *a.high && b.below))) {
    a.high = b.high;
    a.below = b.below;
  }
  return a;
}

// No less than either; nothing where the two can't be said together.
std::optional<Domain> either(const Domain& a, const Domain& b) {
  Domain out;
  if (a.only && b.only) {
    out.only = a.only;
    for (const auto& value : *b.only) {
      if (!holds(*out.only, value)) out.only->push_back(value);
    }
    if (out.only->size() <= kConstantsMax) return out;
    out.only.reset();
  }
  if (a.only || b.only) return std::nullopt;
  for (const auto& value : a.never) {
    if (holds(b.never, value)) out.never.push_back(value);
  }
  if (a.low && b.low) {
    const bool lower_a = *a.low < *b.low || (*a.low == *b.low && !a.above);
    out.low = lower_a ? a.low : b.low;
    out.above = lower_a ? a.above : b.above;
  }
  if (a.high && b.high) {
    const bool higher_a = *a.high > *b.high || (*a.high == *b.high && !a.below);
    out.high = higher_a ? a.high : b.high;
    out.below = higher_a ? a.below : b.below;
  }
  if (out.never.empty() && !out.low && !out.high) return std::nullopt;
  return out;
}

Domains both(Domains a, const Domains& b) {
  for (const auto& [name, domain] : b) {
    const auto found = a.find(name);
    if (found == a.end())
      a.emplace(name, domain);
    else
      found->second = both(found->second, domain);
  }
  return a;
}

Domains either(const Domains& a, const Domains& b) {
  Domains out;
  for (const auto& [name, domain] : a) {
    const auto found = b.find(name);
    if (found == b.end()) continue;
    if (auto joined = either(domain, found->second)) out.emplace(name, *std::move(joined));
  }
  return out;
}

std::string argument_of(const Node& node) {
  return node.op == Op::kPath && node.path.size() == 1 && node.path.front().index < 0 ? node.path.front().name
                                                                                      : std::string();
}

std::optional<std::vector<Json>> constants_of(const Node& node) {
  std::vector<Json> out;
  if (node.op == Op::kConstant && node.constant.is_array()) {
    out.assign(node.constant.begin(), node.constant.end());
  } else if (node.op == Op::kList) {
    for (const auto& child : node.children) {
      if (child->op != Op::kConstant) return std::nullopt;
      out.push_back(child->constant);
    }
  } else {
    return std::nullopt;
  }
  if (out.size() > kConstantsMax) return std::nullopt;
  return out;
}

Domains one(const std::string& name, Domain domain) {
  Domains out;
  if (!name.empty()) out.emplace(name, std::move(domain));
  return out;
}

Domains among(const std::string& name, std::vector<Json> values, bool wanted) {
  Domain domain;
  if (wanted)
    domain.only = std::move(values);
  else
    domain.never = std::move(values);
  return one(name, std::move(domain));
}

Op turned_round(Op op) {
  switch (op) {
    case Op::kLess:
      return Op::kGreater;
    case Op::kLessEqual:
      return Op::kGreaterEqual;
    case Op::kGreater:
      return Op::kLess;
    case Op::kGreaterEqual:
      return Op::kLessEqual;
    default:
      return op;
  }
}

Domains bounded_by(const std::string& name, Op op, const Json& number, bool wanted) {
  if (!number.is_number()) return {};
  Domain domain;
  const bool less = op == Op::kLess || op == Op::kLessEqual;
  const bool strict = op == Op::kLess || op == Op::kGreater;
  if (less == wanted) {
    domain.high = number;
    domain.below = strict == wanted;
  } else {
    domain.low = number;
    domain.above = strict == wanted;
  }
  return one(name, std::move(domain));
}

// What must be so of the arguments wherever the condition, evaluated without error, is `wanted`.
Domains implied(const Node& node, bool wanted) {
  switch (node.op) {
    case Op::kNot:
      return implied(*node.children[0], !wanted);
    case Op::kAnd:
    case Op::kOr: {
      auto left = implied(*node.children[0], wanted), right = implied(*node.children[1], wanted);
      return (node.op == Op::kAnd) == wanted ? both(std::move(left), right) : either(left, right);
    }
    case Op::kPath:
      return among(argument_of(node), {Json(wanted)}, true);
    case Op::kIn:
      if (auto values = constants_of(*node.children[1]))
        return among(argument_of(*node.children[0]), *std::move(values), wanted);
      return {};
    case Op::kEqual:
    case Op::kNotEqual:
    case Op::kLess:
    case Op::kLessEqual:
    case Op::kGreater:
    case Op::kGreaterEqual: {
      const bool swapped = node.children[0]->op == Op::kConstant;
      const auto& path = *node.children[swapped ? 1 : 0];
      const auto& constant = *node.children[swapped ? 0 : 1];
      if (constant.op != Op::kConstant) return {};
      if (node.op == Op::kEqual || node.op == Op::kNotEqual)
        return among(argument_of(path), {constant.constant}, wanted == (node.op == Op::kEqual));
      return bounded_by(argument_of(path), swapped ? turned_round(node.op) : node.op, constant.constant,
                        wanted);
    }
    default:
      return {};
  }
}

// Whether evaluating it can fail: then an `ask` rule holds where its condition does not.
bool may_fail(const Node& node) {
  switch (node.op) {
    case Op::kConstant:
      return !node.constant.is_boolean();
    case Op::kEqual:
    case Op::kNotEqual:
    case Op::kExists:
      return false;
    case Op::kIn:
      return !constants_of(*node.children[1]);
    case Op::kAnd:
    case Op::kOr:
    case Op::kNot:
      return std::any_of(node.children.begin(), node.children.end(),
                         [](const auto& child) { return may_fail(*child); });
    default:
      return true;
  }
}

// What the rules leave; nothing: no call is allowed at all.
std::optional<Domains> left_by(const std::vector<PolicyRule>& rules, const std::string& qualified) {
  std::optional<Domains> all;  // Of the ways to a verdict other than deny that were seen so far.
  const auto add = [&](Domains way) { all = all ? either(*all, way) : std::move(way); };
  Domains so_far;  // What the deny rules before leave.
  for (const auto& rule : rules) {
    if (!glob_matches(rule.pattern, qualified)) continue;
    const auto* when = rule.when.root();
    if (rule.action == PolicyRule::Action::kDeny) {
      if (when == nullptr) return all;
      so_far = both(std::move(so_far), implied(*when, false));
      continue;
    }
    const bool exact = when != nullptr && (rule.action == PolicyRule::Action::kAllow || !may_fail(*when));
    add(exact ? both(so_far, implied(*when, true)) : so_far);
    if (when == nullptr) return all;
  }
  add(so_far);
  return all;
}

bool plain(const Json& property) {
  for (const auto* key : {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "const"}) {
    if (find(property, key) != nullptr) return false;
  }
  return property.is_object();
}

std::vector<Json> choices_of(const Json& property) {
  if (const auto* list = find(property, "enum"); list != nullptr && list->is_array())
    return {list->begin(), list->end()};
  if (string_at(property, "type") == "boolean") return {false, true};
  return {};
}

bool required(const Json& schema, const std::string& name) {
  const auto* list = find(schema, "required");
  return list != nullptr && list->is_array() && std::find(list->begin(), list->end(), name) != list->end();
}

enum class Change { kNone, kNarrowed, kNothingLeft };

Change to_choices(Json& schema, const std::string& name, Json& property, const std::vector<Json>& values,
                  bool may_be_absent) {
  auto compiled = JsonSchema::compile(property);
  if (!compiled) return Change::kNone;
  Json kept = Json::array();
  for (const auto& value : values) {
    if (compiled->check(value).empty()) kept.push_back(value);
  }
  if (kept.empty()) {
    if (!may_be_absent || required(schema, name)) return Change::kNothingLeft;
    schema["properties"].erase(name);
    return Change::kNarrowed;
  }
  Json narrow = {{"enum", kept}};
  if (const auto* description = find(property, "description")) narrow["description"] = *description;
  property = std::move(narrow);
  if (!may_be_absent && !required(schema, name)) schema["required"].push_back(name);
  return Change::kNarrowed;
}

Change narrow(Json& schema, const std::string& name, const Domain& domain) {
  const auto* properties = find(schema, "properties");
  if (properties == nullptr || !properties->contains(name)) return Change::kNone;
  Json& property = schema["properties"][name];
  if (!plain(property)) return Change::kNone;
  auto values = domain.only ? *domain.only : choices_of(property);
  if (!values.empty() || domain.only) {
    // Absent is null in a condition; it stays possible where null is not kept out.
    const bool may_be_absent = domain.only ? holds(values, Json()) && !holds(domain.never, Json())
                                           : !holds(domain.never, Json()) && !domain.low && !domain.high;
    const auto count = values.size();
    std::erase_if(values, [&](const Json& value) {
      if (holds(domain.never, value)) return true;
      if (!domain.low && !domain.high) return false;
      if (!value.is_number()) return true;
      return (domain.low && (domain.above ? value <= *domain.low : value < *domain.low)) ||
             (domain.high && (domain.below ? value >= *domain.high : value > *domain.high));
    });
    if (!domain.only && values.size() == count && (may_be_absent || required(schema, name)))
      return Change::kNone;
    return to_choices(schema, name, property, values, may_be_absent);
  }
  const auto type = string_at(property, "type");
  if ((!domain.low && !domain.high) || (type != "integer" && type != "number")) return Change::kNone;
  if (domain.low) {
    const auto* key = domain.above ? "exclusiveMinimum" : "minimum";
    const auto* had = find(property, key);
    if (had == nullptr || (had->is_number() && *had < *domain.low)) property[key] = *domain.low;
  }
  if (domain.high) {
    const auto* key = domain.below ? "exclusiveMaximum" : "maximum";
    const auto* had = find(property, key);
    if (had == nullptr || (had->is_number() && *had > *domain.high)) property[key] = *domain.high;
  }
  if (!required(schema, name)) schema["required"].push_back(name);
  return Change::kNarrowed;
}

}  // namespace

JsonValue narrowed_schema(const Json& schema, const std::vector<PolicyRule>& policy,
                          const std::vector<InheritedPolicy>& inherited, const std::string& server,
                          const std::string& tool) {
  std::vector<std::optional<Domains>> layers = {left_by(policy, qualified_name(server, tool))};
  for (const auto& above : inherited) {
    layers.push_back(left_by(above.rules, qualified_name(server, tool)));
    if (const auto names = above.servers.find(server); names != above.servers.end()) {
      for (const auto& name : names->second)
        layers.push_back(left_by(above.rules, qualified_name(name, tool)));
    }
  }
  Domains allowed;
  for (auto& layer : layers) {
    if (!layer) return Json(false);
    allowed = both(std::move(allowed), *layer);
  }
  Json out = schema;
  bool changed = false;
  for (const auto& [name, domain] : allowed) {
    const auto change = narrow(out, name, domain);
    if (change == Change::kNothingLeft) return Json(false);
    changed = changed || change == Change::kNarrowed;
  }
  return changed ? JsonValue(std::move(out)) : JsonValue();
}

}  // namespace tsukai::agent
