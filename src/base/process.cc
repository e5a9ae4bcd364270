#include "base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>
#include <list>

#include "base/text.h"

namespace tsukai {
namespace {

constexpr std::chrono::milliseconds kPollWithoutPidfd{5};
constexpr std::chrono::milliseconds kDrainStep{1};

struct Pipe {
  int read = -1, write = -1;
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  ~Pipe() {
    if (read >= 0) ::close(read);
    if (write >= 0) ::close(write);
  }
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
  int take_read() { return std::exchange(read, -1); }
  int take_write() { return std::exchange(write, -1); }
};

// The file to execute: execvp's search done beforehand, since after fork nothing may allocate.
Result<std::string> locate(const ProcessOptions& options) {
  const auto missing = [&](std::string_view where) {
    return fail(Code::kNotFound, fmt::format("command not found: {}{}", options.command, where),
                "check the spelling, install it, or give its full path");
  };
  if (options.command.find('/') != std::string::npos) {
    const std::string path = options.command.front() == '/' || options.cwd.empty()
                                 ? options.command
                                 : options.cwd + "/" + options.command;
    if (::access(path.c_str(), F_OK) != 0) return missing("");
    return options.command;
  }
  const auto it = options.env.find("PATH");
  const std::string paths = it != options.env.end() ? it->second : "/usr/local/bin:/usr/bin:/bin";
  for (const auto& folder : split(paths, ':')) {
    const std::string path = (folder.empty() ? "." : folder) + "/" + options.command;
    struct stat info{};
    if (::access(path.c_str(), X_OK) == 0 && ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode))
      return path;
  }
  return missing(" (looked in PATH)");
}

struct Spawn {
  const char* path;
  char* const* argv;
  char* const* envp;
  const char* cwd;  // nullptr: stay
  pid_t parent;
  int in, out, err, report;
};
struct Report {
  int error;
  int stage;  // 0: cwd, 1: exec
};

// Runs in the child between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(const Spawn& spawn) {
  Report report{0, 0};
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != spawn.parent) ::_exit(127);  // The parent died before the line above.
  struct sigaction fresh{};
  fresh.sa_handler = SIG_DFL;
  for (int number = 1; number < 32; ++number) ::sigaction(number, &fresh, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(spawn.in, 0);
  ::dup2(spawn.out, 1);
  ::dup2(spawn.err, 2);
  if (spawn.cwd != nullptr && ::chdir(spawn.cwd) != 0) {
    report = {errno, 0};
  } else {
#ifdef SYS_close_range
    ::syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
#endif
    ::execve(spawn.path, spawn.argv, spawn.envp);
    report = {errno, 1};
  }
  (void)!::write(spawn.report, &report, sizeof report);
  ::_exit(127);
}

}  // namespace

std::map<std::string, std::string> minimal_environment() {
  std::map<std::string, std::string> out;
  for (const char* name :
       {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"}) {
    if (const char* value = std::getenv(name)) out[name] = value;
  }
  return out;
}

struct Process::State {
  State(asio::any_io_executor given, pid_t child, int in_fd, int out_fd, int err_fd, ProcessOptions options)
      : executor(given),
        pid(child),
        in(given, in_fd),
        out(given, out_fd, options.line_bytes_max),
        err(given, err_fd, kStderrBytesKept),
        pidfd(given),
        on_stderr(std::move(options.on_stderr)) {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    boost::system::error_code ignored;
    if (fd >= 0) pidfd.assign(fd, ignored);
  }

  // Has the child exited? Then its group is killed (the group id is ours until the child is reaped) and it is
  // reaped.
  bool reap() {
    if (status) return true;
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
      status = 0;  // Somebody else reaped it.
      return true;
    }
    if (info.si_pid == 0) return false;
    ::kill(-pid, SIGKILL);
    int raw = 0;
    ::waitpid(pid, &raw, 0);
    status = raw;
    for (auto* waiter : waiters) waiter->cancel();
    return true;
  }

  // Waits until the child has exited, without reaping it.
  static asio::awaitable<void> watch(std::shared_ptr<State> self) {
    while (!self->status) {
      boost::system::error_code error;
      if (self->pidfd.is_open()) {
        co_await self->pidfd.async_wait(asio::posix::stream_descriptor::wait_read,
                                        asio::redirect_error(asio::use_awaitable, error));
        if (self->closed || self->status) co_return;
        // What it wrote last is still in the pipes; grandchildren that hold them open die in reap().
        for (auto waited = kDrainStep; waited < kDrainWait && !(self->out.ended() && self->err.ended());
             waited += kDrainStep) {
          asio::steady_timer drain(self->executor, kDrainStep);
          co_await drain.async_wait(asio::redirect_error(asio::use_awaitable, error));
        }
      } else {
        asio::steady_timer pause(self->executor, kPollWithoutPidfd);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      }
      if (self->closed) co_return;
      self->reap();
    }
  }

  static asio::awaitable<void> drain_stderr(std::shared_ptr<State> self) {
    while (true) {
      auto chunk = co_await self->err.next_chunk();
      if (!chunk || !*chunk) co_return;
      if (self->on_stderr) self->on_stderr(**chunk);
      self->tail += **chunk;
      if (self->tail.size() > kStderrBytesKept) self->tail.erase(0, self->tail.size() - kStderrBytesKept);
    }
  }

  asio::any_io_executor executor;
  pid_t pid;
  LineWriter in;
  LineReader out;
  LineReader err;
  asio::posix::stream_descriptor pidfd;
  std::list<asio::steady_timer*> waiters;  // Cancelled when the child has been reaped.
  std::function<void(std::string_view)> on_stderr;
  std::string tail;
  std::optional<int> status;  // As waitpid gives it.
  bool closed = false;
};

