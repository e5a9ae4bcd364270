// What a run waits for a person to say.
#pragma once

#include <string>
#include <vector>

#include "agent/journal.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct WaitingCall {
  std::string run;       // The call's own: that of another agent when the run that waits gave it a task.
  std::string step_key;  // "step-2/call-1"
  std::string tool;
  JsonValue arguments;
  std::string why;
  bool unknown =
      false;  // Its outcome is not known (`runs resolve`); else it asks for approval (`runs approve`).
  bool asks = false;  // Its server asks something (`runs approve --content`).
};

// Of the run itself, then of those that it waits for.
Result<std::vector<WaitingCall>> waiting_calls(agent::Journal& journal, const std::string& run);

// The one of `calls` that `wanted` names ("" : the only one); of equal names the run's own, and of several
// others' none. kNotFound, kInvalidArgument say what waits.
Result<WaitingCall> waiting_call(const std::vector<WaitingCall>& calls, const std::string& run,
                                 const std::string& wanted);

// "shop.pay {"amount":60}", cut to a line.
std::string call_text(const WaitingCall& call);

// " --db FILE" as it was given, for commands that are told to a person; nothing where it was not.
std::string database_words(const std::string& database);

// The calls on standard error, each with the commands that decide it. `database`: --db as it was given.
void show_waiting(Output& output, const std::string& database, const std::string& run);

}  // namespace tsukai::cli
