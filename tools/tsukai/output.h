// What a command says: results on standard output, everything else on standard error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "tools/tsukai/columns.h"

namespace tsukai::cli {

enum class Style { kPlain, kBold, kDim, kRed, kGreen, kYellow, kCyan };

// Colours and progress only on a terminal, colours also not with NO_COLOR or TERM=dumb; plain when piped.
// Used from one thread; the progress line draws from a thread of its own.
class Output {
 public:
  // Looks at the standard streams and the environment.
  Output(bool json, bool quiet);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  bool json() const { return json_; }
  bool quiet() const { return quiet_; }
  bool out_is_terminal() const { return out_terminal_; }
  bool err_is_terminal() const { return err_terminal_; }
  // Cells of the terminal of standard output; 0: not a terminal, no limit.
  std::size_t width() const;
  // The same of standard error.
  std::size_t note_width() const;
  // Lines of the terminal of standard error where what was written can be drawn again; 0 where it can't.
  std::size_t note_height() const;

  // Standard output: the result. `line` ends it with a line break.
  void write(std::string_view text);
  void line(std::string_view text);
  void table(const Table& table);
  // One JSON document, indented; or one line of JSON Lines.
  void document(const Json& value);
  void json_line(const Json& value);

  // Standard error: what a person may want to know beside the result. Nothing with --quiet or --json.
  void note(std::string_view text);
  void note_write(std::string_view text);
  // "tsukai: what; remedy" on standard error; with --json {"error":{code,message,remedy}} on standard output.
  // Gives the exit code that belongs to the error.
  int fail(const Error& error);
  // The same on one line, for JSON Lines.
  int fail_line(const Error& error);

  // `text` in a style of standard output, or of standard error.
  std::string paint(Style style, std::string_view text) const;
  std::string paint_note(Style style, std::string_view text) const;

  // Shows "label 2.3 s" on the terminal of standard error once it has lasted a second, until idle() or the
  // next output.
  void busy(std::string label);
  void idle();

  // The exit code, or kComponent after saying so when standard output could not be written (a full disk; a
  // reader that went away is no failure).
  int finish(int exit);

 private:
  void put(int stream, std::string_view text);

  bool json_, quiet_;
  bool out_terminal_, err_terminal_, out_colours_, err_colours_;
  int write_errno_ = 0;
  class Progress;
  std::unique_ptr<Progress> progress_;
};

// "1,234,567", "840 ms", "2.3 s", "4 min 05 s", "98.1 MB", "3 min ago".
std::string grouped(std::int64_t number);
std::string duration_text(std::int64_t ms);
std::string bytes_text(std::uint64_t bytes);
std::string ago_text(std::int64_t then_ms, std::int64_t now_ms);
// "1 tool", "2 tools".
std::string counted(std::int64_t count, std::string_view one, std::string_view many);

Json error_json(const Error& error);

}  // namespace tsukai::cli
