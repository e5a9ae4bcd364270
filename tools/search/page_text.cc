#include "tools/search/page_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace tsukai::search {
namespace {

constexpr auto kEndings = std::to_array<std::pair<std::string_view, PageKind>>({
    {".md", PageKind::kMarkdown},
    {".markdown", PageKind::kMarkdown},
    {".html", PageKind::kHtml},
    {".htm", PageKind::kHtml},
    {".xhtml", PageKind::kHtml},
    {".txt", PageKind::kText},
    {".text", PageKind::kText},
    {".rst", PageKind::kText},
    {".pdf", PageKind::kPdf},
});

// The line at `at` without its end; moves `at` behind it.
std::string_view next_line(std::string_view text, std::size_t& at) {
  const std::size_t end = std::min(text.find('\n', at), text.size());
  std::string_view line = text.substr(at, end - at);
  at = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view unquoted(std::string_view value) {
  value = trimmed(value);
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
    value = value.substr(1, value.size() - 2);
  return value;
}

// The text behind "# ", "## " ...; empty when the line is no heading.
std::string_view heading(std::string_view line) {
  std::size_t marks = 0;
  while (marks < line.size() && line[marks] == '#') ++marks;
  if (marks == 0 || marks > 6 || marks == line.size() || line[marks] != ' ') return {};
  std::string_view text = trimmed(line.substr(marks));
  while (text.ends_with('#')) text.remove_suffix(1);
  return trimmed(text);
}

std::string first_line(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto line = trimmed(next_line(text, at));
    if (!line.empty()) return std::string(line);
  }
  return {};
}

// [text](target) and ![text](target) from `at`, where '[' stands: the text, and where the link ends.
std::optional<std::pair<std::string_view, std::size_t>> link_at(std::string_view line, std::size_t at) {
  const std::size_t close = line.find(']', at);
  if (close == std::string_view::npos || close + 1 >= line.size() || line[close + 1] != '(') return {};
  const std::size_t end = line.find(')', close + 2);
  if (end == std::string_view::npos) return {};
  return std::pair(line.substr(at + 1, close - at - 1), end + 1);
}

void append_plain(std::string& out, std::string_view line) {
  std::string_view rest = trimmed(line);
  if (const auto title = heading(rest); !title.empty()) rest = title;
  while (rest.starts_with("> ")) rest = trimmed(rest.substr(2));
  if (rest.starts_with("- ") || rest.starts_with("* ") || rest.starts_with("+ ")) rest = rest.substr(2);
  // Rulers, fences and the lines under table heads say nothing.
  if (rest.find_first_not_of("-=*_|: `~") == std::string_view::npos) return;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '*' || c == '`' || c == '|' || (c == '!' && i + 1 < rest.size() && rest[i + 1] == '[')) continue;
    if (c == '[') {
      if (const auto link = link_at(rest, i)) {
        out += link->first;
        i = link->second - 1;
        continue;
      }
    }
    out += c;
  }
  out += '\n';
}

}  // namespace

std::string_view name(PageKind kind) {
  switch (kind) {
    case PageKind::kMarkdown:
      return "markdown";
    case PageKind::kHtml:
      return "html";
    case PageKind::kText:
      return "text";
    case PageKind::kPdf:
      return "pdf";
  }
  return "";
}

std::optional<PageKind> kind_of_file(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return {};
  std::string ending(path.substr(dot));
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const auto& [known, kind] : kEndings) {
    if (ending == known) return kind;
  }
  return {};
}

PageText cleaned(std::string title, std::string_view text) {
  PageText page;
  page.cut = text.size() > kTextBytesMax;
  const std::string whole = repaired_utf8(text.substr(0, kTextBytesMax));
  std::string& out = page.text;
  out.reserve(whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto c = static_cast<unsigned char>(whole[i]);
    if (c == '\n' || c == '\f' || (c == '\r' && (i + 1 == whole.size() || whole[i + 1] != '\n'))) {
      while (out.ends_with(' ') || out.ends_with('\t')) out.pop_back();
      if (!out.empty() && !out.ends_with("\n\n")) out += '\n';
    } else if (whole.compare(i, 3, "\xef\xbb\xbf") == 0) {
      i += 2;
    } else if (c == '\t' || (c >= 0x20 && c != 0x7f)) {
      out += whole[i];
    }
  }
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  // Repairing lengthens: a byte that is no UTF-8 becomes three.
  if (out.size() > kTextBytesMax) {
    page.cut = true;
    out.resize(kTextBytesMax);
    out.resize(out.size() - incomplete_utf8_tail(out));
  }
  title = repaired_utf8(title);
  for (char& c : title) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  page.title = std::string(trimmed(title));
  if (page.title.size() > kTitleBytesMax) {
    page.title.resize(kTitleBytesMax);
    page.title.resize(page.title.size() - incomplete_utf8_tail(page.title));
  }
  return page;
}

PageText markdown_page(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  std::string title;
  std::size_t at = 0;
  if (next_line(bytes, at) == "---") {
    while (at < bytes.size()) {
      const auto line = next_line(bytes, at);
      if (line == "---" || line == "...") {
        bytes.remove_prefix(std::min(at, bytes.size()));
        break;
      }
      if (line.starts_with("title:")) title = unquoted(line.substr(6));
    }
  }
  for (at = 0; title.empty() && at < bytes.size();) title = heading(next_line(bytes, at));
  PageText page = cleaned(plain_text(title), bytes);
  return page;
}

PageText plain_page(std::string_view bytes) { return cleaned(first_line(bytes.substr(0, 4096)), bytes); }

PageText pdf_page(std::string_view text) { return cleaned(first_line(text.substr(0, 4096)), text); }

std::string plain_text(std::string_view markdown) {
  std::string out;
  out.reserve(markdown.size());
  for (std::size_t at = 0; at < markdown.size();) append_plain(out, next_line(markdown, at));
  return out;
}

}  // namespace tsukai::search
