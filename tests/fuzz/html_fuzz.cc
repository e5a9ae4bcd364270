// Any bytes as HTML, Markdown and plain text: well-formed, bounded text, never a crash; and marks in it stay
// within it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "tools/search/page_text.h"
#include "tools/search/query.h"
#include "tools/search/snippet.h"

using namespace tsukai;
using namespace tsukai::search;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const PageText& page : {html_page(bytes), markdown_page(bytes), plain_page(bytes)}) {
    if (!valid_utf8(page.text) || !valid_utf8(page.title) || page.text.size() > kTextBytesMax) std::abort();
    const std::string plain = plain_text(page.text);
    const auto terms = parse_query(std::string_view(plain).substr(0, 60));
    if (!terms) continue;
    if (!valid_utf8(snippet(plain, *terms))) std::abort();
  }
  return 0;
}
