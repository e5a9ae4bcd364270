// `tsukai agent check`: every mistake in an agent file at once.
#pragma once

#include <string>
#include <vector>

#include "tools/tsukai/output.h"

namespace tsukai::cli {

// `params`: NAME=VALUE as for `tsukai run`; a parameter without a value stands for itself.
int agent_check_command(Output& output, const std::string& path, const std::vector<std::string>& params);

}  // namespace tsukai::cli
