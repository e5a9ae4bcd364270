// `tsukai chat`: one agent, turn by turn. Every turn is a run that shares all of the one before, so that each
// can be looked at, replayed and gone back to; model and servers stay up between them.
#pragma once

#include <string>

#include "tools/tsukai/run_command.h"

namespace tsukai::cli {

struct ChatArguments {
  RunArguments run;  // Its task is not looked at.
  std::string from;  // A run to go on from; empty: a new conversation.
};

// Messages come a line each from standard input, until its end or /quit. Exit codes as of follow(), of the
// last turn.
int chat_command(Output& output, const ChatArguments& arguments);

}  // namespace tsukai::cli
