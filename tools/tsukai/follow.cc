#include "tools/tsukai/follow.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "tools/tsukai/approval_prompt.h"
#include "tools/tsukai/elicitation_prompt.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/mcp_login.h"
#include "tools/tsukai/model_path.h"
#include "tools/tsukai/text_wrap.h"
#include "tools/tsukai/waiting.h"

namespace tsukai::cli {

Exit exit_of(agent::RunState state, bool timed_out) {
  switch (state) {
    case agent::RunState::kDone:
      return Exit::kDone;
    case agent::RunState::kRunning:
    case agent::RunState::kFailed:
      return Exit::kTaskFailed;
    case agent::RunState::kStopped:
      return Exit::kStopped;
    case agent::RunState::kWaiting:
      return Exit::kWaiting;
    case agent::RunState::kCancelled:
      return timed_out ? Exit::kStopped : Exit::kInterrupted;
  }
  return Exit::kTaskFailed;
}

void show_outcome(Output& output, RunView& view, const agent::RunOutcome& outcome, Exit exit,
                  const FollowArguments& arguments, bool timed_out) {
  view.end();
  const std::string run = "run " + outcome.run_id;
  if (exit == Exit::kDone) {
    if (!view.streamed(outcome.answer)) output.line(wrapped(printable(outcome.answer), output.width()));
  } else if (exit == Exit::kWaiting && output.quiet()) {
    output.fail(Error(Code::kDenied, run + " waits for a person", "see tsukai runs show " + outcome.run_id));
  } else if (exit == Exit::kWaiting) {
    show_waiting(output, arguments.database, outcome.run_id);
  } else if (timed_out) {
    output.fail(Error(Code::kTimeout, fmt::format("{} was stopped after {} s", run, arguments.timeout_s),
                      "raise --timeout"));
  } else if (exit == Exit::kInterrupted) {
    output.fail(Error(Code::kCancelled, fmt::format("interrupted; {} is closed", run)));
  } else {
    output.fail(Error(Code::kInternal, fmt::format("{} {}: {}", run, name(outcome.state), outcome.answer)));
  }
}

int follow(Output& output, const FollowArguments& arguments, const BeginRun& begin) {
  RunView view(output);
  agent::RuntimeOptions options;
  options.database_path = arguments.database;
  options.user = arguments.user;
  options.threads = arguments.threads;
  options.on_event = [&view](const agent::Event& event) { view.show(event); };
  options.connect = connect_with_logins(LoginOptions{});
  if (person_is_at_hand(output)) {
    options.decide = ask_at_terminal(output);
    options.elicit = elicit_at_terminal(output);
  }

  output.busy("starting");
  asio::io_context context;
  const std::chrono::milliseconds limit(static_cast<std::int64_t>(arguments.timeout_s * 1000));
  bool timed_out = false;
  auto outcome =
      run_interruptible(context, begin(std::move(options), open_named_models()), limit, &timed_out);
  output.idle();
  if (!outcome) {
    const int exit = output.fail_line(outcome.error());
    return timed_out ? static_cast<int>(Exit::kStopped) : exit;
  }
  const Exit exit = exit_of(outcome->state, timed_out);
  if (!output.json()) {
    show_outcome(output, view, *outcome, exit, arguments, timed_out);
    view.show_totals(outcome->run_id, *outcome->totals);
  }
  return static_cast<int>(exit);
}

}  // namespace tsukai::cli
