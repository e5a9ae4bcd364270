// Asking the person at the terminal about calls that wait for one.
#pragma once

#include <optional>
#include <string>

#include "agent/runtime.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {

// Whether somebody can be asked: standard input and standard error are a terminal, and neither --json nor
// --quiet was given.
bool person_is_at_hand(const Output& output);

// Asks about each waiting call; "later" (or the end of input) leaves it waiting. `output` outlives it.
agent::Decide ask_at_terminal(Output& output);

// The next line of standard input, a terminal, without its line break; nothing at its end. Cancelling ends
// the wait.
Task<std::optional<std::string>> read_terminal_line();

}  // namespace tsukai::cli
