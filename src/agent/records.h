// The payloads of journal rows: how the loop's values are written and read back (docs/formats/journal.md).
#pragma once

#include "agent/agent_file.h"
#include "agent/observation.h"
#include "agent/redaction.h"
#include "agent/toolbox.h"
#include "base/json.h"
#include "infer/model.h"
#include "planner/react.h"

namespace tsukai::agent {

// A text member of a payload. JSON holds UTF-8 only, and a turn that was cut may end inside a character: such
// a text is written as `KEY_b64` in base64, so that it comes back byte for byte.
void put_text(Json& object, const std::string& key, const std::string& text);
std::string text_at(const Json& object, const std::string& key);

// The agent file without secrets: servers as the file has them, `${NAME}` not expanded, literal secrets
// redacted.
Json agent_record(const AgentFile& file, const Redaction& redaction);
// The same back, `${NAME}` expanded from today's environment. kInvalidArgument when a secret was written
// literally and so is not kept, or a variable is not set.
// Without servers (`start_servers` false) only their names and entries come back: for replay, which starts
// none.
Result<AgentFile> agent_from(const Json& record, bool start_servers = true);
Json model_record(const infer::ModelDescription& description);
Json tool_record(const BoundTool& tool);
Json tools_record(const std::vector<BoundTool>& tools);

// What MODEL_INTENT holds. `before` is the transcript the prompt continues.
Json intent_record(const infer::ChatRequest& request, const infer::Prompt& prompt, planner::NoteKind note,
                   const std::string& note_text);
// What MODEL_RESULT holds.
Json reply_record(const infer::ChatReply& reply, double ms);
// The reply back from its row; `text`, `tokens`, `finish`, `usage` and the message.
Result<infer::ChatReply> reply_from(const Json& payload);

Json call_record(const infer::ToolCall& call);
Result<infer::ToolCall> call_from(const Json& json);

Json observation_record(const infer::ToolCall& call, const Observation& observation);

}  // namespace tsukai::agent
