#include "agent/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/tool_names.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

std::string describe(const PolicyRule& rule) {
  auto text = fmt::format("{}: {}", name(rule.action), rule.pattern);
  if (!rule.when.always()) text += ", when " + rule.when.text();
  return rule.line > 0 ? fmt::format("{} (line {})", text, rule.line) : text;
}

// Whether `rule` could match a tool of `server`, whatever the tool is called.
bool may_concern(const PolicyRule& rule, const std::string& server) {
  const auto dot = rule.pattern.find('.');
  if (dot == std::string::npos) return rule.pattern.find('*') != std::string::npos;
  return glob_matches(std::string_view(rule.pattern).substr(0, dot), server);
}

}  // namespace

std::string_view name(PolicyRule::Action action) {
  switch (action) {
    case PolicyRule::Action::kAllow:
      return "allow";
    case PolicyRule::Action::kAsk:
      return "ask";
    case PolicyRule::Action::kDeny:
      return "deny";
  }
  return "deny";
}

Verdict judge(const std::vector<PolicyRule>& policy, std::string_view qualified, const Json& arguments) {
  for (const auto& rule : policy) {
    if (!glob_matches(rule.pattern, qualified)) continue;
    const auto holds = rule.when.holds(arguments);
    if (holds.value_or(rule.action != PolicyRule::Action::kAllow)) return {rule.action, describe(rule)};
  }
  return {};
}

Verdict judge_all(const std::vector<PolicyRule>& policy, const std::vector<InheritedPolicy>& inherited,
                  const std::string& server, const std::string& tool, const Json& arguments) {
  auto strictest = judge(policy, qualified_name(server, tool), arguments);
  const auto also = [&](const InheritedPolicy& above, const std::string& name) {
    auto verdict = judge(above.rules, qualified_name(name, tool), arguments);
    if (verdict.action <= strictest.action) return;
    verdict.rule = "of the agent that started this one, " + verdict.rule;
    strictest = std::move(verdict);
  };
  for (const auto& above : inherited) {
    also(above, server);
    if (const auto names = above.servers.find(server); names != above.servers.end()) {
      for (const auto& name : names->second) also(above, name);
    }
  }
  return strictest;
}

Result<void> check_rules(const std::vector<PolicyRule>& policy, const std::vector<std::string>& qualified,
                         const std::vector<std::string>& missing_servers, const std::string& path) {
  for (const auto& rule : policy) {
    const bool known = std::any_of(qualified.begin(), qualified.end(),
                                   [&](const auto& tool) { return glob_matches(rule.pattern, tool); });
    const bool excused = std::any_of(missing_servers.begin(), missing_servers.end(),
                                     [&](const auto& server) { return may_concern(rule, server); });
    if (known || excused || rule.pattern == "*") continue;
    const auto nearest = nearest_name(rule.pattern, qualified);
    const auto place = path.empty() ? std::string("policy") : fmt::format("{}:{}", path, rule.line);
    return fail(Code::kInvalidArgument,
                fmt::format("{}: the rule \"{}: {}\" names no tool of the connected servers", place,
                            name(rule.action), rule.pattern),
                nearest.empty() ? "see `tsukai mcp tools` for their names"
                                : fmt::format("did you mean {}?", nearest));
  }
  return {};
}

}  // namespace tsukai::agent
