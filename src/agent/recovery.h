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

// What a run works with, from its rows: RUN_STARTED, and as `told_later` the tools it was told of after it.
Json known_from(const std::vector<Row>& rows);
// What has to be the same for a journal to be continued; `known` is its known_from(). Tells the toolbox which
// tools the run knows: others of today's are new to it. kInvalidArgument says what differs.
Result<void> check_same(const Json& known, const infer::ChatModel& model, Toolbox& toolbox);

// The key of a call, the same for every attempt: sha256(run, step key).
std::string idempotency_key(const std::string& run, const std::string& step_key);

}  // namespace tsukai::agent
