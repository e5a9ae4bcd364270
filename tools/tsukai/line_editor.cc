#include "tools/tsukai/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace tsukai::cli {
namespace {

constexpr int kLinesMax = 1000;  // Remembered.

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string prompt;

  static char* prompt_of(EditLine* editor) {
    State* state = nullptr;
    el_get(editor, EL_CLIENTDATA, &state);
    return state->prompt.data();
  }
};

bool LineEditor::possible() {
  const char* term = std::getenv("TERM");
  return term != nullptr && *term != '\0' && std::string_view(term) != "dumb" && isatty(STDIN_FILENO) != 0 &&
         isatty(STDERR_FILENO) != 0;
}

LineEditor::LineEditor() : state_(std::make_unique<State>()) {
  std::setlocale(LC_CTYPE, "");  // Letters of more than one byte are one letter to the cursor.
  state_->history = history_init();
  history(state_->history, &state_->event, H_SETSIZE, kLinesMax);
  history(state_->history, &state_->event, H_SETUNIQUE, 1);
  state_->editor = el_init("tsukai", stdin, stderr, stderr);
  el_set(state_->editor, EL_CLIENTDATA, state_.get());
  el_set(state_->editor, EL_PROMPT, &State::prompt_of);
  el_set(state_->editor, EL_EDITOR, "emacs");
  el_set(state_->editor, EL_SIGNAL, 1);
  el_set(state_->editor, EL_HIST, history, state_->history);
  el_set(state_->editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  // Ctrl-D typed before the editor had the terminal (while a turn was on its way) comes as a zero byte: the
  // kernel's mark for an end of input within lines.
  el_set(state_->editor, EL_BIND, "^@", "em-delete-or-list", nullptr);
}

LineEditor::~LineEditor() {
  el_end(state_->editor);
  history_end(state_->history);
}

std::optional<std::string> LineEditor::read(const std::string& prompt) {
  state_->prompt = prompt;
  int count = 0;
  const char* line = el_gets(state_->editor, &count);
  if (line == nullptr || count <= 0) return std::nullopt;
  std::string text(line, static_cast<std::size_t>(count));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (!text.empty()) history(state_->history, &state_->event, H_ENTER, text.c_str());
  return text;
}

}  // namespace tsukai::cli
