#include "tools/tsukai/run_command.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/runtime.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/model_path.h"
#include "tools/tsukai/run_view.h"
#include "tools/tsukai/servers.h"

namespace tsukai::cli {
namespace {

Result<agent::AgentFile> agent_of(const RunArguments& arguments) {
  agent::AgentFile file;
  if (!arguments.agent.empty()) {
    TSUKAI_TRY(file, agent::load_agent_file(arguments.agent));
  } else {
    file.name = "default";
    file.instructions = "You are a helpful assistant. Use the tools where they help.";
    file.model = "smollm2";
  }
  if (!arguments.config.empty()) {
    TSUKAI_TRY(auto servers, read_server_file(arguments.config));
    for (auto& server : servers) file.servers.push_back(std::move(server));
  }
  if (!arguments.model.empty()) file.model = arguments.model;
  // Before anything is started: a model that can't be there is the most likely mistake.
  TSUKAI_TRY(file.model, resolve_model(file.model));
  return file;
}

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

// The answer, or why there is none, and the totals.
void show_end(Output& output, RunView& view, const agent::RunOutcome& outcome, Exit exit,
              double timed_out_s) {
  view.end();
  const std::string run = "run " + outcome.run_id;
  if (exit == Exit::kDone) {
    if (!view.streamed(outcome.answer)) output.line(printable(outcome.answer));
  } else if (timed_out_s > 0) {
    output.fail(
        Error(Code::kTimeout, fmt::format("{} was stopped after {} s", run, timed_out_s), "raise --timeout"));
  } else if (exit == Exit::kInterrupted) {
    output.fail(Error(Code::kCancelled, fmt::format("interrupted; {} is closed", run)));
  } else {
    output.fail(Error(Code::kInternal, fmt::format("{} {}: {}", run, name(outcome.state), outcome.answer)));
  }
  view.show_totals(outcome.run_id, *outcome.totals);
}

}  // namespace

int run_command(Output& output, const RunArguments& arguments) {
  auto file = agent_of(arguments);
  if (!file) return output.fail_line(file.error());

  RunView view(output);
  agent::RuntimeOptions options;
  options.database_path = arguments.database;
  options.user = arguments.user;
  options.threads = arguments.threads;
  options.on_event = [&view](const agent::Event& event) { view.show(event); };

  output.busy("starting");
  asio::io_context context;
  const std::chrono::milliseconds limit(static_cast<std::int64_t>(arguments.timeout_s * 1000));
  bool timed_out = false;
  auto outcome = run_interruptible(
      context, agent::run_agent(*std::move(file), arguments.task, std::move(options), open_named_models()),
      limit, &timed_out);
  output.idle();
  if (!outcome) {
    const int exit = output.fail_line(outcome.error());
    return timed_out ? static_cast<int>(Exit::kStopped) : exit;
  }

  const Exit exit = exit_of(outcome->state, timed_out);
  if (!output.json()) show_end(output, view, *outcome, exit, timed_out ? arguments.timeout_s : 0);
  return static_cast<int>(exit);
}

}  // namespace tsukai::cli
