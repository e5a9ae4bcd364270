// Lines that a person types at a terminal, with the editing keys and the recall of earlier lines one is used
// to.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace tsukai::cli {

// Over libedit, on standard input and standard error. What was typed is remembered as long as this lives and
// written nowhere. One at a time in a process; blocks.
class LineEditor {
 public:
  // Whether this terminal can move its cursor (TERM); else lines are read plainly.
  static bool possible();

  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Without its line break; nothing at the end of input (Ctrl-D on an empty line). Ctrl-C ends the process,
  // the terminal put right.
  std::optional<std::string> read(const std::string& prompt);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tsukai::cli
