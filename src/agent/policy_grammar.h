// What of a policy a grammar can hold a model to: a forbidden argument then can't be generated at all.
// Everything is still judged at dispatch (policy.h); this only keeps a local model from asking in vain.
//
// Compiled are comparisons of one top-level argument with constants, joined by and, or, not:
//   ==, !=, in a list of constants   where the argument has an enum or is true or false, or where a rule
//   leaves only
//                                    certain values
//   <, <=, >, >= with a number       as bounds of a number
//   a rule without a condition       the tool as a whole
// Not compiled: nested arguments (a.b), two arguments compared with each other, matches, len, exists, `in` a
// text, and values kept out of a free text or number (`!= 'x'` there would need a grammar of all other
// texts).
#pragma once

#include <string>
#include <vector>

#include "agent/policy.h"
#include "base/json.h"

namespace tsukai::agent {

// The schema of the arguments that the rules may allow or ask about: never less than that, where it can't be
// said exactly more. Null: nothing is narrowed. `false`: no call is allowed.
JsonValue narrowed_schema(const Json& schema, const std::vector<PolicyRule>& policy,
                          const std::vector<InheritedPolicy>& inherited, const std::string& server,
                          const std::string& tool);

}  // namespace tsukai::agent
