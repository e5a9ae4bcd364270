// Reasoning about JSON Schemas as values: references, conjunction, disjointness.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace tsukai::infer::grammar {

constexpr int kSchemaDepthMax = 64;
constexpr std::size_t kBranchesMax = 256;
// JSON values that merging subschemas may look at, all together, and the text of all schemas made so.
constexpr std::size_t kMergeWorkMax = 2'000'000;
constexpr std::size_t kMergedBytesMax = 16u << 20;

// Keywords of our own, which no schema from outside may hold: beside "type": "string", lists of schemas that
// a string must not satisfy, and must satisfy as well; beside "type": "number", that it is no whole number.
inline constexpr const char* kNot = "\x01not";
inline constexpr const char* kAlso =
    "\x01"
    "also";
inline constexpr const char* kFraction =
    "\x01"
    "fraction";

// What a compilation could not honour. Each line names a place and a keyword.
struct Problems {
  std::vector<std::string> unsupported;
  std::string exhausted;  // The first limit that was met.
  void add(const std::string& at, std::string what);
  void limit(const std::string& at, std::string_view what);
  bool any() const { return !unsupported.empty() || !exhausted.empty(); }
};

class SchemaLogic {
 public:
  explicit SchemaLogic(const Json& root) : root_(root) {}
  Problems problems;

  const Json& root() const { return root_; }
  // The schema that a "$ref" points to, or nullptr after a problem.
  const Json* resolve(const Json& reference, const std::string& at);
  // The same schema in fewer words, on its top level: without $ref, allOf, not, if, dependencies of members
  // and unevaluated*. What they say is then in the other keywords, in anyOf, and in kNot, kAlso and
  // kFraction.
  Json flatten(const Json& schema, const std::string& at, int depth = 0);
  // What both allow. Both must be flat.
  Json merge(const Json& a, const Json& b, const std::string& at);
  // Proven: no value satisfies both.
  bool disjoint(const Json& a, const Json& b, const std::string& at, int depth = 0);
  // What a schema does not allow, as a schema; nothing, and the keyword in `why`, when that can't be said.
  std::optional<Json> negation(const Json& schema, const std::string& at, std::string& why, int depth = 0);
  // Which of `values` satisfy `schema` (which may refer to the root's definitions).
  std::vector<bool> satisfying(const Json& values, const Json& schema, const std::string& at);
  // Until 2019 the siblings of a $ref meant nothing.
  bool ref_stands_alone() const;
  // An $id inside the schema changes what the references below it mean.
  bool foreign_base(const Json& schema) const;
  // A place for schemas made on the way; they stay where they are, equal ones in one place.
  const Json& keep(Json schema, const std::string& at);

  // The JSON types that a flat schema leaves open: "null", "boolean", "object", "array", "number", "integer",
  // "string".
  std::vector<std::string> types(const Json& schema, const std::string& at);

 private:
  const Json& root_;
  std::map<std::string, JsonValue> kept_;  // By their text.
  Json flatten_conditions(Json out, const Json& schema, const std::string& at, int depth);
  void apply_unevaluated(Json& out, const Json& schema, bool conditional, const std::string& at);
  // Counts what is about to be copied; false, and a problem, beyond kMergeWorkMax.
  bool afford(const Json& schema, const std::string& at);
  std::size_t work_ = 0, kept_bytes_ = 0;
  std::size_t conditions_ = 0;  // Keywords that flatten() turned into alternatives so far.
};

// Keywords that do not constrain values.
bool is_annotation(std::string_view keyword);
// Keywords that flatten() takes away.
bool is_flattened(std::string_view keyword);

}  // namespace tsukai::infer::grammar
