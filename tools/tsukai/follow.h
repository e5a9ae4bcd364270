// Watching a run from its start, or from where it goes on, to its end or its pause.
#pragma once

#include <functional>
#include <string>

#include "agent/runtime.h"
#include "tools/tsukai/output.h"
#include "tools/tsukai/run_view.h"

namespace tsukai::cli {

// What every command that lets a run go on takes.
struct FollowArguments {
  std::string database;  // Empty: the default.
  std::string user;      // Empty: $TSUKAI_USER, else the login name.
  int threads = 0;
  double timeout_s = 0;  // 0: the agent file's budget alone.
};

using BeginRun = std::function<Task<agent::RunOutcome>(agent::RuntimeOptions, agent::OpenModel)>;

// Shows what `begin` does while it does it, then the answer, or why there is none. On a terminal a person is
// asked at once about what waits for one; else the commands that decide it are printed. 0 done, 1 the task
// failed, 2 the arguments are wrong, 3 a component is, 4 stopped by budget, policy or
// --timeout, 5 waiting for a person, 130 interrupted.
int follow(Output& output, const FollowArguments& arguments, const BeginRun& begin);

Exit exit_of(agent::RunState state, bool timed_out);
// The answer of a run, or why there is none.
void show_outcome(Output& output, RunView& view, const agent::RunOutcome& outcome, Exit exit,
                  const FollowArguments& arguments, bool timed_out);

}  // namespace tsukai::cli
