#include "agent/observation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::array<std::string_view, 10> kOutcomeNames = {
    "done",         "tool_error",  "failed",    "denied",  "invalid",
    "unknown_tool", "over_budget", "cancelled", "skipped", "spoiled"};

bool has_text(const Json& content) {
  return content.is_array() && std::any_of(content.begin(), content.end(), [](const Json& block) {
           return string_at(block, "type") == "text" && !string_at(block, "text").empty();
         });
}

Observation finished(Outcome outcome, std::string text, const Redaction& redaction) {
  Observation observation;
  observation.outcome = outcome;
  text = redaction.text(repaired_utf8(text));
  observation.bytes_whole = text.size();
  observation.text = bounded(std::move(text), kObservationBytesMax);
  return observation;
}

Observation of_answer(const mcp::ToolResult& result, const Redaction& redaction) {
  std::string text;
  if (!has_text(*result.content) && result.structured_content && !result.structured_content->is_null()) {
    text = result.structured_content->print();
  } else {
    text = result.text();
  }
  if (result.is_error) {
    return finished(Outcome::kToolError,
                    "error: " + (text.empty() ? "the tool failed without saying why" : text), redaction);
  }
  return finished(Outcome::kDone, text.empty() ? "(no output)" : std::move(text), redaction);
}

}  // namespace

std::string_view name(Outcome outcome) { return kOutcomeNames[static_cast<std::size_t>(outcome)]; }

Outcome outcome_named(std::string_view name) {
  const auto found = std::find(kOutcomeNames.begin(), kOutcomeNames.end(), name);
  return found == kOutcomeNames.end() ? Outcome::kFailed
                                      : static_cast<Outcome>(found - kOutcomeNames.begin());
}

bool dispatched(Outcome outcome) {
  return outcome == Outcome::kDone || outcome == Outcome::kToolError || outcome == Outcome::kFailed ||
         outcome == Outcome::kCancelled;
}

std::string bounded(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  const auto whole = text.size();
  text.resize(bytes_max);
  text.resize(text.size() - incomplete_utf8_tail(text));
  const auto kept = text.size();
  return text + fmt::format("\n[cut: the first {} of {} bytes are shown]", kept, whole);
}

std::string preview(std::string text, std::size_t bytes_max, const std::string& step_key) {
  if (text.size() <= bytes_max) return text;
  const auto whole = text.size();
  text.resize(bytes_max);
  text.resize(text.size() - incomplete_utf8_tail(text));
  const auto kept = text.size();
  return text + fmt::format("\n[the first {} of {} bytes; the rest: {} {{\"call\":\"{}\",\"offset\":{}}}]",
                            kept, whole, kReadResultTool, step_key, kept);
}

std::string whole_text(const Json& came) {
  std::string text;
  if (const auto* content = find(came, "content"); content != nullptr && content->is_array()) {
    for (const auto& block : *content) {
      if (string_at(block, "type") == "text") text += (text.empty() ? "" : "\n") + string_at(block, "text");
    }
  }
  const auto* structured = find(came, "structuredContent");
  return text.empty() && structured != nullptr && !structured->is_null() ? print_json(*structured) : text;
}

Observation observe(const mcp::ToolResult& result, const Redaction& redaction) {
  Observation observation = of_answer(result, redaction);
  if (result.whole.print().size() <= kResultBytesMax) {
    observation.came = redaction.empty() ? result.whole : JsonValue(redaction.json(*result.whole));
  }
  return observation;
}

Observation observe_failure(Outcome outcome, const std::string& message, const Redaction& redaction) {
  return finished(outcome, "error: " + message, redaction);
}

}  // namespace tsukai::agent
