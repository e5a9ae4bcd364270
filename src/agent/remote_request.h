// The body of a chat completions request, as text that grows at its end only, like any prompt.
#pragma once

#include <string>

#include "agent/remote_preset.h"
#include "infer/model.h"

namespace tsukai::agent {

// Members that stay the same over a run come first, the messages after them, what changes from turn to turn
// (limits, tool_choice) last; so a turn adds its messages, and no more, to what the journal already has.
// kUnsupported: the agent asks for sampling that this provider can't do (named).
Result<std::string> remote_request_body(const RemoteSpec& spec, const infer::ChatRequest& request);

// One message as it stands in the body. An assistant's `raw`, when there is one, is that text already.
Json remote_message(const infer::Message& message, bool with_reasoning = false);

// Whether OpenAI's strict mode takes a schema: every object closed, every property required.
bool strict_ready(const Json& schema);

}  // namespace tsukai::agent
