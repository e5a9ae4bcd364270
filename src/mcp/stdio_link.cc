// A child process spoken to over its standard input and output.
#include <fmt/format.h>

#include "base/process.h"
#include "base/text.h"
#include "mcp/client_link.h"

namespace tsukai::mcp {
namespace {

constexpr std::size_t kStderrLinesShown = 5;
constexpr std::chrono::milliseconds kFateWait{300};  // Between end of stdout and the exit of the process.

std::string last_lines(const std::string& text, std::size_t count) {
  const auto lines = split(trimmed(text), '\n');
  std::string out;
  for (std::size_t i = lines.size() > count ? lines.size() - count : 0; i < lines.size(); ++i) {
    out += (out.empty() ? "" : " | ") + shortened(lines[i], 300);
  }
  return out;
}

// Shared with the reading coroutine, which may outlive the link by a moment.
struct State {
  // What the server said on the wrong streams.
  std::string notes() const {
    std::string out;
    if (auto said = last_lines(process ? process->stderr_tail() : "", kStderrLinesShown); !said.empty()) {
      out += "; it said: " + said;
    }
    if (junk_lines == 0) return out;
    return out + fmt::format("; it wrote {} line{} to stdout that {} no protocol message{}, the first: {}",
                             junk_lines, junk_lines == 1 ? "" : "s", junk_lines == 1 ? "is" : "are",
                             junk_lines == 1 ? "" : "s", shortened(junk_first, 120));
  }

  void show(Direction direction, std::string_view text) const {
    if (trace) trace(direction, text);
  }

  void take(std::string_view line) {
    if (trimmed(line).empty()) return;
    auto parsed = parse_messages(line);
    if (!parsed) {
      show(Direction::kJunk, line);
      if (junk_lines++ == 0) junk_first = line;
      return;
    }
    show(Direction::kReceived, line);
    for (const auto& message : parsed->messages) {
      if (!process) break;  // The link was destroyed by who heard of the last one.
      events.on_message(message);
    }
  }

  // All that is there. What is sent meanwhile leaves together.
  void take_all(std::string_view first) {
    auto next = process->out().buffered();
    if (next) process->in().hold(true);
    take(first);
    while (process && next) {
      take(*next);
      if (process) next = process->out().buffered();
    }
    if (process) process->in().hold(false);
  }

  std::string name;
  OnMessage trace;
  LinkEvents events;
  std::unique_ptr<Process> process;
  std::size_t junk_lines = 0;
  std::string junk_first;
};

Task<void> read_all(std::shared_ptr<State> state) {
  while (true) {
    auto line = co_await state->process->out().next();
    if (!state->process) break;  // The link was destroyed meanwhile.
    if (!line) {
      const auto code = line.error().code() == Code::kExhausted ? Code::kProtocol : line.error().code();
      state->events.on_broken(Error(code, fmt::format("server {}: {}", state->name, line.error().message())));
      break;
    }
    if (!*line) {
      (void)co_await state->process->wait_exit(kFateWait);
      if (!state->process) break;
      const auto fate = state->process->exited() ? state->process->fate() : "closed its output";
      state->events.on_broken(
          Error(Code::kTransport, fmt::format("server {} {}{}", state->name, fate, state->notes())));
      break;
    }
    state->take_all(**line);
    if (!state->process) break;
  }
  co_return Result<void>();
}

class StdioLink : public ClientLink {
 public:
  explicit StdioLink(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~StdioLink() override {
    state_->process.reset();  // From now on no events.
  }

  Result<void> send(const Message& message, HttpHeaders) override { return push(message); }
  Task<void> post(Message message) override { co_return push(message); }
  void opened(const std::string&) override {}
  std::string stderr_tail() const override { return state_->process->stderr_tail(); }
  std::size_t junk_lines() const override { return state_->junk_lines; }
  std::string notes() const override { return state_->notes(); }
  asio::awaitable<void> shutdown() override { co_await state_->process->shutdown(); }

 private:
  Result<void> push(const Message& message) {
    auto text = print_message(message);
    if (text.size() > kMessageBytesMax) {
      return fail(Code::kExhausted, fmt::format("a message of {} bytes is over the limit of {}", text.size(),
                                                kMessageBytesMax));
    }
    state_->show(Direction::kSent, text);
    return state_->process->in().push(std::move(text));
  }

  std::shared_ptr<State> state_;
};

}  // namespace

Result<std::unique_ptr<ClientLink>> start_stdio_link(asio::any_io_executor executor,
                                                     const ServerConfig& config, OnMessage trace,
                                                     LinkEvents events) {
  ProcessOptions child{config.command, config.args, minimal_environment(), config.cwd, kMessageBytesMax, {}};
  for (const auto& [name, value] : config.env) child.env[name] = value;
  if (trace) {
    child.on_stderr = [trace](std::string_view text) { trace(Direction::kStderr, text); };
  }
  auto state = std::make_shared<State>();
  state->name = config.name;
  state->trace = std::move(trace);
  state->events = std::move(events);
  auto process = Process::start(executor, std::move(child));
  if (!process) return fail(std::move(process).error().in("server " + config.name));
  state->process = *std::move(process);
  // The coroutine owns the state; it ends when the process is shut down or destroyed.
  asio::co_spawn(executor, read_all(state), [](std::exception_ptr error, const Result<void>&) {
    // Whoever waits for an answer goes on inside of it: what it throws is not the link's to swallow.
    if (error) std::rethrow_exception(error);
  });
  return std::make_unique<StdioLink>(std::move(state));
}

}  // namespace tsukai::mcp
