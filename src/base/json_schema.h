// Checking JSON values against JSON Schemas, and saying in plain words what is wrong.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace tsukai {

// A compiled schema (draft-07 keywords through valijson, plus 2020-12's $defs and prefixItems rewritten to
// them). Compiling costs about a millisecond: do it once, off the io thread. Immutable, cheap to copy.
class JsonSchema {
 public:
  // kInvalidArgument when the schema itself is malformed. No network or file $ref is ever followed.
  static Result<JsonSchema> compile(const Json& schema);

  // What is wrong with `value`: one line each ("/amount: must be at least 1"); empty when it is valid.
  // At most `errors_max` lines.
  std::vector<std::string> check(const Json& value, std::size_t errors_max = 8) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace tsukai
