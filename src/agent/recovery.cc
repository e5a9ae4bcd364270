#include "agent/recovery.h"

#include <algorithm>
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

Json known_from(const std::vector<Row>& rows) {
  Json known = *rows.front().payload;
  known["told_later"] = Json::array();
  for (const auto& row : rows) {
    if (row.kind != Kind::kSignal || string_at(*row.payload, "name") != kToolsSignal) continue;
    const auto* news = find(*row.payload, "payload");
    const auto* tools = news == nullptr ? nullptr : find(*news, "tools");
    if (tools != nullptr) known["told_later"].insert(known["told_later"].end(), tools->begin(), tools->end());
  }
  return known;
}

Result<void> check_same(const Json& known, const infer::ChatModel& model, Toolbox& toolbox) {
  const auto* before = find(known, "model");
  const auto digest = before == nullptr ? std::string() : string_at(*before, "digest");
  if (digest != model.description().digest) {
    return fail(Code::kInvalidArgument, "the model is not the one the run began with: its weights differ",
                "put the old model file back, or start a new run");
  }
  const auto* tools = find(known, "tools");
  const auto later = known.value("told_later", Json::array());
  if (tools != nullptr) toolbox.take_up(*tools, later);
  const auto as_told = [&](const Json& record) {
    const auto* tool = toolbox.find(string_at(record, "name"));
    return tool != nullptr && tool_record(*tool) == record;
  };
  if (tools == nullptr || *tools != tools_record(toolbox.tools()) ||
      !std::all_of(later.begin(), later.end(), as_told)) {
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
