#include "tools/tsukai/chat_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "tools/tsukai/approval_prompt.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/line_editor.h"
#include "tools/tsukai/model_path.h"
#include "tools/tsukai/run_view.h"
#include "tools/tsukai/store.h"
#include "tools/tsukai/timeline.h"
#include "tools/tsukai/warm.h"

namespace tsukai::cli {
namespace {

constexpr const char* kChatHelp =
    "  /runs   the id of the run behind the last turn\n"
    "  /quit   end the conversation (so does Ctrl-D); Ctrl-C ends a turn";

// The totals of a turn alone: those of its run less those of the run before, which it shares.
Json without(const Json& totals, const Json& before) {
  Json out = totals;
  for (const char* key : {"model_calls", "tool_calls", "prompt_tokens", "prefilled_tokens", "reused_tokens",
                          "generated_tokens"}) {
    out[key] = integer_at(totals, key) - integer_at(before, key);
  }
  if (out.contains("usd")) out["usd"] = number_at(totals, "usd") - number_at(before, "usd");
  const auto prompt = integer_at(out, "prompt_tokens");
  out["prefix_hit_ratio"] =
      prompt == 0 ? 0.0 : static_cast<double>(integer_at(out, "reused_tokens")) / static_cast<double>(prompt);
  return out;
}

class Conversation {
 public:
  Conversation(Output& output, const ChatArguments& arguments)
      : output_(output),
        arguments_(arguments),
        warm_(open_named_models()),
        view_(output, RunView::Kind::kChat) {}

  int talk();

 private:
  // Nothing at the end of input. kCancelled: Ctrl-C.
  Result<std::optional<std::string>> next_line();
  Task<agent::RunOutcome> begin(const std::string& said);
  Exit turn(const std::string& said);
  Result<void> start();

  Output& output_;
  const ChatArguments& arguments_;
  asio::io_context context_;
  std::optional<LineEditor> editor_;  // Where the terminal can do it.
  Warm warm_;
  RunView view_;
  agent::AgentFile file_;
  std::string last_;  // The run of the last turn; empty before the first.
  JsonValue totals_ = Json::object();
};

Result<void> Conversation::start() {
  if (!arguments_.from.empty()) {
    const RunArguments& run = arguments_.run;
    if (!run.agent.empty() || !run.model.empty() || !run.config.empty() || !run.params.empty()) {
      return fail(Code::kInvalidArgument, "tsukai chat: --from goes on with the agent of that run",
                  "leave out the agent file, --model, --config and -p");
    }
    TSUKAI_TRY(auto store, open_store(arguments_.run.follow.database));
    if (!store) return fail(nothing_stored("run"));
    TSUKAI_TRY(const auto found, store->journal->find(arguments_.from));
    last_ = found.id;
    totals_ = found.totals;
    return {};
  }
  TSUKAI_TRY(file_, agent_of(arguments_.run));
  return {};
}

Result<std::optional<std::string>> Conversation::next_line() {
  if (isatty(STDIN_FILENO) == 0) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::optional<std::string>();
    return std::optional<std::string>(std::move(line));
  }
  if (editor_) return editor_->read("> ");
  output_.note_write("> ");
  return run_interruptible(context_, read_terminal_line());
}

Task<agent::RunOutcome> Conversation::begin(const std::string& said) {
  agent::RuntimeOptions options;
  options.database_path = arguments_.run.follow.database;
  options.user = arguments_.run.follow.user;
  options.threads = arguments_.run.follow.threads;
  options.on_event = [this](const agent::Event& event) { view_.show(event); };
  options.connect = warm_.connect();
  if (person_is_at_hand(output_)) options.decide = ask_at_terminal(output_);
  if (last_.empty()) return agent::run_agent(file_, said, std::move(options), warm_.open_model());
  return agent::fork_run(last_, 0, said, std::move(options), warm_.open_model());
}

Exit Conversation::turn(const std::string& said) {
  output_.busy("starting");
  view_.hear(said);
  const auto& follow = arguments_.run.follow;
  const std::chrono::milliseconds limit(static_cast<std::int64_t>(follow.timeout_s * 1000));
  bool timed_out = false;
  auto outcome = run_interruptible(context_, begin(said), limit, &timed_out);
  output_.idle();
  if (!outcome) return static_cast<Exit>(output_.fail_line(outcome.error()));
  const Exit exit = exit_of(outcome->state, timed_out);
  if (!output_.json()) {
    show_outcome(output_, view_, *outcome, exit, follow, timed_out);
    const std::string totals = totals_text(without(*outcome->totals, *totals_));
    output_.note(output_.paint_note(Style::kDim, wrapped(totals, output_.note_width())));
  }
  last_ = outcome->run_id;
  totals_ = outcome->totals;
  return exit;
}

int Conversation::talk() {
  if (auto started = start(); !started) return output_.fail_line(started.error());
  if (LineEditor::possible()) editor_.emplace();
  if (isatty(STDIN_FILENO) != 0)
    output_.note(output_.paint_note(Style::kDim, "/help says what else there is"));
  Exit exit = Exit::kDone;
  for (;;) {
    auto line = next_line();
    if (!line || !*line) {
      if (isatty(STDIN_FILENO) != 0) output_.note("");
      if (!line) exit = Exit::kInterrupted;
      break;
    }
    const std::string said(trimmed(**line));
    if (said.empty()) continue;
    if (said == "/quit" || said == "/exit") break;
    if (said == "/help") {
      output_.note(kChatHelp);
    } else if (said == "/runs") {
      output_.note(last_.empty() ? "nothing was said yet" : "tsukai runs show " + last_);
    } else if (said.starts_with("/") && said.find(' ') == std::string::npos) {
      output_.note(fmt::format("there is no command {}; /help lists them", printable(said)));
    } else {
      exit = turn(said);
      if (last_.empty() || exit == Exit::kWaiting)
        break;  // It could not start, or a person has to decide first.
    }
  }
  auto closed = run_interruptible(context_, warm_.close());
  if (!closed && exit == Exit::kDone) return output_.fail_line(closed.error());
  if (!last_.empty() && exit != Exit::kWaiting && !output_.json()) {
    output_.note(output_.paint_note(Style::kDim, "go on another time: tsukai chat --from " + last_));
  }
  return static_cast<int>(exit);
}

}  // namespace

int chat_command(Output& output, const ChatArguments& arguments) {
  return Conversation(output, arguments).talk();
}

}  // namespace tsukai::cli
