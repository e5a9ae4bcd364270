// The command line: flags and arguments to commands.
#pragma once

namespace tsukai::cli {

// Parses, runs the command, and gives the exit code (base/error.h, Exit).
int run_command_line(int argc, char** argv);

}  // namespace tsukai::cli
