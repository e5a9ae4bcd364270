// Saying what was wrong with a command line, in one sentence.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace tsukai::cli {

// What the parser knows of the command that was being read when it stopped.
struct CommandShape {
  std::string path;                   // "tsukai runs show"
  std::vector<std::string> commands;  // Its subcommands,
  std::vector<std::string> flags;     // its flags ("--json"),
  std::vector<std::string> needed;  // and the positional arguments that it can't do without and did not get.
};

// A word that fits nowhere: an unknown flag or command (names the nearest), or one argument too many.
Error unexpected_word(const CommandShape& shape, const std::string& word);
// Something is missing: a subcommand, or an argument.
Error incomplete(const CommandShape& shape);
// A flag's value is missing or of the wrong kind.
Error wrong_value(const CommandShape& shape, const std::string& what);

}  // namespace tsukai::cli
