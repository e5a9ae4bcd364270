// HTML as a reader sees it, from the events of libxml2's forgiving parser: no tree is built, so neither depth
// nor the number of elements costs memory beyond the text itself.
#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "tools/search/page_text.h"

namespace tsukai::search {
namespace {

// What these hold is no text of the page. Sorted.
constexpr auto kHidden = std::to_array<std::string_view>(
    {"aside", "audio", "button", "canvas", "footer", "iframe", "math", "nav", "noscript", "object", "script",
     "select", "style", "svg", "template", "textarea", "video"});
// These begin and end a line. Sorted.
constexpr auto kBlocks = std::to_array<std::string_view>(
    {"address", "article", "blockquote", "body",     "br",         "caption", "dd", "details",
     "div",     "dl",      "dt",         "fieldset", "figcaption", "figure",  "h1", "h2",
     "h3",      "h4",      "h5",         "h6",       "header",     "hr",      "li", "main",
     "ol",      "p",       "pre",        "section",  "summary",    "table",   "tr", "ul"});
static_assert(std::is_sorted(kHidden.begin(), kHidden.end()));
static_assert(std::is_sorted(kBlocks.begin(), kBlocks.end()));

constexpr std::size_t kHrefBytesMax = 500;

template <std::size_t n>
bool among(const std::array<std::string_view, n>& sorted, std::string_view name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

class Reader {
 public:
  void open(std::string_view element, const char* const* attributes) {
    if (!hidden_by_.empty()) {
      if (element == hidden_by_) ++hidden_depth_;
      return;
    }
    if (among(kHidden, element)) {
      hidden_by_ = element;
      hidden_depth_ = 1;
    } else if (element == "title") {
      in_title_ = true;
    } else if (among(kBlocks, element)) {
      line_break();
      if (element.size() == 2 && element[0] == 'h' && element[1] >= '1' && element[1] <= '6') {
        text_.append(static_cast<std::size_t>(element[1] - '0'), '#') += ' ';
        heading_at_ = text_.size();
      } else if (element == "li") {
        text_ += "- ";
      }
    } else if (element == "td" || element == "th") {
      if (!text_.empty() && !text_.ends_with('\n')) text_ += " | ";
    } else if (element == "a") {
      end_link();
      for (; attributes != nullptr && attributes[0] != nullptr; attributes += 2) {
        if (std::string_view(attributes[0]) == "href" && attributes[1] != nullptr) href_ = attributes[1];
      }
      // Only targets that Markdown can hold and a reader can follow.
      if (href_.size() > kHrefBytesMax || href_.starts_with("#") || href_.starts_with("javascript:") ||
          href_.starts_with("data:") || href_.find_first_of(" ()<>\n\r\t") != std::string::npos) {
        href_.clear();
      }
      if (!href_.empty()) {
        text_ += '[';
        link_at_ = text_.size();
      }
    }
  }

  void close(std::string_view element) {
    if (!hidden_by_.empty()) {
      if (element == hidden_by_ && --hidden_depth_ == 0) hidden_by_.clear();
      return;
    }
    if (element == "title") {
      in_title_ = false;
    } else if (element == "a") {
      end_link();
    } else if (among(kBlocks, element)) {
      if (element == "h1" && first_heading_.empty() && heading_at_ <= text_.size())
        first_heading_ = trimmed(std::string_view(text_).substr(heading_at_));
      line_break();
      if (element == "p" || element[0] == 'h') text_ += text_.empty() ? "" : "\n";
    }
  }

  void characters(std::string_view piece) {
    if (!hidden_by_.empty() || text_.size() > kTextBytesMax) return;
    if (in_title_) {
      if (title_.size() < 2 * kTitleBytesMax) title_ += piece;
      return;
    }
    for (const char c : piece) {
      const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
      if (!blank)
        text_ += c;
      else if (!text_.empty() && !text_.ends_with(' ') && !text_.ends_with('\n'))
        text_ += ' ';
    }
  }

  PageText page() {
    end_link();
    const bool more = text_.size() > kTextBytesMax;
    PageText page = cleaned(plain_text(title_.empty() ? first_heading_ : title_), text_);
    page.cut = page.cut || more;
    return page;
  }

 private:
  void line_break() {
    end_link();
    while (text_.ends_with(' ')) text_.pop_back();
    if (!text_.empty() && !text_.ends_with('\n')) text_ += '\n';
  }

  void end_link() {
    if (href_.empty()) return;
    if (trimmed(std::string_view(text_).substr(link_at_)).empty()) {
      text_.resize(link_at_ - 1);  // A link without words, such as one around a picture.
    } else {
      text_ += "](" + href_ + ")";
    }
    href_.clear();
  }

  std::string text_, title_, first_heading_, href_, hidden_by_;
  int hidden_depth_ = 0;
  bool in_title_ = false;
  std::size_t link_at_ = 0, heading_at_ = std::string::npos;
};

std::string_view view(const xmlChar* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

void on_open(void* reader, const xmlChar* element, const xmlChar** attributes) {
  static_cast<Reader*>(reader)->open(view(element), reinterpret_cast<const char* const*>(attributes));
}
void on_close(void* reader, const xmlChar* element) { static_cast<Reader*>(reader)->close(view(element)); }
void on_characters(void* reader, const xmlChar* text, int size) {
  static_cast<Reader*>(reader)->characters(
      {reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)});
}
void on_error(void*, const char*, ...) {}  // Real pages are full of errors, and all can be read.

}  // namespace

PageText html_page(std::string_view bytes, const std::string& encoding) {
  const std::string_view body = bytes.substr(0, kFileBytesMax);
  Reader reader;
  htmlSAXHandler handler = {};
  handler.startElement = on_open;
  handler.endElement = on_close;
  handler.characters = on_characters;
  handler.ignorableWhitespace = on_characters;
  handler.warning = on_error;
  handler.error = on_error;
  if (body.empty()) return {};
  htmlParserCtxtPtr context = htmlCreateMemoryParserCtxt(body.data(), static_cast<int>(body.size()));
  if (context == nullptr) return {};
  *context->sax = handler;
  context->userData = &reader;
  htmlCtxtUseOptions(context,
                     HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET);
  // A declaration that is wrong is commoner than another encoding that happens to be well-formed UTF-8.
  const std::string named = valid_utf8(body) ? "UTF-8" : encoding;
  if (!named.empty()) {
    if (xmlCharEncodingHandlerPtr decoder = xmlFindCharEncodingHandler(named.c_str()))
      xmlSwitchToEncoding(context, decoder);
  }
  htmlParseDocument(context);
  htmlFreeParserCtxt(context);
  return reader.page();
}

}  // namespace tsukai::search
