#include "agent/agent_file_params.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kParamsMax = 64;
constexpr std::size_t kFilledBytesMax = 1u << 20;       // Of one text after filling in,
constexpr std::size_t kFilledBytesInAllMax = 4u << 20;  // and of all that were filled in.

bool name_letter(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}
bool good_name(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (!name_letter(name[i], i == 0)) return false;
  }
  return true;
}

std::string_view words_for(Parameter::Type type) {
  switch (type) {
    case Parameter::Type::kString:
      return "text";
    case Parameter::Type::kInteger:
      return "a whole number";
    case Parameter::Type::kNumber:
      return "a number";
    case Parameter::Type::kBoolean:
      return "true or false";
  }
  return "?";
}

bool fits(const Json& value, Parameter::Type type) {
  switch (type) {
    case Parameter::Type::kString:
      return value.is_string();
    case Parameter::Type::kInteger:
      return value.is_number_integer();
    case Parameter::Type::kNumber:
      return value.is_number();
    case Parameter::Type::kBoolean:
      return value.is_boolean();
  }
  return false;
}

// What was given on the command line as a value of the type; nothing when it is none.
std::optional<Json> typed(const std::string& text, Parameter::Type type) {
  if (type == Parameter::Type::kString) return Json(repaired_utf8(text));
  YamlNode scalar;
  scalar.kind = YamlNode::Kind::kScalar;
  scalar.plain = true;
  scalar.scalar = text;
  Mistakes unused("");
  Json value = to_json(scalar, unused);
  if (!fits(value, type)) return std::nullopt;
  return value;
}

class Filler {
 public:
  Filler(std::map<std::string, Json> values, std::vector<std::string> names, Mistakes& mistakes)
      : values_(std::move(values)), names_(std::move(names)), mistakes_(mistakes) {}

  void fill(YamlNode& node) {
    for (auto& item : node.items) fill(item);
    for (auto& [key, value] : node.members) fill(value);
    if (node.kind == YamlNode::Kind::kScalar) fill_text(node);
  }

 private:
  void fill_text(YamlNode& node) {
    const std::string text = node.scalar;
    std::string out;
    std::size_t from = 0;
    for (;;) {
      const auto open = text.find("{{", from);
      const auto close = open == std::string::npos ? open : text.find("}}", open);
      if (close == std::string::npos) break;
      const std::string name(trimmed(std::string_view(text).substr(open + 2, close - open - 2)));
      if (!good_name(name)) {  // Something else in braces: left alone.
        out.append(text, from, open + 2 - from);
        from = open + 2;
        continue;
      }
      out.append(text, from, open - from);
      from = close + 2;
      const auto value = values_.find(name);
      if (value == values_.end()) {
        unknown(node.place, name);
        return;
      }
      if (open == 0 && from == text.size()) {
        if (room_for(node.place,
                     value->second.is_string() ? value->second.get_ref<const std::string&>().size() : 0))
          put(node, value->second);
        return;
      }
      out += value->second.is_string() ? value->second.get<std::string>() : value->second.dump();
      if (out.size() > kFilledBytesMax) {
        mistakes_.add(node.place, fmt::format("the text has over {} bytes once its parameters are filled in",
                                              kFilledBytesMax));
        return;
      }
    }
    if (from == 0 || !room_for(node.place, out.size())) return;
    node.scalar = out + text.substr(from);
    node.plain = false;
  }

  // Told once: after it nothing more is filled in.
  bool room_for(Place place, std::size_t bytes) {
    if (filled_bytes_ > kFilledBytesInAllMax) return false;
    filled_bytes_ += bytes;
    if (filled_bytes_ <= kFilledBytesInAllMax) return true;
    mistakes_.add(place,
                  fmt::format("the file's texts have over {} bytes in all once its parameters are filled in",
                              kFilledBytesInAllMax));
    return false;
  }

  void put(YamlNode& node, const Json& value) {
    const Place place = node.place;
    node = from_json(value);
    node.place = place;
  }

