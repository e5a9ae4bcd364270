// `tsukai runs`: the journal, read.
#pragma once

#include <cstdint>
#include <string>

#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct RunsArguments {
  std::string database;
  std::string run;    // An id, the beginning of one, or "last".
  std::string state;  // list: only these
  std::size_t count = 20;
  bool prompts = false;  // show: the prompt of each model call, rebuilt from the journal.
};

int runs_list_command(Output& output, const RunsArguments& arguments);
int runs_show_command(Output& output, const RunsArguments& arguments);
// 0 the chain of hashes is intact, 3 it is not: a line per defect.
int runs_verify_command(Output& output, const RunsArguments& arguments);

}  // namespace tsukai::cli
