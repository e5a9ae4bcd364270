// Text on a terminal: how wide it is, how it is cut, aligned and made safe to show.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tsukai::cli {

// Cells that `text` takes on a terminal: East Asian wide characters take two, combining marks none. No line
// breaks.
std::size_t display_width(std::string_view text);

// At most `cells` cells, with an ellipsis where something was cut; line breaks become spaces.
std::string cut_to_width(std::string_view text, std::size_t cells);

// What a server or a model said, made harmless: escape sequences, other control characters and bidirectional
// overrides are spelled out ("^[", "U+202E"); line breaks and tabs stay; malformed UTF-8 becomes U+FFFD.
std::string printable(std::string_view text);

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  bool shrinks = false;  // Gives way when the terminal is too narrow.
};

// Rows under titles. Cells are made printable; a line break inside a cell becomes a space.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // REQUIRES: as many cells as columns.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Lines without trailing spaces. `width` 0: as wide as needed. `titles` false: rows alone.
  std::vector<std::string> lines(std::size_t width, bool titles) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tsukai::cli
