#include "tools/tsukai/approval_prompt.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "agent/decisions.h"
#include "base/text.h"
#include "tools/tsukai/waiting.h"

namespace tsukai::cli {
namespace {

// Words that mean nothing are asked again this often.
constexpr int kAsksMax = 20;
constexpr std::size_t kLineBytesMax = 4096;

bool means(std::string_view answer, std::string_view word) {
  return !answer.empty() && word.substr(0, answer.size()) == answer;
}

std::string lower(std::string_view text) {
  std::string out;
  for (const char letter : trimmed(text)) {
    out += letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return out;
}

void show_call(Output& output, const WaitingCall& call) {
  output.note(fmt::format("{} {} {}", output.paint_note(Style::kYellow, "?"), call.step_key,
                          output.paint_note(Style::kBold, printable(call.tool))));
  for (const std::string& line : split(print_json_pretty(*call.arguments), '\n')) {
    output.note("    " + printable(line));
  }
  output.note(output.paint_note(Style::kDim, "    " + printable(call.why)));
}

Task<std::optional<std::string>> ask(Output* output, std::string question) {
  output->idle();
  output->note_write("  " + question + " ");
  co_return co_await read_terminal_line();
}

// True: decided.
Task<bool> ask_approval(Output* output, agent::Journal* journal, std::string run, WaitingCall call) {
  for (int asks = 0; asks < kAsksMax; ++asks) {
    TSUKAI_CO_TRY(const auto line, co_await ask(output, "allow it? [y]es, [n]o, [l]ater:"));
    if (!line) co_return false;
    const std::string answer = lower(*line);
    if (means(answer, "later")) co_return false;
    const bool yes = means(answer, "yes");
    if (!yes && !means(answer, "no")) continue;
    std::string reason;
    if (!yes) {
      TSUKAI_CO_TRY(const auto why, co_await ask(output, "why? (the model is told; may be empty):"));
      reason = std::string(trimmed(why.value_or("")));
    }
    TSUKAI_CO_TRY_VOID(journal->give_approval(run, call.step_key, yes, agent::default_user(), reason));
    co_return true;
  }
  co_return false;
}

Task<bool> ask_outcome(Output* output, agent::Journal* journal, std::string run, WaitingCall call) {
  for (int asks = 0; asks < kAsksMax; ++asks) {
    TSUKAI_CO_TRY(const auto line,
                  co_await ask(output, "did it happen? [d]one, [r]etry it, [a]bort the run, [l]ater:"));
    if (!line) co_return false;
    const std::string answer = lower(*line);
    if (means(answer, "later")) co_return false;
    auto resolution = agent::Resolution::kDone;
    std::string result;
    if (means(answer, "retry")) {
      resolution = agent::Resolution::kRetry;
    } else if (means(answer, "abort")) {
      resolution = agent::Resolution::kAbort;
    } else if (means(answer, "done")) {
      TSUKAI_CO_TRY(const auto text, co_await ask(output, "what did it answer? (the model is told):"));
      result = text.value_or("");
    } else {
      continue;
    }
    TSUKAI_CO_TRY_VOID(
        agent::resolve_call(*journal, run, call.step_key, resolution, result, agent::default_user()));
    co_return true;
  }
  co_return false;
}

Task<bool> ask_about(Output* output, agent::Journal* journal, std::string run) {
  co_await asio::this_coro::throw_if_cancelled(false);
  TSUKAI_CO_TRY(const auto calls, waiting_calls(*journal, run));
  bool decided = false;
  for (const WaitingCall& call : calls) {
    show_call(*output, call);
    bool this_one = false;
    if (call.asks) {
      output->note(fmt::format("    answer: tsukai runs approve {} {} --content '{{...}}' | --deny", call.run,
                               call.step_key));
    } else if (call.unknown) {
      TSUKAI_CO_TRY(this_one, co_await ask_outcome(output, journal, call.run, call));
    } else {
      TSUKAI_CO_TRY(this_one, co_await ask_approval(output, journal, call.run, call));
    }
    decided = decided || this_one;
  }
  co_return decided;
}

}  // namespace

bool person_is_at_hand(const Output& output) {
  return isatty(STDIN_FILENO) != 0 && output.err_is_terminal() && !output.json() && !output.quiet();
}

agent::Decide ask_at_terminal(Output& output) {
  return [out = &output](agent::Journal& journal, std::string run) {
    return ask_about(out, &journal, std::move(run));
  };
}

Task<std::optional<std::string>> read_terminal_line() {
  // Asio makes what it waits for non-blocking, and standard output shares its state with standard input (and
  // with the shell behind them): so the terminal is opened once more.
  char name[256];
  const int terminal =
      ::ttyname_r(STDIN_FILENO, name, sizeof name) == 0 ? ::open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
  if (terminal < 0) co_return std::optional<std::string>();
  asio::posix::stream_descriptor input(co_await asio::this_coro::executor, terminal);
  std::string line(kLineBytesMax, '\0');
  ssize_t count = -1;
  while (count < 0) {
    boost::system::error_code failed;
    co_await input.async_wait(asio::posix::stream_descriptor::wait_read,
                              asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return fail(Code::kCancelled, "interrupted");
    // A terminal gives a line at a time.
    count = ::read(terminal, line.data(), line.size());
    if (count < 0 && errno != EINTR && errno != EAGAIN) break;
  }
  if (count <= 0) co_return std::optional<std::string>();
  line.resize(static_cast<std::size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  co_return std::optional<std::string>(std::move(line));
}

}  // namespace tsukai::cli
