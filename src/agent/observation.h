// What the model is told of a tool call's outcome.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/redaction.h"
#include "mcp/types.h"

namespace tsukai::agent {

// Longer results are cut, with a note that says what is missing.
inline constexpr std::size_t kObservationBytesMax = 16'384;
// Longer results are not kept whole in the journal.
inline constexpr std::size_t kResultBytesMax = 1 << 20;

// How a call ended; docs/formats/events.md says when each is used.
enum class Outcome {
  kDone,
  kToolError,
  kFailed,
  kDenied,
  kInvalid,
  kUnknownTool,
  kOverBudget,
  kCancelled,
  kSkipped,  // A step of a plan whose condition did not hold.
  kSpoiled
};  // A step of a plan that needs one that failed.
std::string_view name(Outcome outcome);  // "done", "tool_error", ...
Outcome outcome_named(std::string_view name);
// Whether the call reached its server.
bool dispatched(Outcome outcome);

struct Observation {
  Outcome outcome = Outcome::kDone;
  std::string text;             // For the model: redacted, at most kObservationBytesMax and the note.
  std::size_t bytes_whole = 0;  // Of the redacted text before it was cut.
  JsonValue came;  // The result as the server sent it, redacted; null when it is longer than kResultBytesMax.
  std::vector<std::string> found;  // Tools that find_tools found, as models know them.
  bool handle = false;             // `text` is the beginning of `came`, which can be read on.
  bool task_lost = false;  // Its server no longer knows the task: whether it took effect is not known.
  JsonValue asked;         // No result yet: what its server asks a person first (mcp::ToolResult::asked).
  double ms = 0;           // From dispatch to result; 0 when not dispatched.
};

// The text blocks of a result; where there are none, its structured content as canonical JSON.
Observation observe(const mcp::ToolResult& result, const Redaction& redaction);
// The same text from a result as journaled, whole.
std::string whole_text(const Json& came);
// An outcome that is no answer of the tool: "error: ...".
Observation observe_failure(Outcome outcome, const std::string& message, const Redaction& redaction);

// The first `bytes_max` bytes, whole characters only, and a note of what was cut.
std::string bounded(std::string text, std::size_t bytes_max);
// The same where the rest can be read with kReadResultTool.
std::string preview(std::string text, std::size_t bytes_max, const std::string& step_key);

// The tool a model reads long results with.
inline constexpr std::string_view kReadResultTool = "read_result";

}  // namespace tsukai::agent
