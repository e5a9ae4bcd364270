// `tsukai mcp pins`: definitions of tools as they were first used, and changes that wait for a person.
#pragma once

#include <string>

#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct PinArguments {
  std::string database;
  std::string server;  // Empty: all.
  std::string tool;    // Empty: all of the server's.
};

int mcp_pins_list_command(Output& output, const PinArguments& arguments);
int mcp_pins_accept_command(Output& output, const PinArguments& arguments);
int mcp_pins_forget_command(Output& output, const PinArguments& arguments);

}  // namespace tsukai::cli
