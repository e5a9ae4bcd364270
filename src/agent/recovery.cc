#include "agent/recovery.h"

#include "base/hash.h"

namespace tsukai::agent {

Recovery recovery_of(const CallProgress& call, const BoundTool& tool, bool trusted) {
  if (call.stage == CallProgress::Stage::kPlanned || call.stage == CallProgress::Stage::kIntended) {
    return Recovery::kDispatch;
  }
  if (!call.task.empty()) return Recovery::kWait;
  if (!tool.key_argument.empty()) return Recovery::kRetry;
  const auto& hints = tool.tool.annotations;
  if (trusted && tool.tool.has_annotations && (hints.read_only || hints.idempotent)) return Recovery::kRetry;
  return Recovery::kUnknown;
}

std::string idempotency_key(const std::string& run, const std::string& step_key) {
  return sha256_hex(run + "\n" + step_key);
}

}  // namespace tsukai::agent
