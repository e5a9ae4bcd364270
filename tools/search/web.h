// The web, when an operator configures it: a search engine's HTTP API, and pages by their URLs.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/task.h"
#include "tools/search/page_text.h"

namespace tsukai::search {

enum class Engine {
  kSearxng,  // GET URL/search?format=json (SearXNG; `json` must be among its search.formats).
  kBrave,    // GET URL?q=... with X-Subscription-Token (Brave's web search, and what speaks like it).
};

struct WebOptions {
  Engine engine = Engine::kSearxng;
  std::string url;             // http or https.
  std::string key;             // Brave's; never printed.
  bool allow_private = false;  // Pages of private addresses may be read; else only public ones.
};

struct WebResult {
  std::string title, url, snippet;
};

struct WebPage {
  std::string url;  // After redirects.
  PageKind kind = PageKind::kHtml;
  PageText page;
};

// Lives on one executor's thread. Asks the configured engine and reads pages; nothing else leaves the
// machine.
class Web {
 public:
  static constexpr const char* kBraveUrl = "https://api.search.brave.com/res/v1/web/search";
  static constexpr std::size_t kResultsMax = 100;           // That one query can page through.
  static constexpr std::size_t kAnswerBytesMax = 4u << 20;  // Of the engine.
  static constexpr int kRedirectsMax = 5;
  static constexpr std::size_t kPagesKept = 8;  // Read lately; reading on in one does not fetch it again.

  // kInvalidArgument: the URL is not http or https.
  static Result<Web> make(WebOptions options);

  const WebOptions& options() const { return options_; }

  // Results [0, wanted), fewer at the end. Errors name the engine and what its operator can do.
  Task<std::vector<WebResult>> search(std::string query, std::size_t wanted);

  // kInvalidArgument: no http or https URL, or something that is no text. kDenied: a private address, also
  // behind a name or a redirect. kNotFound and kTransport: what the server said.
  Task<WebPage> read(std::string url);

 private:
  explicit Web(WebOptions options) : options_(std::move(options)) {}
  Task<std::vector<WebResult>> ask(std::string query, std::size_t page);
  Task<WebPage> fetch(std::string url);

  WebOptions options_;
  std::deque<std::pair<std::string, WebPage>> kept_;  // By the URL asked for; the newest first.
};

// The members of an engine's answer that are results. kProtocol when it is no such answer.
Result<std::vector<WebResult>> parse_results(Engine engine, const std::string& body);

}  // namespace tsukai::search
