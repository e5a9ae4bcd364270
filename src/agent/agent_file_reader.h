// Reading one mapping of an agent file key by key: each getter notes a wrong type with its place, done()
// notes what no getter asked for.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/agent_file_yaml.h"

namespace tsukai::agent {

// Numbers are checked against [low, high].
struct IntegerRange {
  std::int64_t low, high;
};
struct RealRange {
  double low, high;
};

class MappingReader {
 public:
  // `what` names the mapping in messages ("budget"); "" for the file itself. Anything but a mapping is a
  // mistake.
  MappingReader(const YamlNode& node, std::string what, Mistakes& mistakes);

  // The value of a key; nullptr when absent.
  const YamlNode* get(std::string_view key);
  Place key_place(std::string_view key) const;

  std::optional<std::string> string(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, IntegerRange range);
  std::optional<double> real(std::string_view key, RealRange range);
  // The index in `choices`.
  std::optional<std::size_t> choice(std::string_view key, const std::vector<std::string>& choices);
  // A list of texts, each with its place.
  std::vector<std::pair<std::string, Place>> strings(std::string_view key);
  // A mapping under `key`: calls `read` with it when present.
  void mapping(std::string_view key, const std::function<void(MappingReader&)>& read);

  // A known key that this build can't honour.
  void refuse(std::string_view key, std::string_view why);

  void mistake(Place place, std::string_view text) { mistakes_.add(place, text); }
  Mistakes& mistakes() { return mistakes_; }
  const YamlNode& node() const { return node_; }

  // Notes every key that was never asked for, with the nearest that was.
  void done();

 private:
  std::string named(std::string_view key) const;
  void wrong_type(std::string_view key, const YamlNode& value, std::string_view wanted);

  const YamlNode& node_;
  std::string what_;
  Mistakes& mistakes_;
  std::vector<std::string> asked_, refused_;
};

// `path` against the folder of the agent file.
std::string beside(const std::string& file, const std::string& path);

}  // namespace tsukai::agent
