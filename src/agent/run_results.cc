#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/run_loop.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kPageBytesMax = 8'192;         // Of one read_result.
constexpr std::size_t kCompactedBytesMin = 1'024;    // Shorter observations stay as they are;
constexpr std::size_t kCompactedPreviewBytes = 256;  // of longer ones this much stays.
constexpr std::size_t kSummaryLettersMax = 160;      // Of arguments, results and texts in a summary,
constexpr std::size_t kSummaryLinesMax = 40;         // and so many lines, the newest.

}  // namespace

void Run::offer_read_result(infer::ChatRequest& request) const {
  if (parts_.file.result_preview == 0) return;
  infer::ToolDefinition tool;
  tool.name = std::string(kReadResultTool);
  tool.description = "Reads on in a result of which only the beginning was shown.";
  tool.input_schema =
      Json{{"type", "object"},
           {"properties",
            {{"call", {{"type", "string"}, {"description", "as named where the result was cut"}}},
             {"offset", {{"type", "integer"}, {"minimum", 0}}}}},
           {"required", {"call", "offset"}},
           {"additionalProperties", false}};
  if (!request.allowed_tools.empty()) request.allowed_tools.push_back(tool.name);
  request.tools.push_back(std::move(tool));
}

bool Run::reads_result(const infer::ToolCall& call) const {
  return parts_.file.result_preview > 0 && call.name == kReadResultTool;
}

// Answered from what the run knows: nothing is dispatched.
Result<Run::Fate> Run::read_result(std::size_t index) {
  const auto call = calls()[index].call;
  const auto& redaction = parts_.toolbox.redaction();
  const auto refuse = [&](const std::string& why) -> Result<Fate> {
    TSUKAI_TRY_VOID(settle(index, observe_failure(Outcome::kInvalid, why, redaction)));
    return Fate::kOver;
  };
  const auto key = string_at(*call.arguments, "call");
  const auto offset = integer_at(*call.arguments, "offset");
  const auto found = progress_.long_results.find(key);
  if (found == progress_.long_results.end()) {
    std::vector<std::string> keys;
    for (const auto& [each, text] : progress_.long_results) keys.push_back(each);
    return refuse(keys.empty() ? "no result was cut"
                               : fmt::format("no result of \"{}\" was cut; of these it was: {}",
                                             shortened(key, 80), fmt::join(keys, ", ")));
  }
  const auto& whole = found->second;
  if (offset < 0 || static_cast<std::size_t>(offset) >= whole.size())
    return refuse(fmt::format("the result of {} has {} bytes", key, whole.size()));
  auto page = whole.substr(static_cast<std::size_t>(offset), kPageBytesMax);
  page.resize(page.size() - incomplete_utf8_tail(page));
  const auto end = static_cast<std::size_t>(offset) + page.size();
  Observation observation;
  observation.text =
      repaired_utf8(page) + (end >= whole.size() ? fmt::format("\n[the end: {} bytes]", whole.size())
                                                 : fmt::format("\n[up to byte {} of {}]", end, whole.size()));
  observation.bytes_whole = observation.text.size();
  TSUKAI_TRY_VOID(settle(index, observation));
  return Fate::kOver;
}

void Run::shorten(Observation& observation, const std::string& step_key) const {
  const auto bytes_max = parts_.file.result_preview;
  if (bytes_max == 0 || observation.outcome != Outcome::kDone || observation.came.is_null()) return;
  auto whole = whole_text(*observation.came);
  if (whole.size() <= bytes_max) return;
  observation.text = preview(std::move(whole), bytes_max, step_key);
  observation.handle = true;
}

// Once the context is full: all large observations but the newest turn's at once, so that the prefix is
// broken as seldom as can be. The journal has them whole.
Result<bool> Run::compact() {
  Json keys = Json::array();
  for (std::size_t i = 0; i + 1 < progress_.steps.size(); ++i) {
    for (const auto& call : progress_.steps[i].calls) {
      if (call.message != 0 && progress_.messages[call.message].text.size() > kCompactedBytesMin)
        keys.push_back(call.step_key);
    }
  }
  if (keys.empty()) return false;
  tell("notice",
       {{"message", fmt::format("the context is full: {} long results are shown by their beginnings now",
                                keys.size())}});
  TSUKAI_TRY_VOID(stage(
      Kind::kCompacted, step_key(step_number() + 1),
      {{"calls", keys}, {"preview", kCompactedPreviewBytes}, {"handles", parts_.file.result_preview > 0}}));
  return true;
}

// What was done, told from the journal rather than by the model: it costs no turn, and comes out the same
// again.
Result<bool> Run::sum_up() {
  const auto& messages = progress_.messages;
  const auto newest = progress_.newest_turn();
  if (newest >= messages.size() || newest <= progress_.first_message() + 1) return false;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i + 1 < progress_.steps.size(); ++i) {
    const auto& step = progress_.steps[i];
    if (!trimmed(step.text).empty())
      lines.push_back(
          fmt::format("{}: you said: {}", step_key(i + 1), shortened(step.text, kSummaryLettersMax)));
    for (const auto& call : step.calls) {
      lines.push_back(fmt::format("{} {} {} -> {}", call.step_key, call.call.name,
                                  shortened(call.call.arguments.print(), kSummaryLettersMax),
                                  shortened(call.observation, kSummaryLettersMax)));
    }
  }
  const auto left_out = lines.size() > kSummaryLinesMax ? lines.size() - kSummaryLinesMax : 0;
  lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(left_out));
  const bool handles = parts_.file.result_preview > 0;
  auto summary = fmt::format("[What you did before, shortened{}{}:\n{}]",
                             left_out > 0 ? fmt::format("; {} earlier lines are left out", left_out) : "",
                             handles ? "; read_result has the results whole" : "", fmt::join(lines, "\n"));
  tell("notice", {{"message", "the context is full: the turns before the newest are summed up now"}});
  TSUKAI_TRY_VOID(stage(Kind::kCompacted, step_key(step_number() + 1),
                        {{"summary", std::move(summary)}, {"handles", handles}}));
  return true;
}

}  // namespace tsukai::agent
