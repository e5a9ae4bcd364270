#include "tools/search/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "tools/search/snippet.h"
#include "tools/search/words.h"

namespace tsukai::search {
namespace {

struct Range {
  std::size_t offset = 0, limit = 0;
};
Range range_of(const Json& arguments, std::int64_t otherwise) {
  return {static_cast<std::size_t>(integer_at(arguments, "offset", 0)),
          static_cast<std::size_t>(integer_at(arguments, "limit", otherwise))};
}

// Waits until the index is up to date; what is read is told as progress.
Task<void> up_to_date(Library& library, mcp::CallContext& context) {
  co_return co_await library.refresh_if_due([&context](double done, double total, std::string message) {
    context.progress(done, total, std::move(message));
  });
}

// kNotFound when `wanted` is none of the sources.
Result<void> check_source(Service& service, const std::string& wanted) {
  if (wanted.empty()) return {};
  std::vector<std::string> names;
  if (service.library) {
    TSUKAI_TRY(names, service.library->index().source_names());
  }
  if (service.web) names.push_back(kWebSource);
  if (std::find(names.begin(), names.end(), wanted) != names.end()) return {};
  return fail(Code::kNotFound, fmt::format("there is no source \"{}\"", shortened(wanted, 60)),
              fmt::format("leave source out, or give one of: {}", fmt::join(names, ", ")));
}

Json result_json(const std::string& page, const std::string& title, const std::string& snippet,
                 const std::string& source, std::string_view kind) {
  return {{"page", page}, {"title", title}, {"snippet", snippet}, {"source", source}, {"kind", kind}};
}

std::string result_lines(const Json& results, std::size_t offset) {
  std::string text;
  for (const Json& one : results) {
    text += fmt::format("{}. {} [{}]\n   {}\n", ++offset, string_at(one, "title"), string_at(one, "page"),
                        string_at(one, "snippet"));
  }
  return text;
}

mcp::ToolOutput search_output(const std::string& query, Json results, Range range, bool more,
                              const std::vector<std::string>& missing, bool all) {
  std::string text;
  if (results.empty()) {
    text = range.offset > 0 ? fmt::format("No more results for \"{}\".\n", shortened(query, 80))
                            : fmt::format(
                                  "Nothing matches \"{}\". Try fewer or other words; list_sources tells "
                                  "what there is.\n",
                                  shortened(query, 80));
  } else {
    if (!missing.empty()) text += fmt::format("No page holds: {}.\n", fmt::join(missing, ", "));
    if (!all) text += "No page holds all of these words; these hold some of them.\n";
    text += result_lines(results, range.offset);
  }
  const std::size_t next = range.offset + results.size();
  Json structured = {{"query", query}, {"results", std::move(results)}, {"missing", missing}};
  if (more) {
    structured["next_offset"] = next;
    text += fmt::format("More: the same query with offset {}.\n", next);
  }
  text.pop_back();
  return {std::move(structured), std::move(text), {}};
}

Task<mcp::ToolOutput> search_web(Web& web, std::string query, Range range) {
  const std::size_t wanted = std::min(range.offset + range.limit + 1, Web::kResultsMax);
  TSUKAI_CO_TRY(const auto found, co_await web.search(query, wanted));
  Json results = Json::array();
  for (std::size_t i = range.offset; i < std::min(found.size(), range.offset + range.limit); ++i) {
    results.push_back(
        result_json(found[i].url, found[i].title, shortened(found[i].snippet, 300), kWebSource, "html"));
  }
  const bool more = found.size() > range.offset + range.limit;
  co_return search_output(query, std::move(results), range, more, {}, true);
}

bool is_url(const std::string& page) {
  std::string start = page.substr(0, page.find(':') + 1);
  for (char& c : start) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return page.find("://") != std::string::npos && !start.empty();
}

mcp::ToolOutput page_output(Json about, const std::string& text, std::int64_t characters, bool cut,
                            Range range) {
  const auto offset = static_cast<std::int64_t>(range.offset);
  auto [piece, next] = stretch(text, offset, static_cast<std::int64_t>(range.limit));
  const bool more = next < characters;
  about["text"] = piece;
  about["offset"] = offset;
  about["characters"] = characters;
  about["cut"] = cut;
  std::string shown =
      offset == 0 ? fmt::format("{} [{}]\n\n{}", string_at(about, "title"), string_at(about, "page"), piece)
                  : piece;
  if (more) {
    about["next_offset"] = next;
    shown +=
        fmt::format("\n\n(Characters {} to {} of {}. Go on with offset {}.)", offset, next, characters, next);
  } else if (cut) {
    shown += "\n\n(The page goes on, but no more of it was read.)";
  }
  return {std::move(about), std::move(shown), {}};
}

tl::unexpected<Error> beyond(const std::string& page, std::int64_t offset, std::int64_t characters) {
  return fail(
      Code::kInvalidArgument,
      fmt::format("offset {} is beyond the end of {}, which has {} characters", offset, page, characters),
      "give a smaller offset; 0 is the beginning");
}

Task<mcp::ToolOutput> read_web_page(Service& service, std::string url, Range range) {
  if (!service.web) {
    co_return fail(
        Code::kUnsupported,
        fmt::format("{} is a web page, and this server reads only its folders", shortened(url, 120)),
        "give a page from the results of search");
  }
  TSUKAI_CO_TRY(const WebPage page, co_await service.web->read(url));
  const std::int64_t characters = characters_of(page.page.text);
  if (range.offset > 0 && static_cast<std::int64_t>(range.offset) >= characters)
    co_return beyond(url, static_cast<std::int64_t>(range.offset), characters);
  co_return page_output(
      {{"page", page.url}, {"title", page.page.title}, {"source", kWebSource}, {"kind", name(page.kind)}},
      page.page.text, characters, page.page.cut, range);
}

}  // namespace

Stretch stretch(std::string_view text, std::int64_t offset, std::int64_t limit) {
  const auto skip = [&](std::size_t at, std::int64_t characters) {
    for (; at < text.size() && characters > 0; --characters) {
      ++at;
      while (at < text.size() && (text[at] & 0xc0) == 0x80) ++at;
    }
    return at;
  };
  const std::size_t begin = skip(0, offset);
  std::size_t end = skip(begin, limit);
  if (end < text.size()) {
    // Within the last fifth, a line's end is a better place to stop, then a space.
    const std::size_t least = begin + (end - begin) * 4 / 5;
    for (const char stop : {'\n', ' '}) {
      const std::size_t at = text.rfind(stop, end - 1);
      if (at == std::string_view::npos || at < least || at < begin) continue;
      end = at + 1;
      break;
    }
  }
  const std::string_view piece = text.substr(begin, end - begin);
  return {std::string(piece), offset + characters_of(piece)};
}

Task<mcp::ToolOutput> search_pages(Service& service, Json arguments, mcp::CallContext& context) {
  const std::string query = string_at(arguments, "query");
  const std::string source = string_at(arguments, "source");
  const Range range = range_of(arguments, kResultsDefault);
  TSUKAI_CO_TRY_VOID(check_source(service, source));
  TSUKAI_CO_TRY(const auto terms, parse_query(query));
  if (!service.library || source == kWebSource) co_return co_await search_web(*service.web, query, range);
  TSUKAI_CO_TRY_VOID(co_await up_to_date(*service.library, context));
  Index& index = service.library->index();
  TSUKAI_CO_TRY(const Found found, index.search(terms, source, range.offset, range.limit));
  Json results = Json::array();
  for (const Page& page : found.pages) {
    TSUKAI_CO_TRY(const std::string text, index.text(page.id));
    results.push_back(result_json(page.address(), page.title, snippet(plain_text(text), found.terms),
                                  page.source, name(page.kind)));
  }
  co_return search_output(query, std::move(results), range, found.more, found.missing, found.all);
}

Task<mcp::ToolOutput> read_page(Service& service, Json arguments, mcp::CallContext& context) {
  const std::string address = string_at(arguments, "page");
  const Range range = range_of(arguments, kReadDefault);
  if (is_url(address)) co_return co_await read_web_page(service, address, range);
  if (!service.library) {
    co_return fail(Code::kInvalidArgument,
                   fmt::format("page is \"{}\", which is no URL", shortened(address, 120)),
                   "give a page from the results of search, as it is written there");
  }
  TSUKAI_CO_TRY_VOID(co_await up_to_date(*service.library, context));
  Index& index = service.library->index();
  TSUKAI_CO_TRY(const Page page, index.page(address));
  if (!page.problem.empty()) {
    co_return fail(Code::kInvalidArgument, fmt::format("{} could not be read: {}", address, page.problem),
                   "read another page");
  }
  if (range.offset > 0 && static_cast<std::int64_t>(range.offset) >= page.characters)
    co_return beyond(address, static_cast<std::int64_t>(range.offset), page.characters);
  TSUKAI_CO_TRY(const std::string text, index.text(page.id));
  co_return page_output(
      {{"page", page.address()}, {"title", page.title}, {"source", page.source}, {"kind", name(page.kind)}},
      text, page.characters, page.cut, range);
}

Task<mcp::ToolOutput> list_sources(Service& service, Json arguments, mcp::CallContext& context) {
  const std::string wanted = string_at(arguments, "source");
  const Range range = range_of(arguments, kListedMax);
  TSUKAI_CO_TRY_VOID(check_source(service, wanted));
  Json all = Json::array(), pages = Json::array();
  std::string text;
  std::optional<std::size_t> next;
  if (service.library) {
    TSUKAI_CO_TRY_VOID(co_await up_to_date(*service.library, context));
    Index& index = service.library->index();
    TSUKAI_CO_TRY(const auto sources, index.sources());
    for (const Source& source : sources) {
      const std::string& name = source.folder.name;
      if (!wanted.empty() && wanted != name) continue;
      std::int64_t count = 0;
      for (const auto& [kind, number] : source.pages) count += number;
      TSUKAI_CO_TRY(const auto problems, index.pages(name, true, 0, kProblemsShown));
      Json skipped = Json::array();
      for (const Page& page : problems) skipped.push_back({{"page", page.address()}, {"why", page.problem}});
      text += fmt::format("{}: a folder of {} pages", name, count);
      if (source.skipped > 0) text += fmt::format("; {} files could not be read", source.skipped);
      text += '\n';
      all.push_back({{"name", name},
                     {"kind", "folder"},
                     {"pages", count},
                     {"pages_by_kind", source.pages},
                     {"characters", source.characters},
                     {"skipped", source.skipped},
                     {"skipped_pages", skipped}});
      if (wanted.empty()) continue;
      TSUKAI_CO_TRY(const auto listed, index.pages(name, false, range.offset, range.limit + 1));
      for (std::size_t i = 0; i < std::min(listed.size(), range.limit); ++i) {
        pages.push_back({{"page", listed[i].address()}, {"title", listed[i].title}});
        text += fmt::format("- {} [{}]\n", listed[i].title, listed[i].address());
      }
      if (listed.size() > range.limit) next = range.offset + range.limit;
    }
  }
  if (service.web && (wanted.empty() || wanted == kWebSource)) {
    const char* engine = service.web->options().engine == Engine::kSearxng ? "SearXNG" : "Brave Search";
    all.push_back({{"name", kWebSource}, {"kind", "web"}, {"engine", engine}});
    text += fmt::format("web: the web, searched through {}\n", engine);
  }
  Json structured = {{"sources", std::move(all)}, {"pages", std::move(pages)}};
  if (next) {
    structured["next_offset"] = *next;
    text += fmt::format("More: the same source with offset {}.\n", *next);
  }
  if (!text.empty()) text.pop_back();
  co_return mcp::ToolOutput{std::move(structured), std::move(text), {}};
}

}  // namespace tsukai::search
