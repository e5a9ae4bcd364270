// `tsukai doctor`: what works on this machine, what is missing, what to do.
#pragma once

#include <string>

#include "tools/tsukai/output.h"

namespace tsukai::cli {

// 0 the core works (a processor's kernels, the database), 3 it does not.
int doctor_command(Output& output, const std::string& database);

}  // namespace tsukai::cli
