#include "agent/decisions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>

#include "agent/child_run.h"
#include "agent/progress.h"
#include "base/json_schema.h"

namespace tsukai::agent {
namespace {

std::string_view name(Resolution resolution) {
  switch (resolution) {
    case Resolution::kDone:
      return "done";
    case Resolution::kRetry:
      return "retry";
    case Resolution::kAbort:
      return "abort";
  }
  return "abort";
}

Result<Progress> progress_of(Journal& journal, const std::string& run) {
  TSUKAI_TRY(const auto rows, journal.rows(run));
  return Progress::of(rows);
}

Result<bool> cancel_one(Journal& journal, const std::string& run, const std::string& by) {
  auto lease = journal.take_lease(run);
  if (!lease && lease.error().code() != Code::kDenied) return fail(std::move(lease).error());
  if (!lease) {
    TSUKAI_TRY_VOID(journal.send_signal(run, "cancel", {{"by", by}}));
    return false;
  }
  TSUKAI_TRY(const auto progress, progress_of(journal, run));
  const auto reason = "cancelled by " + by;
  const Json payload = {{"state", "cancelled"},
                        {"answer", ""},
                        {"reason", reason},
                        {"totals", progress.totals.json(progress.active_ms)}};
  TSUKAI_TRY_VOID(journal.finish_run(run, RunState::kCancelled, reason, payload));
  return true;
}

}  // namespace

Result<void> resolve_call(Journal& journal, const std::string& run, const std::string& call,
                          Resolution resolution, const std::string& result, const std::string& by) {
  TSUKAI_TRY(auto progress, progress_of(journal, run));
  const auto* found = progress.call_at(call);
  if (found == nullptr) {
    return fail(Code::kNotFound, fmt::format("run {} waits for no call {}", run, call),
                fmt::format("see what it waits for: tsukai runs show {}", run));
  }
  if (found->stage != CallProgress::Stage::kUnknown) {
    return fail(Code::kInvalidArgument,
                fmt::format("the outcome of {} of run {} is not in doubt", call, run));
  }
  const Json payload = {{"call", call}, {"action", name(resolution)}, {"result", result}, {"by", by}};
  TSUKAI_TRY_VOID(journal.send_signal(run, "resolve", payload));
  return {};
}

Result<void> answer_question(Journal& journal, const std::string& run, const std::string& call, bool accept,
                             const JsonValue& content, const std::string& by) {
  TSUKAI_TRY(auto progress, progress_of(journal, run));
  const auto* found = progress.call_at(call);
  if (found == nullptr || !found->waits_for_answer()) {
    return fail(found == nullptr ? Code::kNotFound : Code::kInvalidArgument,
                fmt::format("{} of run {} asks nothing", call, run),
                fmt::format("see what it waits for: tsukai runs show {}", run));
  }
  if (!found->held.is_null()) {
    TSUKAI_TRY(const bool alive, journal.at_work(run));
    if (!alive) {
      return fail(
          Code::kInvalidArgument,
          fmt::format("{} of run {} asks nothing any more: the process that its server waited in is gone",
                      call, run),
          fmt::format("go on with the run: tsukai runs resume {}", run));
    }
  }
  std::map<std::string, Json> asked;  // Of people; the rest is answered by the run itself.
  if (const auto* questions = find(*found->open_question(), "inputRequests")) {
    for (const auto& [key, question] : questions->items()) {
      if (string_at(question, "method") == "elicitation/create")
        asked[key] = question.value("params", Json::object());
    }
  }
  Json answers = Json::object();
  for (const auto& [key, params] : asked) {
    answers[key] = {{"action", accept ? "accept" : "decline"}};
    if (!accept || string_at(params, "mode") == "url") continue;
    const auto* part = asked.size() == 1 ? &*content : find(*content, key);
    const Json given = part == nullptr || part->is_null() ? Json::object() : *part;
    TSUKAI_TRY(const auto form,
               JsonSchema::compile(params.value("requestedSchema", Json{{"type", "object"}})));
    if (const auto faults = form.check(given); !faults.empty()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("the answer to \"{}\" is not what its form wants: {}",
                              string_at(params, "message"), fmt::join(faults, "; ")),
                  "give the form's fields: --content '{\"field\": \"value\"}'");
    }
    answers[key]["content"] = given;
  }
  TSUKAI_TRY_VOID(journal.send_signal(run, std::string(kAnswerSignal),
                                      Json{{"call", call}, {"answers", answers}, {"by", by}}));
  return {};
}

Result<bool> is_told_something(Journal& journal, const std::string& run) {
  TSUKAI_TRY(const bool told, journal.has_word(run));
  if (told) return true;
  TSUKAI_TRY(const auto children, children_of(journal, run));
  for (const auto& child : children) {
    if (!child.begun) continue;
    TSUKAI_TRY(const bool below, journal.has_word(child.run.id));
    if (below) return true;
  }
  return false;
}

Result<bool> cancel_run(Journal& journal, const std::string& run, const std::string& by,
                        std::vector<std::string>* with) {
  TSUKAI_TRY(const bool ended, cancel_one(journal, run, by));
  // Asked for now, not before: what nobody works on starts no others from here on.
  TSUKAI_TRY(const auto children, children_of(journal, run));
  // What it started ends with it: a process that works on both is asked for each.
  for (const auto& child : children) {
    const bool open =
        child.begun && (child.run.state == RunState::kRunning || child.run.state == RunState::kWaiting);
    if (!open) continue;
    auto asked = cancel_one(journal, child.run.id, by);
    // It may have ended by itself meanwhile.
    if (!asked && asked.error().code() != Code::kInvalidArgument) return fail(std::move(asked).error());
    if (asked && with != nullptr) with->push_back(child.run.id);
  }
  return ended;
}

}  // namespace tsukai::agent
