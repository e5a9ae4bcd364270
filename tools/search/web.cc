#include "tools/search/web.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/http_client.h"
#include "base/json.h"
#include "base/text.h"

namespace tsukai::search {
namespace {

constexpr auto kTimeMax = std::chrono::seconds(20);
constexpr std::size_t kResultsAskedPages = 10;  // Pages of the engine's answers for one query.

const char* engine_name(Engine engine) { return engine == Engine::kSearxng ? "SearXNG" : "the search API"; }

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

bool is_http(const std::string& url) {
  const std::size_t end = url.find("://");
  if (end == std::string::npos) return false;
  const std::string scheme = url.substr(0, end);
  return (equal_ignoring_case(scheme, "http") || equal_ignoring_case(scheme, "https")) &&
         url.size() > end + 3;
}

// Brave marks hits with <strong>; SearXNG may hold entities. One line of plain text.
std::string plain_line(const std::string& html) {
  const std::string text = plain_text(html_page(html).text);
  return std::string(trimmed(shortened(text, 1'000)));
}

// "text/html; charset=Shift_JIS" -> "Shift_JIS"
std::string charset_of(const std::string& content_type) {
  const std::size_t at = content_type.find("charset=");
  if (at == std::string::npos) return {};
  std::string name = content_type.substr(at + 8);
  std::erase(name, '"');
  return name.substr(0, name.find_first_of("; "));
}

tl::unexpected<Error> engine_error(Engine engine, int status) {
  if (status == 401 || status == 403) {
    return fail(Code::kDenied, fmt::format("{} refused the request (HTTP {})", engine_name(engine), status),
                engine == Engine::kSearxng
                    ? "the operator must add json to search.formats in SearXNG's settings"
                    : "the operator must check the key");
  }
  if (status == 429)
    return fail(Code::kExhausted,
                fmt::format("{} takes no more requests now (HTTP 429)", engine_name(engine)),
                "wait a minute and ask again");
  return fail(Code::kTransport, fmt::format("{} answered HTTP {}", engine_name(engine), status),
              "ask again later");
}

}  // namespace

Result<std::vector<WebResult>> parse_results(Engine engine, const std::string& body) {
  auto json = parse_json(body, {.bytes_max = Web::kAnswerBytesMax, .depth_max = 64});
  const Json* list = nullptr;
  if (json && engine == Engine::kSearxng) list = find(*json, "results");
  if (json && engine == Engine::kBrave) {
    // No "web" member: nothing was found.
    const Json* web = find(*json, "web");
    if (web == nullptr && json->is_object()) return std::vector<WebResult>();
    if (web != nullptr) list = find(*web, "results");
  }
  if (list == nullptr || !list->is_array()) {
    return fail(Code::kProtocol, fmt::format("{} gave no list of results", engine_name(engine)),
                "the operator must check its URL");
  }
  std::vector<WebResult> results;
  for (const Json& one : *list) {
    WebResult result{plain_line(string_at(one, "title")), string_at(one, "url"),
                     plain_line(string_at(one, engine == Engine::kSearxng ? "content" : "description"))};
    if (!is_http(result.url) || result.url.size() > 2'000) continue;
    if (result.title.empty()) result.title = result.url;
    results.push_back(std::move(result));
  }
  return results;
}

Result<Web> Web::make(WebOptions options) {
  if (!is_http(options.url)) {
    return fail(Code::kInvalidArgument, fmt::format("\"{}\" is no URL of a search engine", options.url),
                "write http://... or https://...");
  }
  while (options.url.ends_with('/')) options.url.pop_back();
  return Web(std::move(options));
}

Task<std::vector<WebResult>> Web::ask(std::string query, std::size_t page) {
  HttpRequest request;
  request.timeout_max = kTimeMax;
  request.body_bytes_max = kAnswerBytesMax;
  request.headers = {{"Accept", "application/json"}};
  if (options_.engine == Engine::kSearxng) {
    request.url = fmt::format("{}/search?q={}&format=json&pageno={}", options_.url, escaped(query), page + 1);
  } else {
    request.url = fmt::format("{}{}q={}&count=20&offset={}", options_.url,
                              options_.url.find('?') == std::string::npos ? '?' : '&', escaped(query), page);
    if (!options_.key.empty()) request.headers.emplace_back("X-Subscription-Token", options_.key);
  }
  const auto client = HttpClient::make(co_await asio::this_coro::executor);
  TSUKAI_CO_TRY(const auto answer, co_await client->fetch(std::move(request)));
  if (answer.status != 200) co_return engine_error(options_.engine, answer.status);
  co_return parse_results(options_.engine, answer.body);
}

Task<std::vector<WebResult>> Web::search(std::string query, std::size_t wanted) {
  std::vector<WebResult> all;
  for (std::size_t page = 0; page < kResultsAskedPages && all.size() < wanted; ++page) {
    auto found = co_await ask(query, page);
    // Later pages that an engine refuses end the list; the first ones are still an answer.
    if (!found && (page == 0 || found.error().code() == Code::kCancelled))
      co_return fail(std::move(found).error().in("search the web"));
    if (!found || found->empty()) break;
    std::size_t fresh = 0;
    for (WebResult& result : *found) {
      const bool known = std::any_of(all.begin(), all.end(),
                                     [&](const WebResult& other) { return other.url == result.url; });
      if (!known) all.push_back(std::move(result)), ++fresh;
    }
    if (fresh == 0) break;  // An engine that knows no pages gives the first one again.
  }
  if (all.size() > wanted) all.resize(wanted);
  co_return all;
}

Task<WebPage> Web::read(std::string url) {
  if (!is_http(url)) {
    co_return fail(Code::kInvalidArgument, fmt::format("{} is no http or https URL", shortened(url, 120)),
                   "give a page from the results of search");
  }
  for (const auto& [asked, page] : kept_) {
    if (asked == url) co_return page;
  }
  auto page = co_await fetch(url);
  if (!page) co_return fail(std::move(page).error().in("read " + shortened(url, 120)));
  kept_.emplace_front(url, *page);
  if (kept_.size() > kPagesKept) kept_.pop_back();
  co_return *std::move(page);
}

Task<WebPage> Web::fetch(std::string url) {
  HttpRequest request;
  request.url = url;
  request.headers = {{"Accept", "text/html, text/plain, text/markdown, application/xhtml+xml"}};
  request.timeout_max = kTimeMax;
  request.body_bytes_max = kFileBytesMax;
  request.redirects_max = kRedirectsMax;
  request.public_addresses_only = !options_.allow_private;
  const auto client = HttpClient::make(co_await asio::this_coro::executor);
  auto answer = co_await client->fetch(std::move(request));
  if (!answer && answer.error().code() == Code::kDenied) {
    co_return fail(std::move(answer).error().with_remedy(
        "give another page; the operator can allow private addresses with --allow-private"));
  }
  if (!answer) co_return fail(std::move(answer).error());
  if (answer->status == 404 || answer->status == 410)
    co_return fail(Code::kNotFound, fmt::format("there is no such page (HTTP {})", answer->status),
                   "give a page from the results of search");
  if (answer->status != 200)
    co_return fail(Code::kTransport, fmt::format("the server answered HTTP {}", answer->status),
                   "read another page");
  const std::string type = header_text(answer->headers, "Content-Type");
  const std::string bare(trimmed(std::string_view(type).substr(0, type.find(';'))));
  WebPage page{answer->url, PageKind::kHtml, {}};
  if (bare == "text/html" || bare == "application/xhtml+xml" || bare.empty()) {
    page.page = html_page(answer->body, charset_of(type));
  } else if (bare == "text/markdown") {
    page.kind = PageKind::kMarkdown;
    page.page = markdown_page(answer->body);
  } else if (bare.starts_with("text/") || bare == "application/json") {
    page.kind = PageKind::kText;
    page.page = plain_page(answer->body);
  } else {
    co_return fail(Code::kUnsupported, fmt::format("it is {}, not a page of text", shortened(bare, 60)),
                   "read another page");
  }
  if (page.page.title.empty()) page.page.title = page.url;
  co_return page;
}

}  // namespace tsukai::search
