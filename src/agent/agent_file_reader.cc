#include "agent/agent_file_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::agent {

MappingReader::MappingReader(const YamlNode& node, std::string what, Mistakes& mistakes)
    : node_(node), what_(std::move(what)), mistakes_(mistakes) {
  if (node.kind != YamlNode::Kind::kMapping) {
    const std::string subject = what_.empty() ? "an agent file" : fmt::format("\"{}\"", what_);
    mistakes_.add(node.place,
                  fmt::format("{} must be a mapping (key: value), not {}", subject, kind_of(node)));
  }
}

const YamlNode* MappingReader::get(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.emplace_back(key);
  for (const auto& [name, value] : node_.members) {
    if (name.scalar == key) return &value;
  }
  return nullptr;
}

Place MappingReader::key_place(std::string_view key) const {
  for (const auto& [name, value] : node_.members) {
    if (name.scalar == key) return name.place;
  }
  return node_.place;
}

std::string MappingReader::named(std::string_view key) const {
  return what_.empty() ? std::string(key) : fmt::format("{}.{}", what_, key);
}

void MappingReader::wrong_type(std::string_view key, const YamlNode& value, std::string_view wanted) {
  mistakes_.add(value.place, fmt::format("\"{}\" must be {}, not {}", named(key), wanted, kind_of(value)));
}

std::optional<std::string> MappingReader::string(std::string_view key) {
  const YamlNode* value = get(key);
  if (value == nullptr) return std::nullopt;
  Mistakes unused("");
  const Json json = to_json(*value, unused);
  if (!json.is_string()) {
    wrong_type(key, *value, value->kind == YamlNode::Kind::kScalar ? "text (put it in quotes)" : "text");
    return std::nullopt;
  }
  return json.get<std::string>();
}

std::optional<std::int64_t> MappingReader::integer(std::string_view key, IntegerRange range) {
  const YamlNode* value = get(key);
  if (value == nullptr) return std::nullopt;
  Mistakes unused("");
  const Json json = to_json(*value, unused);
  if (!json.is_number_integer()) {
    wrong_type(key, *value, "a whole number");
    return std::nullopt;
  }
  const bool too_large =
      json.is_number_unsigned() && json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  const std::int64_t number = too_large ? INT64_MAX : json.get<std::int64_t>();
  if (too_large || number < range.low || number > range.high) {
    mistakes_.add(value->place, fmt::format("\"{}\" must be from {} to {}, not {}", named(key), range.low,
                                            range.high, json.dump()));
    return std::nullopt;
  }
  return number;
}

std::optional<double> MappingReader::real(std::string_view key, RealRange range) {
  const YamlNode* value = get(key);
  if (value == nullptr) return std::nullopt;
  Mistakes unused("");
  const Json json = to_json(*value, unused);
  if (!json.is_number()) {
    wrong_type(key, *value, "a number");
    return std::nullopt;
  }
  const auto number = json.get<double>();
  if (!(number >= range.low && number <= range.high)) {
    mistakes_.add(value->place, fmt::format("\"{}\" must be from {} to {}, not {}", named(key), range.low,
                                            range.high, json.dump()));
    return std::nullopt;
  }
  return number;
}

std::optional<std::size_t> MappingReader::choice(std::string_view key,
                                                 const std::vector<std::string>& choices) {
  const YamlNode* value = get(key);
  if (value == nullptr) return std::nullopt;
  const auto found = std::find(choices.begin(), choices.end(), value->scalar);
  if (value->kind == YamlNode::Kind::kScalar && found != choices.end()) {
    return static_cast<std::size_t>(found - choices.begin());
  }
  if (value->kind != YamlNode::Kind::kScalar) {
    wrong_type(key, *value, fmt::format("one of {}", fmt::join(choices, ", ")));
    return std::nullopt;
  }
  const std::string nearest = nearest_name(value->scalar, choices);
  mistakes_.add(
      value->place,
      fmt::format("\"{}\" must be one of {}, not \"{}\"{}", named(key), fmt::join(choices, ", "),
                  value->scalar, nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
  return std::nullopt;
}

std::vector<std::pair<std::string, Place>> MappingReader::strings(std::string_view key) {
  std::vector<std::pair<std::string, Place>> texts;
  const YamlNode* value = get(key);
  if (value == nullptr) return texts;
  if (value->kind != YamlNode::Kind::kSequence) {
    wrong_type(key, *value, "a list");
    return texts;
  }
  for (const auto& item : value->items) {
    if (item.kind == YamlNode::Kind::kScalar)
      texts.emplace_back(item.scalar, item.place);
    else
      mistakes_.add(item.place,
                    fmt::format("\"{}\" must be a list of texts; this is {}", named(key), kind_of(item)));
  }
  return texts;
}

void MappingReader::mapping(std::string_view key, const std::function<void(MappingReader&)>& read) {
  const YamlNode* value = get(key);
  if (value == nullptr) return;
  MappingReader inner(*value, named(key), mistakes_);
  if (value->kind != YamlNode::Kind::kMapping) return;
  read(inner);
  inner.done();
}

void MappingReader::refuse(std::string_view key, std::string_view why) {
  if (get(key) != nullptr) mistakes_.add(key_place(key), why);
  asked_.pop_back();  // Not to be proposed as the nearest of something else.
  refused_.emplace_back(key);
}

void MappingReader::done() {
  for (const auto& [key, value] : node_.members) {
    if (std::find(asked_.begin(), asked_.end(), key.scalar) != asked_.end()) continue;
    if (std::find(refused_.begin(), refused_.end(), key.scalar) != refused_.end()) continue;
    const std::string nearest = nearest_name(key.scalar, asked_);
    mistakes_.add(key.place,
                  nearest.empty()
                      ? fmt::format("unknown key \"{}\"; the keys of {} are {}", key.scalar,
                                    what_.empty() ? "an agent file" : fmt::format("\"{}\"", what_),
                                    fmt::join(asked_, ", "))
                      : fmt::format("unknown key \"{}\"; did you mean \"{}\"?", key.scalar, nearest));
  }
}

std::string beside(const std::string& file, const std::string& path) {
  const std::filesystem::path given(path);
  if (given.is_absolute() || path.empty()) return path;
  return (std::filesystem::path(file).parent_path() / given).lexically_normal().string();
}

}  // namespace tsukai::agent