Result<std::unique_ptr<Process>> Process::start(asio::any_io_executor executor, ProcessOptions options) {
  TSUKAI_TRY(const std::string path, locate(options));
  Pipe in, out, err, report;
  if (!in.open() || !out.open() || !err.open() || !report.open()) {
    return fail(Code::kExhausted, fmt::format("no pipe for {}: {}", options.command, std::strerror(errno)));
  }
  std::vector<std::string> words = {options.command};
  words.insert(words.end(), options.args.begin(), options.args.end());
  std::vector<std::string> settings;
  for (const auto& [name, value] : options.env) settings.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  for (auto& word : words) argv.push_back(word.data());
  for (auto& setting : settings) envp.push_back(setting.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const Spawn spawn{
      path.c_str(), argv.data(), envp.data(), options.cwd.empty() ? nullptr : options.cwd.c_str(),
      ::getpid(),   in.read,     out.write,   err.write,
      report.write};
  const pid_t pid = ::fork();
  if (pid < 0)
    return fail(Code::kExhausted, fmt::format("can't start {}: {}", options.command, std::strerror(errno)));
  if (pid == 0) become(spawn);
  ::setpgid(pid, pid);  // In the child as well: whoever comes first.
  ::close(report.take_write());
  Report failed{};
  ssize_t got;
  do got = ::read(report.read, &failed, sizeof failed);
  while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof failed)) {
    ::waitpid(pid, nullptr, 0);
    if (failed.stage == 0) {
      return fail(Code::kNotFound, fmt::format("cwd {}: {}", options.cwd, std::strerror(failed.error)));
    }
    const Code code = failed.error == ENOENT   ? Code::kNotFound
                      : failed.error == EACCES ? Code::kDenied
                                               : Code::kUnsupported;
    return fail(code, fmt::format("can't execute {}: {}", path, std::strerror(failed.error)),
                failed.error == ENOENT ? "its interpreter (the #! line) is missing"
                                       : "check its permissions and format");
  }
  auto state = std::make_shared<State>(executor, pid, in.take_write(), out.take_read(), err.take_read(),
                                       std::move(options));
  // Both end when the child has; they own the state meanwhile.
  asio::co_spawn(executor, State::watch(state), [](std::exception_ptr) {});
  asio::co_spawn(executor, State::drain_stderr(state), [](std::exception_ptr) {});
  return std::unique_ptr<Process>(new Process(std::move(state)));
}

Process::Process(std::shared_ptr<State> state) : state_(std::move(state)) {}

Process::~Process() {
  state_->closed = true;
  if (!state_->status) {
    ::kill(-state_->pid, SIGKILL);
    int raw = 0;
    ::waitpid(state_->pid, &raw, 0);
    state_->status = raw;
  }
  boost::system::error_code ignored;
  state_->pidfd.close(ignored);
  state_->in.close();
  state_->out.close();
  state_->err.close();
}

pid_t Process::pid() const { return state_->pid; }
LineWriter& Process::in() { return state_->in; }
LineReader& Process::out() { return state_->out; }
bool Process::exited() const { return state_->status.has_value(); }
const std::string& Process::stderr_tail() const { return state_->tail; }

std::string Process::fate() const {
  if (!state_->status) return "is running";
  const int status = *state_->status;
  if (WIFSIGNALED(status)) {
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("exited with status {}", WEXITSTATUS(status));
}

asio::awaitable<bool> Process::wait_exit(std::chrono::milliseconds limit) {
  auto state = state_;
  if (!state->status) {
    asio::steady_timer timer(state->executor, limit);
    struct Listed {
      State& state;
      std::list<asio::steady_timer*>::iterator at;
      ~Listed() { state.waiters.erase(at); }
    } listed{*state, state->waiters.insert(state->waiters.end(), &timer)};
    boost::system::error_code error;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
  co_return state->status.has_value();
}

asio::awaitable<void> Process::shutdown() {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  auto state = state_;
  if (!state->status) {
    state->in.close();
    if (!co_await wait_exit(kCloseWait)) {
      ::kill(-state->pid, SIGTERM);
      if (!co_await wait_exit(kTermWait)) {
        ::kill(-state->pid, SIGKILL);
        while (!co_await wait_exit(kTermWait)) {
        }
      }
    }
  }
  state->closed = true;
  state->out.close();
  state->err.close();
}

}  // namespace tsukai
