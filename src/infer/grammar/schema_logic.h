// Reasoning about JSON Schemas as values: references, conjunction, disjointness.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/json.h"

namespace tsukai::infer::grammar {

constexpr int kSchemaDepthMax = 64;
constexpr std::size_t kBranchesMax = 256;
// Schemas made by merging others, all together.
constexpr std::size_t kMergesMax = 4'000;

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
  // The same schema without $ref and allOf on its top level.
  Json flatten(const Json& schema, const std::string& at, int depth = 0);
  // What both allow. Neither may hold $ref or allOf on its top level.
  Json merge(const Json& a, const Json& b, const std::string& at);
  // Proven: no value satisfies both.
  bool disjoint(const Json& a, const Json& b, const std::string& at, int depth = 0);
  // `value` satisfies `schema` (which may refer to the root's definitions).
  bool satisfies(const Json& value, const Json& schema, const std::string& at);
  // A place for schemas made on the way; they stay where they are.
  const Json& keep(Json schema);

  // The JSON types that a flat schema leaves open: "null", "boolean", "object", "array", "number", "integer",
  // "string".
  std::vector<std::string> types(const Json& schema, const std::string& at);

 private:
  const Json& root_;
  std::deque<JsonValue> kept_;
  std::size_t merges_ = 0;
};

// Keywords that do not constrain values.
bool is_annotation(std::string_view keyword);

}  // namespace tsukai::infer::grammar
