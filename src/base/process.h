// A child process in a group of its own, spoken to over pipes, and gone when its owner is.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/lines.h"
#include "base/task.h"

namespace tsukai {

struct ProcessOptions {
  std::string command;  // A path, or a name looked up in the PATH of `env`.
  std::vector<std::string> args;
  std::map<std::string, std::string> env;  // All the child sees.
  std::string cwd;                         // Empty: this process's.
  std::size_t line_bytes_max = 16u << 20;
  std::function<void(std::string_view)> on_stderr;  // Called with each piece as it comes.
};

// PATH, HOME, LANG, TMPDIR and the like from this process, without anything that could be a secret.
std::map<std::string, std::string> minimal_environment();

// Lives on one executor's thread. The child gets SIGKILL when the thread that started it ends
// (PR_SET_PDEATHSIG), so start children from a thread that lives as long as they should.
class Process {
 public:
  static constexpr std::size_t kStderrBytesKept = 64u << 10;
  static constexpr std::chrono::milliseconds kCloseWait{500};   // After stdin was closed, before SIGTERM.
  static constexpr std::chrono::milliseconds kTermWait{1'000};  // After SIGTERM, before SIGKILL.
  static constexpr std::chrono::milliseconds kDrainWait{
      100};  // For output left in the pipes of a child that exited.

  // kNotFound: the command (or cwd) does not exist; kDenied: not executable; kExhausted: no more processes or
  // pipes.
  static Result<std::unique_ptr<Process>> start(asio::any_io_executor executor, ProcessOptions options);
  // Kills the group at once if shutdown() was not awaited.
  ~Process();

  pid_t pid() const;
  LineWriter& in();
  LineReader& out();

  // True once the child itself has exited (its grandchildren are killed then).
  bool exited() const;
  // "exited with status 3", "was killed by signal 9 (Killed)"; "is running" before.
  std::string fate() const;
  // Resumes when the child has exited or `limit` has passed; true if it has.
  asio::awaitable<bool> wait_exit(std::chrono::milliseconds limit);

  // What it wrote last to stderr, at most kStderrBytesKept.
  const std::string& stderr_tail() const;

  // Closes stdin, waits, SIGTERM, waits, SIGKILL to the whole group; resumes when all are gone. Idempotent.
  asio::awaitable<void> shutdown();

 private:
  struct State;
  explicit Process(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tsukai
