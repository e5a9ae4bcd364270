// Who a process is, so that another can tell whether it still lives.
#pragma once

#include <string>

namespace tsukai::agent {

// "PID/START/BOOT/NONCE": start in clock ticks since boot, the kernel's boot id, and letters that differ with
// every call (one process may hold several journals).
std::string new_owner();

// Whether the process that made `owner` lives on this machine since then. A text this can't read counts as
// alive: its lease ends by time.
bool owner_alive(const std::string& owner);

// "process 4711", for messages.
std::string describe_owner(const std::string& owner);

}  // namespace tsukai::agent
