#include "tools/tsukai/columns.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

#include "base/result.h"
#include "base/text.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kGapCells = 2;
constexpr std::size_t kShrunkCellsMin = 8;

struct Character {
  utf8proc_int32_t code = 0;
  std::size_t bytes = 1;
  std::size_t cells = 1;
};

// REQUIRES: `text` is valid UTF-8 and `at` begins a character.
Character character_at(std::string_view text, std::size_t at) {
  utf8proc_int32_t code = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                      static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  if (bytes <= 0) return {0xFFFD, 1, 1};
  return {code, static_cast<std::size_t>(bytes),
          static_cast<std::size_t>(std::max(0, utf8proc_charwidth(code)))};
}

bool reorders(utf8proc_int32_t code) {
  return (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

std::string one_line(std::string_view text) {
  std::string line = printable(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\t', ' ');
  return line;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t cells = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    cells += character.cells;
    at += character.bytes;
  }
  return cells;
}

std::string cut_to_width(std::string_view text, std::size_t cells) {
  const std::string line = one_line(text);
  if (display_width(line) <= cells) return line;
  if (cells == 0) return {};
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < line.size()) {
    const Character character = character_at(line, at);
    if (used + character.cells > cells - 1) break;
    used += character.cells;
    at += character.bytes;
  }
  return line.substr(0, at) + "…";
}

std::string printable(std::string_view text) {
  const std::string repaired = repaired_utf8(text);
  std::string out;
  out.reserve(repaired.size());
  for (std::size_t at = 0; at < repaired.size();) {
    const Character character = character_at(repaired, at);
    if (character.code == '\n' || character.code == '\t') {
      out += static_cast<char>(character.code);
    } else if (character.code == '\r') {
      if (at + 1 >= repaired.size() || repaired[at + 1] != '\n') out += "^M";
    } else if (character.code < 0x20 || character.code == 0x7F) {
      out += '^';
      out += static_cast<char>(character.code == 0x7F ? '?' : character.code + 0x40);
    } else if ((character.code >= 0x80 && character.code < 0xA0) || reorders(character.code)) {
      out += fmt::format("U+{:04X}", character.code);
    } else {
      out.append(repaired, at, character.bytes);
    }
    at += character.bytes;
  }
  return out;
}

void Table::add(std::vector<std::string> cells) {
  TSUKAI_CHECK(cells.size() == columns_.size(), "a row has as many cells as the table has columns");
  for (std::string& cell : cells) cell = one_line(cell);
  rows_.push_back(std::move(cells));
}

std::vector<std::string> Table::lines(std::size_t width, bool titles) const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t widest = titles ? display_width(columns_[c].title) : 0;
    for (const auto& row : rows_) widest = std::max(widest, display_width(row[c]));
    widths.push_back(widest);
  }
  std::size_t total = columns_.empty() ? 0 : kGapCells * (columns_.size() - 1);
  for (std::size_t cells : widths) total += cells;
  // What is too much is taken from the widest shrinking column first, one cell at a time.
  while (width > 0 && total > width) {
    std::size_t widest = columns_.size();
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (!columns_[c].shrinks || widths[c] <= kShrunkCellsMin) continue;
      if (widest == columns_.size() || widths[c] > widths[widest]) widest = c;
    }
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  std::vector<std::string> lines;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string cell = cut_to_width(cells[c], widths[c]);
      const std::string padding(widths[c] - std::min(widths[c], display_width(cell)), ' ');
      if (c > 0) line.append(kGapCells, ' ');
      line += columns_[c].align == Align::kRight ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  };
  if (titles) {
    std::vector<std::string> names;
    for (const Column& column : columns_) names.push_back(column.title);
    add_line(names);
  }
  for (const auto& row : rows_) add_line(row);
  return lines;
}

}  // namespace tsukai::cli
