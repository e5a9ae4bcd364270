// YAML as the agent file needs it: a plain tree with places, under limits, and the list of what is wrong.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tsukai::agent {

constexpr std::size_t kAgentFileBytesMax = 256u << 10;
constexpr std::size_t kYamlNodesMax =
    20'000;  // After aliases are expanded: a "billion laughs" file ends here.
constexpr std::size_t kYamlTextBytesMax = 4 * kAgentFileBytesMax;  // Likewise: aliases of long texts.
constexpr int kYamlDepthMax = 32;
constexpr std::size_t kMistakesMax = 50;  // Told of one file.

// From 1, as editors count; 0: the file as a whole.
struct Place {
  int line = 0;
  int column = 0;
};

struct YamlMember;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping } kind = Kind::kNull;
  Place place;
  std::string scalar;
  bool plain = false;  // Unquoted and untagged: the text decides the type.
  std::vector<YamlNode> items;
  std::vector<YamlMember> members;  // In the order of the file; keys are scalars, each once.
};

struct YamlMember {
  YamlNode key, value;
};

// "FILE:LINE:COLUMN: text", a line each, in the order of the file.
class Mistakes {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}
  void add(Place place, std::string_view text);
  bool empty() const { return list_.empty(); }
  std::string text() const;

 private:
  std::string file_;
  std::vector<std::pair<Place, std::string>> list_;
};

// Nothing when the file is no YAML at all or beyond the limits; duplicate keys and the like are noted and
// passed over.
std::optional<YamlNode> parse_yaml(std::string_view yaml, Mistakes& mistakes);

// YAML 1.2 core types: null, true/false, integers (also 0o and 0x), floats; everything else, and whatever is
// quoted, is a string ("yes", "on" and 12:30 are strings). What JSON can't hold (.inf, .nan) is a mistake.
Json to_json(const YamlNode& node, Mistakes& mistakes);

// The tree of a JSON value, without places.
YamlNode from_json(const Json& value);

// "a list", "text", "a whole number" ...: for messages.
std::string kind_of(const YamlNode& node);

}  // namespace tsukai::agent