  void unknown(Place place, const std::string& name) {
    const std::string nearest = nearest_name(name, names_);
    mistakes_.add(place, fmt::format("there is no parameter \"{}\"{}", name,
                                     nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
  }

  std::map<std::string, Json> values_;
  std::vector<std::string> names_;
  Mistakes& mistakes_;
  std::size_t filled_bytes_ = 0;
};

void read_param(MappingReader& params, const YamlNode& key, const YamlNode& value,
                std::vector<Parameter>& out) {
  Parameter parameter;
  parameter.name = key.scalar;
  if (!good_name(parameter.name)) {
    params.mistake(key.place,
                   fmt::format("a parameter's name is letters, digits and _, at most 64; \"{}\" is not",
                               shortened(parameter.name, 80)));
    return;
  }
  MappingReader map(value, "params." + parameter.name, params.mistakes());
  if (value.kind != YamlNode::Kind::kMapping) return;
  static constexpr Parameter::Type kTypes[] = {Parameter::Type::kString, Parameter::Type::kInteger,
                                               Parameter::Type::kNumber, Parameter::Type::kBoolean};
  if (const auto type = map.choice("type", {"string", "integer", "number", "boolean"}))
    parameter.type = kTypes[*type];
  parameter.description = map.string("description").value_or("");
  if (const YamlNode* node = map.get("enum")) {
    Json choices = to_json(*node, map.mistakes());
    const bool good = choices.is_array() && !choices.empty() &&
                      std::all_of(choices.begin(), choices.end(),
                                  [&](const Json& one) { return fits(one, parameter.type); });
    if (good)
      parameter.choices = choices;
    else
      map.mistake(node->place,
                  fmt::format("\"enum\" must be a list, each of its items {}", words_for(parameter.type)));
  }
  if (const YamlNode* node = map.get("default")) {
    Json otherwise = to_json(*node, map.mistakes());
    if (!fits(otherwise, parameter.type)) {
      map.mistake(node->place, fmt::format("the default of \"{}\" must be {}, not {}", parameter.name,
                                           words_for(parameter.type), kind_of(*node)));
    } else if (!parameter.choices.is_null() && std::find(parameter.choices->begin(), parameter.choices->end(),
                                                         otherwise) == parameter.choices->end()) {
      map.mistake(node->place, fmt::format("the default of \"{}\" is not in its enum", parameter.name));
    } else {
      parameter.otherwise = std::move(otherwise);
    }
  }
  map.done();
  out.push_back(std::move(parameter));
}

// What stands for the parameter when a file is only checked: something its type allows.
Json placeholder(const Parameter& parameter) {
  if (!parameter.choices.is_null()) return parameter.choices->front();
  switch (parameter.type) {
    case Parameter::Type::kString:
      return parameter.name;
    case Parameter::Type::kBoolean:
      return true;
    default:
      return 1;
  }
}

}  // namespace

std::vector<Parameter> read_params(MappingReader& top) {
  std::vector<Parameter> params;
  const YamlNode* node = top.get("params");
  if (node == nullptr) return params;
  MappingReader map(*node, "params", top.mistakes());
  if (node->members.size() > kParamsMax) {
    map.mistake(node->place, fmt::format("at most {} parameters", kParamsMax));
    return params;
  }
  for (const auto& [key, value] : node->members) read_param(map, key, value, params);
  return params;
}

void fill_params(YamlNode& root, const std::vector<Parameter>& params, const AgentFileOptions& options,
                 Mistakes& mistakes) {
  std::map<std::string, Json> values;
  std::vector<std::string> names;
  for (const auto& parameter : params) {
    names.push_back(parameter.name);
    values[parameter.name] = placeholder(parameter);  // So that one mistake is told once.
    const auto given = options.params.find(parameter.name);
    if (given == options.params.end()) {
      if (!parameter.otherwise.is_null())
        values[parameter.name] = *parameter.otherwise;
      else if (options.params_required)
        mistakes.add({}, fmt::format("the parameter \"{0}\" needs a value: -p {0}=…", parameter.name));
      continue;
    }
    auto value = typed(given->second, parameter.type);
    if (!value) {
      mistakes.add({}, fmt::format("the parameter \"{}\" must be {}, not \"{}\"", parameter.name,
                                   words_for(parameter.type), shortened(given->second, 80)));
    } else if (!parameter.choices.is_null() && std::find(parameter.choices->begin(), parameter.choices->end(),
                                                         *value) == parameter.choices->end()) {
      mistakes.add({}, fmt::format("the parameter \"{}\" must be one of {}, not {}", parameter.name,
                                   parameter.choices.print(), value->dump()));
    } else {
      values[parameter.name] = std::move(*value);
    }
  }
  for (const auto& [name, text] : options.params) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string nearest = nearest_name(name, names);
    mistakes.add({}, fmt::format("there is no parameter \"{}\"{}", name,
                                 nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
  }
  if (names.empty()) return;
  Filler filler(std::move(values), std::move(names), mistakes);
  for (auto& [key, value] : root.members) {
    if (key.scalar == "params") continue;
    if (key.scalar != "agents") {
      filler.fill(value);
      continue;
    }
    // An agent within the file has parameters of its own.
    for (auto& [name, entry] : value.members) {
      if (entry.kind == YamlNode::Kind::kScalar) filler.fill(entry);
      for (auto& [member, inner] : entry.members) {
        if (member.scalar != "agent") filler.fill(inner);
      }
    }
  }
}

}  // namespace tsukai::agent
