#include "agent/recovery.h"

#include <nlohmann/json.hpp>

#include "agent/records.h"
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

Result<void> check_same(const Json& started, const infer::ChatModel& model, const Toolbox& toolbox) {
  const auto* before = find(started, "model");
  const auto digest = before == nullptr ? std::string() : string_at(*before, "digest");
  if (digest != model.description().digest) {
    return fail(Code::kInvalidArgument, "the model is not the one the run began with: its weights differ",
                "put the old model file back, or start a new run");
  }
  const auto* tools = find(started, "tools");
  if (tools == nullptr || *tools != tools_record(toolbox.tools())) {
    return fail(Code::kInvalidArgument,
                "the tools are not those the run began with: a server is missing or has changed",
                "bring the old servers back (`tsukai runs show` has the definitions), or start a new run");
  }
  return {};
}

std::string idempotency_key(const std::string& run, const std::string& step_key) {
  return sha256_hex(run + "\n" + step_key);
}

}  // namespace tsukai::agent
