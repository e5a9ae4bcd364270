#include "agent/journal_owner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/random.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

struct ProcessState {
  bool known = false;  // /proc told.
  char state = '?';
  std::string start;
};

// proc(5), /proc/PID/stat: after the command in parentheses, state is field 3 and starttime field 22.
ProcessState process_state(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::string line;
  if (!std::getline(in, line)) return {};
  const auto close = line.rfind(')');
  if (close == std::string::npos) return {};
  std::istringstream fields(line.substr(close + 1));
  ProcessState process;
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    if (number == 3) process.state = field[0];
    if (number == 22) {
      process.start = field;
      process.known = true;
      break;
    }
  }
  return process;
}

std::string boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

}  // namespace

std::string new_owner() {
  const std::string pid = std::to_string(getpid());
  return fmt::format("{}/{}/{}/{}", pid, process_state(pid).start, boot_id(), random_id(6));
}

bool owner_alive(const std::string& owner) {
  const auto parts = split(owner, '/');
  if (parts.size() != 4 || parts[0].find_first_not_of("0123456789") != std::string::npos || parts[0].empty())
    return true;
  if (parts[2] != boot_id()) return false;
  const ProcessState process = process_state(parts[0]);
  // Without a readable /proc nothing can be told of a process that exists.
  if (!process.known) return access("/proc/self/stat", R_OK) != 0;
  return process.start == parts[1] && process.state != 'Z' && process.state != 'X';
}

std::string describe_owner(const std::string& owner) { return "process " + owner.substr(0, owner.find('/')); }

}  // namespace tsukai::agent
