#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/child_run.h"
#include "agent/decisions.h"
#include "agent/remote_preset.h"
#include "agent/replay.h"
#include "base/text.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/model_path.h"
#include "tools/tsukai/runs_command.h"
#include "tools/tsukai/waiting.h"

namespace tsukai::cli {
namespace {

// A run that goes on opens the database itself.
void close_run(OpenedRun) {}

int go_on(Output& output, const RunsArguments& arguments, const std::string& run) {
  return follow(output, arguments.follow, [&run](agent::RuntimeOptions options, agent::OpenModel open) {
    return agent::resume_run(run, std::move(options), std::move(open));
  });
}

// What approve and resolve do once the word is in the journal.
// A run that another one started is gone on with through that one.
int after_decision(Output& output, const RunsArguments& arguments, OpenedRun opened, const Json& decision) {
  auto root = agent::root_of(*opened.store.journal, string_at(decision, "run_id"));
  if (!root) return output.fail(root.error());
  const std::string run = *std::move(root);
  auto left = waiting_calls(*opened.store.journal, run);
  if (!left) return output.fail(left.error());
  std::erase_if(*left, [&](const WaitingCall& call) {
    return call.run == string_at(decision, "run_id") && call.step_key == string_at(decision, "call");
  });
  const bool resumes = !arguments.no_resume && left->empty();
  auto at_work = opened.store.journal->at_work(run);
  if (!at_work) return output.fail(at_work.error());
  if (resumes && !*at_work) {
    close_run(std::move(opened));
    return go_on(output, arguments, run);
  }
  if (output.json()) {
    Json document = decision;
    document["still_waiting"] = left->size();
    output.document(document);
  } else if (!left->empty()) {
    output.note(fmt::format("noted; {} more to decide:",
                            counted(static_cast<std::int64_t>(left->size()), "call is", "calls are")));
    show_waiting(output, arguments.follow.database, run);
  } else if (*at_work) {
    output.note(fmt::format("noted; run {} is at work, and goes on with it", run));
  } else {
    output.note(fmt::format("noted; go on with it: tsukai runs resume {}{}", run,
                            database_words(arguments.follow.database)));
  }
  return static_cast<int>(left->empty() ? Exit::kDone : Exit::kWaiting);
}

// The answer to a call's server, which asks a person.
int answer(Output& output, const RunsArguments& arguments, OpenedRun opened, const WaitingCall& call,
           const std::string& by) {
  JsonValue content;
  if (!arguments.content.empty()) {
    auto parsed = parse_json(arguments.content);
    if (!parsed) return output.fail_line(std::move(parsed).error().in("--content"));
    content = *std::move(parsed);
  }
  auto said =
      agent::answer_question(*opened.store.journal, call.run, call.step_key, !arguments.deny, content, by);
  if (!said) return output.fail_line(said.error());
  output.note(fmt::format("{} {}", arguments.deny ? "declined" : "answered", call.step_key));
  return after_decision(output, arguments, std::move(opened),
                        {{"run_id", call.run},
                         {"call", call.step_key},
                         {"tool", call.tool},
                         {"answered", !arguments.deny},
                         {"content", *content},
                         {"by", by}});
}

Task<agent::ReplayReport> replay(std::vector<agent::Row> rows, std::string model_path, int threads) {
  std::unique_ptr<infer::ChatModel> model;
  if (!model_path.empty()) {
    TSUKAI_CO_TRY(model, open_named_models()(model_path, threads));
  }
  co_return co_await agent::replay_run(std::move(rows), model.get());
}

}  // namespace

int runs_resume_command(Output& output, const RunsArguments& arguments) {
  auto opened = open_run(arguments);
  if (!opened) return output.fail_line(opened.error());
  std::string run = opened->run.id;
  // What another run started goes on with that one, as long as that one goes on.
  auto root = agent::root_of(*opened->store.journal, run);
  if (!root) return output.fail_line(root.error());
  if (*root != run) {
    auto above = opened->store.journal->find(*root);
    if (!above) return output.fail_line(above.error());
    if (above->state == agent::RunState::kWaiting || above->state == agent::RunState::kRunning) {
      output.note(fmt::format("run {} is part of run {}, which goes on", run, *root));
      run = *root;
    }
  }
  close_run(*std::move(opened));
  return go_on(output, arguments, run);
}

int runs_approve_command(Output& output, const RunsArguments& arguments) {
  auto opened = open_run(arguments);
  if (!opened) return output.fail_line(opened.error());
  agent::Journal& journal = *opened->store.journal;
  auto calls = waiting_calls(journal, opened->run.id);
  if (!calls) return output.fail_line(calls.error());
  auto call = waiting_call(*calls, opened->run.id, arguments.call);
  if (!call) return output.fail_line(call.error());
  if (call->unknown) {
    return output.fail_line(
        Error(Code::kInvalidArgument,
              fmt::format("{} asks for no approval: its outcome is unknown", call->step_key),
              fmt::format("tsukai runs resolve {} {} --done JSON | --retry | --abort{}", call->run,
                          call->step_key, database_words(arguments.follow.database))));
  }
  const std::string by = agent::default_user();
  if (call->asks) return answer(output, arguments, *std::move(opened), *call, by);
  if (!arguments.content.empty()) {
    return output.fail_line(Error(Code::kInvalidArgument,
                                  fmt::format("{} asks for approval, not for content", call->step_key),
                                  "leave --content out"));
  }
  auto given = journal.give_approval(call->run, call->step_key, !arguments.deny, by, arguments.reason);
  if (!given) return output.fail_line(given.error());
  output.note(fmt::format("{} {} {}", arguments.deny ? "refused" : "allowed", call->step_key,
                          printable(call_text(*call))));
  return after_decision(output, arguments, *std::move(opened),
                        {{"run_id", call->run},
                         {"call", call->step_key},
                         {"tool", call->tool},
                         {"arguments", *call->arguments},
                         {"allowed", !arguments.deny},
                         {"by", by},
                         {"reason", arguments.reason}});
}

int runs_resolve_command(Output& output, const RunsArguments& arguments) {
  if (arguments.done + arguments.retry + arguments.abort != 1) {
    return output.fail_line(Error(Code::kInvalidArgument,
                                  "tsukai runs resolve: say one of --done JSON, --retry and --abort",
                                  "see tsukai runs resolve --help"));
  }
  auto opened = open_run(arguments);
  if (!opened) return output.fail_line(opened.error());
  agent::Journal& journal = *opened->store.journal;
  auto calls = waiting_calls(journal, opened->run.id);
  if (!calls) return output.fail_line(calls.error());
  std::erase_if(*calls, [](const WaitingCall& call) { return !call.unknown; });
  auto call = waiting_call(*calls, opened->run.id, arguments.call);
  if (!call) return output.fail_line(call.error());
  const auto resolution = arguments.done    ? agent::Resolution::kDone
                          : arguments.retry ? agent::Resolution::kRetry
                                            : agent::Resolution::kAbort;
  const std::string by = agent::default_user();
  auto said = agent::resolve_call(journal, call->run, call->step_key, resolution, arguments.result, by);
  if (!said) return output.fail_line(said.error());
  return after_decision(output, arguments, *std::move(opened),
                        {{"run_id", call->run},
                         {"call", call->step_key},
                         {"tool", call->tool},
                         {"action", arguments.done    ? "done"
                                    : arguments.retry ? "retry"
                                                      : "abort"},
                         {"by", by}});
}

int runs_fork_command(Output& output, const RunsArguments& arguments) {
  if (arguments.step == 0 && arguments.say.empty()) {
    return output.fail_line(
        Error(Code::kInvalidArgument, "tsukai runs fork: from where?",
              "give --step N (see tsukai runs show), or --say TEXT to go on after its end"));
  }
  auto opened = open_run(arguments);
  if (!opened) return output.fail_line(opened.error());
  const std::string run = opened->run.id;
  close_run(*std::move(opened));
  return follow(output, arguments.follow, [&](agent::RuntimeOptions options, agent::OpenModel open) {
    return agent::fork_run(run, arguments.step, arguments.say, std::move(options), std::move(open));
  });
}

int runs_cancel_command(Output& output, const RunsArguments& arguments) {
  auto opened = open_run(arguments);
  if (!opened) return output.fail(opened.error());
  agent::Journal& journal = *opened->store.journal;
  const std::string& run = opened->run.id;
  std::vector<std::string> with;
  auto ended = agent::cancel_run(journal, run, agent::default_user(), &with);
  if (!ended) return output.fail(ended.error());
  if (output.json()) {
    output.document({{"run_id", run}, {"cancelled", *ended}, {"children", with}});
    return 0;
  }
  output.line(fmt::format("run {} {}", run,
                          *ended ? "is cancelled" : "was asked to end; it does so within a second"));
  for (const std::string& child : with) output.line(fmt::format("run {}, which it started, as well", child));
  // Whoever started it has a failed call, and can go on from that.
  auto root = agent::root_of(journal, run);
  if (!root || *root == run) return 0;
  const auto above = journal.find(*root);
  if (above && above->state == agent::RunState::kWaiting)
    output.note(fmt::format("run {} goes on without it: tsukai runs resume {}{}", *root, *root,
                            database_words(arguments.follow.database)));
  return 0;
}

int runs_replay_command(Output& output, const RunsArguments& arguments) {
  auto opened = open_run(arguments);
  if (!opened) return output.fail(opened.error());
  auto rows = opened->store.journal->rows(opened->run.id);
  if (!rows) return output.fail(rows.error());
  std::string model;
  if (arguments.regenerate) {
    const Json* record = find(*rows->front().payload, "agent");
    model = !arguments.model.empty() ? arguments.model : record == nullptr ? "" : string_at(*record, "model");
    auto path = resolve_model(model);
    if (!path) return output.fail(path.error());
    model = *std::move(path);
    if (agent::names_remote_model(model)) {
      return output.fail(Error(Code::kUnsupported, "--regenerate: a remote model need not say the same twice",
                               "leave it out: the record is replayed as it is"));
    }
  } else if (!arguments.model.empty()) {
    return output.fail(Error(Code::kInvalidArgument, "tsukai runs replay: --model goes with --regenerate"));
  }
  output.busy("replaying");
  asio::io_context context;
  auto report =
      run_interruptible(context, replay(*std::move(rows), std::move(model), arguments.follow.threads));
  output.idle();
  if (!report) return output.fail(report.error());
  const bool same = report->differences.empty();
  if (output.json()) {
    output.document({{"run_id", opened->run.id},
                     {"rows_compared", report->rows},
                     {"identical", same},
                     {"differences", report->differences}});
  } else if (same) {
    output.line(fmt::format("run {}: {} again, identical", opened->run.id,
                            counted(static_cast<std::int64_t>(report->rows), "row", "rows")));
  } else {
    for (const std::string& difference : report->differences) output.line(printable(difference));
  }
  return static_cast<int>(same ? Exit::kDone : Exit::kTaskFailed);
}

}  // namespace tsukai::cli
