// `tsukai agent check`: every mistake in an agent file at once.
#pragma once

#include <string>

#include "tools/tsukai/output.h"

namespace tsukai::cli {

int agent_check_command(Output& output, const std::string& path);

}  // namespace tsukai::cli
