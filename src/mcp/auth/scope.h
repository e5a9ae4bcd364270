// Which scopes to ask for. Pure.
#pragma once

#include <string>
#include <vector>

namespace tsukai::mcp {

// Scopes as they stand in requests: separated by one space, each once, in the order of first mention.
std::string scope_union(const std::string& a, const std::string& b);
// Whether all of `part` is in `whole`.
bool scope_within(const std::string& part, const std::string& whole);

struct ScopeChoice {
  std::string challenged;              // By WWW-Authenticate; wins.
  std::string configured;              // By the user; wins over what the resource supports.
  std::vector<std::string> supported;  // By the resource; all of them, when nothing was challenged.
  std::string held;                    // Asked for before: a step up must not lose it.
  bool offline_access = false;         // The authorization server gives refresh tokens for this scope.
};
// Empty: leave the parameter out (MCP authorization, "Scope Selection Strategy").
std::string choose_scope(const ScopeChoice& choice);

}  // namespace tsukai::mcp
