#include "tools/support/program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace tsukai::cli {
namespace {

constexpr std::chrono::seconds kProgramSecondsMax{60};

[[noreturn]] void become(const Home& home, const std::vector<std::string>& words) {
  if (::chdir(home.path().c_str()) != 0) _exit(126);
  std::vector<std::string> variables;
  for (const auto& [name, value] : home.environment) variables.push_back(name + "=" + value);
  std::vector<char*> environment, arguments;
  for (std::string& variable : variables) environment.push_back(variable.data());
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  environment.push_back(nullptr);
  arguments.push_back(nullptr);
  ::execve(arguments[0], arguments.data(), environment.data());
  _exit(127);
}

}  // namespace

Home::Home() {
  const char* path = std::getenv("PATH");
  environment = {{"PATH", path == nullptr ? "/usr/bin:/bin" : path},
                 {"HOME", folder_.path()},
                 {"XDG_DATA_HOME", folder_ / "data"},
                 {"XDG_CACHE_HOME", folder_ / "cache"},
                 {"LANG", "C.UTF-8"},
                 {"TSUKAI_USER", "tester"}};
}

Program::Program(const Home& home, std::vector<std::string> words, Streams streams) {
  if (streams == Streams::kTerminal) {
    winsize size{};
    size.ws_col = 80;
    size.ws_row = 24;
    pid_ = ::forkpty(&out_, nullptr, nullptr, &size);
    if (pid_ == 0) become(home, words);
  } else {
    int out[2], err[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      const int nothing = ::open("/dev/null", O_RDONLY);
      ::dup2(nothing, STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(err[1], STDERR_FILENO);
      become(home, words);
    }
    ::close(out[1]);
    ::close(err[1]);
    out_ = out[0];
    err_ = err[0];
  }
  if (pid_ < 0) throw std::runtime_error("fork");
}

Program::~Program() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const int stream : {out_, err_}) {
    if (stream >= 0) ::close(stream);
  }
}

void Program::send_signal(int signal) { ::kill(pid_, signal); }

void Program::type(std::string_view text) {
  if (::write(out_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("typing");
}

void Program::wait_for_output(std::string_view part) {
  const auto deadline = std::chrono::steady_clock::now() + kProgramSecondsMax;
  while (seen_.find(part, waited_for_) == std::string::npos) {
    pollfd stream = {out_, POLLIN, 0};
    char buffer[4096];
    if (std::chrono::steady_clock::now() > deadline || ::poll(&stream, 1, 1000) < 0)
      throw std::runtime_error("no such output");
    if (stream.revents == 0) continue;
    const ssize_t count = ::read(out_, buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error("the output ended");
    seen_.append(buffer, static_cast<std::size_t>(count));
  }
  waited_for_ = seen_.find(part, waited_for_) + part.size();
}

Finished Program::finish() {
  Finished finished;
  finished.out = seen_;
  const auto deadline = std::chrono::steady_clock::now() + kProgramSecondsMax;
  pollfd streams[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  std::string* texts[2] = {&finished.out, &finished.err};
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      ::kill(pid_, SIGKILL);
      finished.err += "\n(killed by the test: it took too long)";
      break;
    }
    ::poll(streams, 2, static_cast<int>(left.count()));
    for (int i = 0; i < 2; ++i) {
      if (streams[i].fd < 0 || streams[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = ::read(streams[i].fd, buffer, sizeof buffer);
      // A pseudo-terminal whose other side is closed gives EIO.
      if (count <= 0) {
        streams[i].fd = -1;
      } else {
        texts[i]->append(buffer, static_cast<std::size_t>(count));
      }
    }
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  finished.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

std::string tsukai_program() { return std::string(TSUKAI_BIN_DIR) + "/tsukai"; }

Finished tsukai(const Home& home, std::vector<std::string> words) {
  return Program(home, std::vector<std::string>{tsukai_program()} + words).finish();
}

Finished tsukai_on_terminal(const Home& home, std::vector<std::string> words) {
  return Program(home, std::vector<std::string>{tsukai_program()} + words, Program::Streams::kTerminal)
      .finish();
}

std::vector<std::string> toy_server(const Home& home) {
  return {"sh", std::string(TSUKAI_SOURCE_DIR) + "/tests/tools/support/toy_server.sh", home.path()};
}

std::string wait_for_file(const std::string& path) {
  for (int i = 0; i < 2000; ++i) {
    std::string text = read_file(path);
    if (text.ends_with('\n')) return text;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw std::runtime_error(path + " never came");
}

std::vector<std::string> operator+(std::vector<std::string> left, const std::vector<std::string>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace tsukai::cli
