#include "mcp/auth/scope.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"

namespace tsukai::mcp {
namespace {

std::vector<std::string> words(const std::string& scope) {
  std::vector<std::string> out;
  for (auto& word : split(scope, ' ')) {
    if (!word.empty() && std::find(out.begin(), out.end(), word) == out.end()) out.push_back(std::move(word));
  }
  return out;
}

}  // namespace

std::string scope_union(const std::string& a, const std::string& b) {
  return fmt::format("{}", fmt::join(words(a + " " + b), " "));
}

bool scope_within(const std::string& part, const std::string& whole) {
  const auto have = words(whole);
  const auto need = words(part);
  return std::all_of(need.begin(), need.end(), [&](const std::string& one) {
    return std::find(have.begin(), have.end(), one) != have.end();
  });
}

std::string choose_scope(const ScopeChoice& choice) {
  std::string chosen = choice.challenged;
  if (chosen.empty()) chosen = choice.configured;
  if (chosen.empty()) chosen = fmt::format("{}", fmt::join(choice.supported, " "));
  chosen = scope_union(choice.held, chosen);
  if (!chosen.empty() && choice.offline_access) chosen = scope_union(chosen, "offline_access");
  return chosen;
}

}  // namespace tsukai::mcp
