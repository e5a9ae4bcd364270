#include "tools/tsukai/waiting.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/progress.h"
#include "base/text.h"
#include "tools/tsukai/store.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kCallCells = 100;

// What the server of a call asks people, for people.
std::string question_text(const Json& asked) {
  std::string text = "its server asks";
  const Json* questions = find(asked, "inputRequests");
  if (questions == nullptr) return text;
  for (const auto& [key, question] : questions->items()) {
    if (string_at(question, "method") != "elicitation/create") continue;
    const Json params = question.value("params", Json::object());
    text += ": " + string_at(params, "message");
    if (const Json* url = find(params, "url")) text += " " + print_json(*url);
    const Json* schema = find(params, "requestedSchema");
    const Json* fields = schema == nullptr ? nullptr : find(*schema, "properties");
    if (fields != nullptr && !fields->empty()) text += " " + print_json(*fields);
  }
  return text;
}

// "step-1/call-1, step-2/call-1 (in run abc)": a call of another run has that run's id.
std::string names_of(const std::vector<WaitingCall>& calls, const std::string& run) {
  std::string names;
  for (const WaitingCall& call : calls) {
    names += (names.empty() ? "" : ", ") + call.step_key;
    if (call.run != run) names += " (in run " + call.run + ")";
  }
  return names;
}

}  // namespace

Result<std::vector<WaitingCall>> waiting_calls(agent::Journal& journal, const std::string& run) {
  std::vector<WaitingCall> calls;
  TSUKAI_TRY(const auto asked, journal.pending_approvals(run));
  for (const agent::Approval& approval : asked) {
    calls.push_back({run, approval.step_key, approval.tool, approval.arguments, approval.why});
  }
  TSUKAI_TRY(const auto rows, journal.rows(run));
  TSUKAI_TRY(const auto progress, agent::Progress::of(rows));
  if (progress.steps.empty()) return calls;
  for (const agent::CallProgress& call : progress.steps.back().calls) {
    if (call.stage == agent::CallProgress::Stage::kStarted && !call.child.is_null()) {
      const auto child = journal.find(string_at(*call.child, "run"));
      if (!child || child->state != agent::RunState::kWaiting) continue;
      TSUKAI_TRY(const auto below, waiting_calls(journal, child->id));
      calls.insert(calls.end(), below.begin(), below.end());
    }
    if (call.waits_for_answer()) {
      // Whoever held the call open is gone, and nobody asks any more.
      TSUKAI_TRY(const bool asks, call.held.is_null() ? Result<bool>(true) : journal.at_work(run));
      if (asks)
        calls.push_back({run, call.step_key, call.call.name, call.call.arguments,
                         question_text(*call.open_question()), false, true});
      continue;
    }
    if (call.stage != agent::CallProgress::Stage::kUnknown) continue;
    calls.push_back({run, call.step_key, call.call.name, call.call.arguments,
                     "nobody knows whether it took effect", true});
  }
  return calls;
}

Result<WaitingCall> waiting_call(const std::vector<WaitingCall>& calls, const std::string& run,
                                 const std::string& wanted) {
  if (calls.empty()) {
    return fail(Code::kInvalidArgument, fmt::format("run {} waits for nobody", run),
                fmt::format("see what it did: tsukai runs show {}", run));
  }
  if (wanted.empty()) {
    if (calls.size() == 1) return calls.front();
    return fail(Code::kInvalidArgument, fmt::format("run {} waits for more than one call", run),
                "name one of " + names_of(calls, run));
  }
  for (const bool own : {true, false}) {
    std::vector<WaitingCall> found;
    for (const WaitingCall& call : calls) {
      if (call.step_key == wanted && (call.run == run) == own) found.push_back(call);
    }
    if (found.size() == 1) return found.front();
    if (found.size() > 1) {
      return fail(Code::kInvalidArgument,
                  fmt::format("{} waits in {} of the runs that run {} started", wanted, found.size(), run),
                  "name the run in place of " + run + ": " + names_of(found, run));
    }
  }
  return fail(Code::kNotFound, fmt::format("run {} does not wait for {}", run, wanted),
              "it waits for " + names_of(calls, run));
}

std::string database_words(const std::string& database) {
  return database.empty() ? std::string() : " --db " + database;
}

std::string call_text(const WaitingCall& call) {
  return cut_to_width(call.tool + " " + print_json(*call.arguments), kCallCells);
}

void show_waiting(Output& output, const std::string& database, const std::string& run) {
  output.note(output.paint_note(Style::kYellow, fmt::format("run {} waits for a person", run)));
  auto store = open_store(database);
  if (!store || !*store) return;
  const auto calls = waiting_calls(*(*store)->journal, run);
  if (!calls) return;
  const std::string tail = database_words(database);
  if (calls->empty())
    output.note(
        fmt::format("  nothing is asked of anybody now; go on with it: tsukai runs resume {}{}", run, tail));
  for (const WaitingCall& call : *calls) {
    output.note(fmt::format("  {}{} {}", call.run == run ? "" : "in run " + call.run + ", ", call.step_key,
                            call_text(call)));
    output.note(output.paint_note(Style::kDim, "    " + printable(call.why)));
    if (call.unknown) {
      output.note(fmt::format("    tsukai runs resolve {} {} --done JSON | --retry | --abort{}", call.run,
                              call.step_key, tail));
    } else if (call.asks) {
      output.note(fmt::format("    answer:    tsukai runs approve {} {} --content '{{...}}'{}", call.run,
                              call.step_key, tail));
      output.note(
          fmt::format("    decline:   tsukai runs approve {} {} --deny{}", call.run, call.step_key, tail));
    } else {
      output.note(fmt::format("    allow it:  tsukai runs approve {} {}{}", call.run, call.step_key, tail));
      output.note(fmt::format("    refuse it: tsukai runs approve {} {} --deny --reason \"...\"{}", call.run,
                              call.step_key, tail));
    }
  }
}

}  // namespace tsukai::cli
