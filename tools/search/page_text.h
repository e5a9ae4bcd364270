// Pages as text: what a file of each kind says, as light Markdown, with its title.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tsukai::search {

inline constexpr std::size_t kFileBytesMax = 16u << 20;  // Larger files are left out, with that reason.
inline constexpr std::size_t kTextBytesMax = 2u << 20;  // Of one page; the rest is cut off, and that is said.
inline constexpr std::size_t kTitleBytesMax = 300;

enum class PageKind { kMarkdown, kHtml, kText, kPdf };
std::string_view name(PageKind kind);
// By the ending of its name; nullopt: no page ("photo.png").
std::optional<PageKind> kind_of_file(std::string_view path);

// What the index holds of a page and what read_page gives.
struct PageText {
  std::string title;  // Empty when the page names none.
  std::string text;   // Well-formed UTF-8 without control characters but line breaks and tabs.
  bool cut = false;   // It went on beyond kTextBytesMax.
};

// Front matter (--- ... ---) is dropped, its title kept; else the first heading is the title.
PageText markdown_page(std::string_view bytes);
PageText plain_page(std::string_view bytes);
// Reads anything that calls itself HTML: what a reader sees, as Markdown; scripts, styles, forms and
// navigation are left out. `encoding`: what the transport says (charset of Content-Type); else UTF-8 when the
// bytes are that, else what the page itself declares.
PageText html_page(std::string_view bytes, const std::string& encoding = {});
// The output of pdftotext, whose pages end with form feeds.
PageText pdf_page(std::string_view text);

// Without Markdown's signs: link targets, emphasis, heading marks. For the index and for snippets.
std::string plain_text(std::string_view markdown);

// Repairs UTF-8, drops control characters and byte order marks, ends lines by \n, at most two in a row;
// cuts at kTextBytesMax.
PageText cleaned(std::string title, std::string_view text);

}  // namespace tsukai::search
