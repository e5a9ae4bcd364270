// Which calls a run may make. Rules are tried in order, the first whose glob matches `server.tool` and whose
// condition holds decides;
// where none matches, the call is allowed: end the list with `deny: "*"` to turn that round.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/agent_file.h"

namespace tsukai::agent {

struct Verdict {
  PolicyRule::Action action = PolicyRule::Action::kAllow;
  std::string rule;  // "deny: shop.refund (line 14)"; empty when no rule matched.
};

std::string_view name(PolicyRule::Action action);  // "allow", "ask", "deny"

// A condition that can't be evaluated takes the careful side: an `allow` rule does not match, the others do.
Verdict judge(const std::vector<PolicyRule>& policy, std::string_view qualified, const Json& arguments);

// The same under the rules of those that started the run as well: the strictest verdict of all. A server that
// goes by another name there is judged by each of its names.
Verdict judge_all(const std::vector<PolicyRule>& policy, const std::vector<InheritedPolicy>& inherited,
                  const std::string& server, const std::string& tool, const Json& arguments);

// A rule that no tool of `qualified` (all tools of all connected servers) matches is a slip of the pen that
// would silently leave a tool reachable: kInvalidArgument naming rule, line and nearest tool. Rules that may
// speak of one of the `missing_servers` (which failed to start) are let through.
Result<void> check_rules(const std::vector<PolicyRule>& policy, const std::vector<std::string>& qualified,
                         const std::vector<std::string>& missing_servers, const std::string& path);

}  // namespace tsukai::agent
