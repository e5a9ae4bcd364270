// What becomes of a tool call that was in flight when the process died.
#pragma once

#include <string>

#include "agent/progress.h"
#include "agent/toolbox.h"

namespace tsukai::agent {

enum class Recovery {
  kDispatch,  // It never reached its server.
  kRetry,     // Doing it again changes nothing: read-only, idempotent, or keyed.
  kWait,      // Its server made a task of it, which is asked for its result.
  kUnknown,   // Nobody can know: a person decides.
};

// Annotations count only from servers the operator marked trusted; a key counts from every tool that takes
// one.
Recovery recovery_of(const CallProgress& call, const BoundTool& tool, bool trusted);

// What has to be the same for a journal to be continued; `started` is its RUN_STARTED. kInvalidArgument says
// what differs.
Result<void> check_same(const Json& started, const infer::ChatModel& model, const Toolbox& toolbox);

// The key of a call, the same for every attempt: sha256(run, step key).
std::string idempotency_key(const std::string& run, const std::string& step_key);

}  // namespace tsukai::agent
