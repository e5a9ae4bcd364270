#include "agent/journal_chain.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/hash.h"
#include "base/json_print.h"

namespace tsukai::agent {
namespace {

// Most rows and payloads are no longer than this; longer ones grow.
constexpr std::size_t kRowBytes = 384, kBodyBytes = 640;

constexpr std::pair<Kind, std::string_view> kKinds[] = {
    {Kind::kRunStarted, "RUN_STARTED"},
    {Kind::kRecalled, "RECALLED"},
    {Kind::kModelIntent, "MODEL_INTENT"},
    {Kind::kModelResult, "MODEL_RESULT"},
    {Kind::kToolIntent, "TOOL_INTENT"},
    {Kind::kToolStarted, "TOOL_STARTED"},
    {Kind::kToolResult, "TOOL_RESULT"},
    {Kind::kToolUnknown, "TOOL_UNKNOWN"},
    {Kind::kPlan, "PLAN"},
    {Kind::kApprovalAsked, "APPROVAL_ASKED"},
    {Kind::kApprovalGiven, "APPROVAL_GIVEN"},
    {Kind::kSignal, "SIGNAL"},
    {Kind::kTimerSet, "TIMER_SET"},
    {Kind::kTimerFired, "TIMER_FIRED"},
    {Kind::kCompacted, "COMPACTED"},
    {Kind::kChildStarted, "CHILD_STARTED"},
    {Kind::kChildDone, "CHILD_DONE"},
    {Kind::kSamplingIntent, "SAMPLING_INTENT"},
    {Kind::kSamplingResult, "SAMPLING_RESULT"},
    {Kind::kForked, "FORKED"},
    {Kind::kLeaseTaken, "LEASE_TAKEN"},
    {Kind::kErased, "ERASED"},
    {Kind::kCancelled, "CANCELLED"},
    {Kind::kRunDone, "RUN_DONE"},
};

}  // namespace

std::string_view name(Kind kind) {
  for (const auto& [value, text] : kKinds) {
    if (value == kind) return text;
  }
  TSUKAI_CHECK(false, "a kind without a name");
}

std::optional<Kind> kind_named(std::string_view name) {
  for (const auto& [value, text] : kKinds) {
    if (text == name) return value;
  }
  return std::nullopt;
}

std::string_view name(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return "running";
    case RunState::kDone:
      return "done";
    case RunState::kFailed:
      return "failed";
    case RunState::kStopped:
      return "stopped";
    case RunState::kWaiting:
      return "waiting";
    case RunState::kCancelled:
      return "cancelled";
  }
  TSUKAI_CHECK(false, "a run state without a name");
}

std::optional<RunState> run_state_named(std::string_view text) {
  for (const RunState state : {RunState::kRunning, RunState::kDone, RunState::kFailed, RunState::kStopped,
                               RunState::kWaiting, RunState::kCancelled}) {
    if (name(state) == text) return state;
  }
  return std::nullopt;
}

std::string chain_start(const std::string& run) { return sha256_hex("tsukai run " + run); }

std::string payload_hash(std::string_view salt, std::string_view body) {
  std::string bytes;
  bytes.reserve(salt.size() + 1 + body.size());
  bytes += salt;
  bytes += '\n';
  bytes += body;
  return sha256_hex(bytes);
}

// The canonical array, spelled out: printing a value would first build it. A journal that was tampered with
// may hold anything in any column.
std::string row_hash(const std::string& run, const Row& row, std::string_view kind_text) {
  std::string text;
  text.reserve(kRowBytes);
  const auto add = [&](char before, std::string_view member) {
    text += before;
    append_json_string(text, member);
  };
  const auto add_number = [&](std::int64_t number) {
    const fmt::format_int digits(number);
    text += ',';
    text.append(digits.data(), digits.size());
  };
  add('[', run);
  add_number(row.seq);
  add(',', kind_text);
  add(',', row.step_key);
  add_number(row.attempt);
  add_number(row.at_ms);
  add(',', row.payload_sha256);
  add(',', row.prev_hash);
  text += ']';
  return sha256_hex(text);
}

// Written around the printed values rather than through one more value, which would hold a copy of all.
std::string payload_body(const Json& data) {
  std::string body;
  body.reserve(kBodyBytes);
  body += "{\"data\":";
  append_json(body, data);
  body += '}';
  return body;
}
std::string payload_body(const Json& data, const Json& run) {
  auto body = payload_body(data);
  body.pop_back();
  body += ",\"run\":";
  append_json(body, run);
  body += '}';
  return body;
}

}  // namespace tsukai::agent
