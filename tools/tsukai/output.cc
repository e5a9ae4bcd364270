#include "tools/tsukai/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "tools/tsukai/progress.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kTerminalCellsDefault = 80;
constexpr std::size_t kTerminalLinesDefault = 24;
constexpr std::size_t kBusyCells = 14;  // Beside the label of what takes long: the spinner, and for how long.

bool environment_says(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool dumb_terminal() {
  const char* term = std::getenv("TERM");
  return term == nullptr || std::strcmp(term, "dumb") == 0 || *term == '\0';
}

std::string_view code_of(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kGreen:
      return "\x1b[32m";
    case Style::kYellow:
      return "\x1b[33m";
    case Style::kCyan:
      return "\x1b[36m";
  }
  return "";
}

std::size_t cells_of(int terminal) {
  winsize size{};
  if (ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kTerminalCellsDefault;
}

std::string painted(Style style, std::string_view text, bool colours) {
  if (!colours || style == Style::kPlain) return std::string(text);
  return fmt::format("{}{}\x1b[0m", code_of(style), text);
}

}  // namespace

// Keeps the thread out of the header.
class Output::Progress : public ProgressLine {
  using ProgressLine::ProgressLine;
};

Output::Output(bool json, bool quiet)
    : json_(json),
      quiet_(quiet),
      out_terminal_(isatty(STDOUT_FILENO) != 0),
      err_terminal_(isatty(STDERR_FILENO) != 0) {
  const bool colours = !environment_says("NO_COLOR") && !dumb_terminal();
  out_colours_ = out_terminal_ && colours;
  err_colours_ = err_terminal_ && colours;
  if (err_terminal_ && !dumb_terminal() && !quiet && !json)
    progress_ = std::make_unique<Progress>(STDERR_FILENO);
}

Output::~Output() = default;

std::size_t Output::width() const { return out_terminal_ ? cells_of(STDOUT_FILENO) : 0; }
std::size_t Output::note_width() const { return err_terminal_ ? cells_of(STDERR_FILENO) : 0; }
std::size_t Output::note_height() const {
  if (!progress_) return 0;
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row
                                                                         : kTerminalLinesDefault;
}

void Output::put(int stream, std::string_view text) {
  idle();
  while (!text.empty()) {
    const ssize_t written = ::write(stream, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (stream == STDOUT_FILENO && write_errno_ == 0) write_errno_ = errno;
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Output::write(std::string_view text) { put(STDOUT_FILENO, text); }
void Output::line(std::string_view text) { put(STDOUT_FILENO, std::string(text) + "\n"); }

void Output::table(const Table& table) {
  const auto lines = table.lines(width(), !quiet_);
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += (i == 0 && !quiet_ ? paint(Style::kDim, lines[i]) : lines[i]) + "\n";
  }
  write(text);
}

void Output::document(const Json& value) { line(print_json_pretty(value)); }
void Output::json_line(const Json& value) { line(print_json(value)); }

void Output::note(std::string_view text) { note_write(std::string(text) + "\n"); }
void Output::note_write(std::string_view text) {
  if (quiet_ || json_) return;
  put(STDERR_FILENO, text);
}

Json error_json(const Error& error) {
  Json body = {{"code", std::string(name(error.code()))}, {"message", error.message()}};
  if (!error.remedy().empty()) body["remedy"] = error.remedy();
  return {{"error", std::move(body)}};
}

int Output::fail(const Error& error) {
  if (json_) {
    document(error_json(error));
  } else {
    put(STDERR_FILENO, fmt::format("{} {}\n", paint_note(Style::kRed, "tsukai:"), printable(error.text())));
  }
  return static_cast<int>(exit_code(error.code()));
}

int Output::fail_line(const Error& error) {
  if (!json_) return fail(error);
  json_line(error_json(error));
  return static_cast<int>(exit_code(error.code()));
}

std::string Output::paint(Style style, std::string_view text) const {
  return painted(style, text, out_colours_);
}
std::string Output::paint_note(Style style, std::string_view text) const {
  return painted(style, text, err_colours_);
}

void Output::busy(std::string label) {
  // What does not fit on the line can't be drawn in place.
  if (progress_) progress_->show(cut_to_width(label, std::max(note_width(), 2 * kBusyCells) - kBusyCells));
}
void Output::idle() {
  if (progress_) progress_->hide();
}

int Output::finish(int exit) {
  idle();
  if (write_errno_ == 0 || write_errno_ == EPIPE) return exit;
  put(STDERR_FILENO,
      fmt::format("tsukai: standard output could not be written: {}\n", std::strerror(write_errno_)));
  return exit == 0 ? static_cast<int>(Exit::kComponent) : exit;
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number < 0 ? -number : number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return number < 0 ? "-" + digits : digits;
}

std::string duration_text(std::int64_t ms) {
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (ms < 60'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
  return fmt::format("{} min {:02} s", ms / 60'000, ms % 60'000 / 1000);
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"kB", "MB", "GB", "TB"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string ago_text(std::int64_t then_ms, std::int64_t now_ms) {
  const std::int64_t seconds = (now_ms - then_ms) / 1000;
  if (seconds < 1) return "now";
  if (seconds < 60) return fmt::format("{} s ago", seconds);
  if (seconds < 3600) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 86'400) return fmt::format("{} h ago", seconds / 3600);
  return fmt::format("{} d ago", seconds / 86'400);
}

std::string counted(std::int64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", grouped(count), count == 1 ? one : many);
}

}  // namespace tsukai::cli
