// JSON Schema to Program: one method for each kind of value.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "infer/grammar/lexemes.h"
#include "infer/grammar/program.h"
#include "infer/grammar/schema_logic.h"

namespace tsukai::infer::grammar {

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
// patternProperties of one object: every set of them that a name may match is a language of its own.
constexpr std::size_t kNamePatternsMax = 8;
constexpr std::size_t kNameKindsMax = 32;  // Such sets, of one object.
// Values of an enum whose items must be unique.
constexpr std::size_t kDistinctMax = 8;
// Items that `contains` may ask for.
constexpr std::uint32_t kContainsMax = 16;

// Writes the nodes of one schema. What it can't honour is in problems(); the program is then of no use.
class SchemaCompiler {
 public:
  // `root` is where references lead and must outlive the compiler.
  SchemaCompiler(const Json& root, Grammar::SchemaOptions options) : logic_(root), options_(options) {}

  Problems& problems() { return logic_.problems; }
  Program& program() { return program_; }
  // The root. `text` is the schema as it came.
  NodeId whole(std::string_view text);

 private:
  // Names of members that a schema doesn't spell out, and the value that goes with them.
  struct FreeNames {
    std::shared_ptr<const Dfa> names;
    NodeId content;
  };

  NodeId value(const Json& schema, const std::string& at, int depth = 0);
  NodeId constrained(const Json& schema, const std::string& at, int depth);
  NodeId branches(const Json& schema, const char* key, const std::string& at, int depth);
  bool only_one(std::vector<const Json*>& branches, const std::string& at);
  NodeId values(const Json& schema, const std::string& at);
  std::uint32_t count(const Json& schema, const char* key, std::uint32_t otherwise, std::uint32_t most,
                      const std::string& at);
  NodeId string(const Json& schema, const std::string& at);
  std::shared_ptr<const Dfa> language(const Json& schema, const std::string& at, int depth = 0);
  std::shared_ptr<const Dfa> pattern_language(const Json& pattern, const std::string& at);
  std::shared_ptr<const Dfa> format_language(const Json& format, const std::string& at);
  NodeId number(const Json& schema, const std::string& at, bool integer);
  NodeId boolean() { return program_.choice({program_.literal("false"), program_.literal("true")}); }
  NodeId list(NodeId item, std::uint32_t min, std::uint32_t max) {
    return program_.repeat(item, program_.sequence({program_.literal(","), item}), min, max);
  }
  NodeId key();
  NodeId members(NodeId value, std::uint32_t min = 0, std::uint32_t max = kMembersMax);
  NodeId anything(int levels);
  NodeId array(const Json& schema, const std::string& at, int depth);
  std::optional<NodeId> distinct_items(const Json& items, std::uint32_t min, std::uint32_t max,
                                       const std::string& at, int depth);
  NodeId array_containing(const Json& schema, const Json& items, const Json& prefix, std::uint32_t min,
                          std::uint32_t max, const std::string& at, int depth);
  NodeId object(const Json& schema, const std::string& at, int depth);
  std::vector<FreeNames> free_names(const Json& schema, const std::set<std::string>& names, bool open,
                                    const std::string& at, int depth);

  SchemaLogic logic_;
  Grammar::SchemaOptions options_;
  Program program_;
  std::unordered_map<const Json*, NodeId> done_;
  NodeId key_ = kNoNode, free_string_ = kNoNode, free_number_ = kNoNode;
  std::vector<NodeId> anything_ = std::vector<NodeId>(kFreeDepthMax + 1, kNoNode);
};

}  // namespace tsukai::infer::grammar
