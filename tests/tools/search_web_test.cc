// The web as search and read_page see it, played by a server of this test on loopback.
#include "base/gate.h"
#include "base/http_server.h"
#include "tools/support/small_library.h"

using namespace tsukai;
using namespace tsukai::search;

namespace {

// What the loopback server was asked, and how it answers.
struct FakeWeb {
  std::vector<std::string> targets;
  std::vector<std::string> keys;
  std::uint16_t port = 0;
  int status = 200;
  std::string engine_body;  // "": results made from the target.

  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port) + path; }
};

Json result(const FakeWeb& web, int number, const char* text_key) {
  return {{"title", "Page <b>" + std::to_string(number) + "</b>"},
          {"url", web.url("/page" + std::to_string(number))},
          {text_key, "About <strong>tea</strong> &amp; more"}};
}

Task<void> answer(FakeWeb* web, HttpExchange& exchange) {
  const HttpServerRequest& request = exchange.request();
  const std::string target = request.target;
  web->targets.push_back(target);
  web->keys.push_back(header_text(request.headers, "X-Subscription-Token"));
  const auto html = [&](std::string body) {
    return exchange.respond(200, {{"Content-Type", "text/html; charset=utf-8"}}, std::move(body));
  };
  if (target.starts_with("/search?") || target.starts_with("/brave")) {
    const bool brave = target.starts_with("/brave");
    const bool first = target.ends_with(brave ? "offset=0" : "pageno=1"),
               second = target.ends_with(brave ? "offset=1" : "pageno=2");
    Json list = Json::array();
    for (int i = 0; i < 10 && (first || second); ++i)
      list.push_back(result(*web, (second ? 10 : 0) + i, brave ? "description" : "content"));
    Json whole = {{"results", list}};
    if (brave) whole = {{"web", whole}};
    const std::string body = web->engine_body.empty() ? print_json(whole) : web->engine_body;
    co_return co_await exchange.respond(web->status, {{"Content-Type", "application/json"}}, body);
  }
  if (target == "/page1") co_return co_await html("<title>Tea</title><p>" + std::string(6000, 'x') + " end");
  if (target == "/moved") co_return co_await exchange.respond(302, {{"Location", "/page1"}}, "");
  if (target == "/round") co_return co_await exchange.respond(302, {{"Location", "/round"}}, "");
  if (target == "/to-file")
    co_return co_await exchange.respond(302, {{"Location", "file:///etc/passwd"}}, "");
  if (target == "/note.txt")
    co_return co_await exchange.respond(200, {{"Content-Type", "text/plain"}}, "A note\nof two lines");
  if (target == "/photo") co_return co_await exchange.respond(200, {{"Content-Type", "image/png"}}, "PNG");
  if (target == "/large") co_return co_await html(std::string(kFileBytesMax + 1, 'x'));
  co_return co_await exchange.respond(404, {}, "no");
}

// Runs `body` with a service whose web is the fake one. With a lambda that must not be a coroutine: the
// server runs while each call does.
class WebTest {
 public:
  explicit WebTest(Engine engine = Engine::kSearxng, bool allow_private = true) {
    auto server = HttpServer::listen(context_.get_executor(), {},
                                     [this](HttpExchange& exchange) { return answer(&web, exchange); });
    REQUIRE(server.has_value());
    server_ = *std::move(server);
    web.port = server_->port();
    service.web = Web::make({engine, web.url(engine == Engine::kBrave ? "/brave" : "/"),
                             engine == Engine::kBrave ? "k3y" : "", allow_private})
                      .value();
  }
  ~WebTest() {
    const auto close = [](HttpServer& server) -> Task<void> {
      co_await server.close();
      co_return Result<void>();
    };
    (void)run_to_end(context_, close(*server_));
  }

  Result<mcp::ToolOutput> ask(std::string_view tool, const Json& arguments) {
    QuietContext quiet;
    auto task = tool == "search"      ? search_pages(service, arguments, quiet)
                : tool == "read_page" ? read_page(service, arguments, quiet)
                                      : list_sources(service, arguments, quiet);
    auto output = run_to_end(context_, std::move(task));
    for (const mcp::Tool& one : tools(true)) {
      if (one.name == tool && output) {
        const auto problems = JsonSchema::compile(**one.output_schema)->check(*output->structured);
        CHECK_MESSAGE(problems.empty(), problems.front());
      }
    }
    return output;
  }
  Json good(std::string_view tool, const Json& arguments) {
    auto output = ask(tool, arguments);
    REQUIRE_MESSAGE(output.has_value(), (output ? "" : output.error().text()));
    return *output->structured;
  }
  Error bad(std::string_view tool, const Json& arguments) {
    auto output = ask(tool, arguments);
    REQUIRE_FALSE(output.has_value());
    return output.error();
  }

  FakeWeb web;
  Service service;

 private:
  asio::io_context context_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace

TEST_SUITE("tools/search/web") {
  TEST_CASE("a SearXNG is asked, its results are plain text, and pages of results join") {
    WebTest test;
    const Json first = test.good("search", {{"query", "green tea & 茶"}});
    CHECK(test.web.targets.at(0) == "/search?q=green%20tea%20%26%20%E8%8C%B6&format=json&pageno=1");
    CHECK(first.at("results").size() == 5);
    CHECK(first.at("results").at(1).at("title") == "Page 1");
    CHECK(first.at("results").at(1).at("snippet") == "About tea & more");
    CHECK(first.at("results").at(1).at("source") == "web");
    CHECK(first.at("next_offset") == 5);
    const Json rest = test.good("search", {{"query", "tea"}, {"offset", 15}, {"limit", 20}});
    CHECK(rest.at("results").size() == 5);
    CHECK(rest.at("results").at(0).at("title") == "Page 15");
    CHECK_FALSE(rest.contains("next_offset"));
  }

  TEST_CASE("an API like Brave's is asked with its key, which stands in no answer") {
    WebTest test(Engine::kBrave);
    const Json found = test.good("search", {{"query", "tea"}, {"limit", 20}});
    CHECK(found.at("results").size() == 20);
    CHECK(test.web.targets.at(0) == "/brave?q=tea&count=20&offset=0");
    CHECK(test.web.keys.at(0) == "k3y");
    CHECK(print_json(found).find("k3y") == std::string::npos);
    test.web.engine_body = "{\"type\": \"search\"}";
    CHECK(test.good("search", {{"query", "nothing"}}).at("results").empty());
    CHECK(test.good("list_sources", Json::object()).at("sources").at(0).at("engine") == "Brave Search");
  }

  TEST_CASE("an engine that fails is told from one that finds nothing") {
    WebTest test;
    test.web.engine_body = "<html>Forbidden</html>";
    CHECK(test.bad("search", {{"query", "tea"}}).code() == Code::kProtocol);
    for (const auto& [status, code] :
         {std::pair(403, Code::kDenied), {429, Code::kExhausted}, {500, Code::kTransport}}) {
      test.web.status = status;
      const Error error = test.bad("search", {{"query", "tea"}});
      CHECK(error.code() == code);
      CHECK_FALSE(error.remedy().empty());
    }
    test.web.status = 403;
    CHECK(test.bad("search", {{"query", "tea"}}).text().find("search.formats") != std::string::npos);
  }

  TEST_CASE("a page is fetched once and read on from memory") {
    WebTest test;
    const Json page = test.good("read_page", {{"page", test.web.url("/page1")}});
    CHECK(page.at("title") == "Tea");
    CHECK(page.at("characters") == 6004);
    const Json rest =
        test.good("read_page", {{"page", test.web.url("/page1")}, {"offset", page.at("next_offset")}});
    CHECK(rest.at("text").get<std::string>().ends_with("x end"));
    CHECK(test.web.targets.size() == 1);
    CHECK(test.good("read_page", {{"page", test.web.url("/note.txt")}}).at("kind") == "text");
    CHECK(test.bad("read_page", {{"page", test.web.url("/page1")}, {"offset", 7000}})
              .text()
              .find("beyond the end") != std::string::npos);
  }

  TEST_CASE("redirects are followed to http pages alone, and not for ever") {
    WebTest test;
    CHECK(test.good("read_page", {{"page", test.web.url("/moved")}}).at("page") == test.web.url("/page1"));
    CHECK(test.bad("read_page", {{"page", test.web.url("/round")}})
              .text()
              .find("redirects more than 5 times") != std::string::npos);
    CHECK(test.bad("read_page", {{"page", test.web.url("/to-file")}}).text().find("no http URL") !=
          std::string::npos);
  }

  TEST_CASE("what is no page of text says so") {
    WebTest test;
    CHECK(test.bad("read_page", {{"page", test.web.url("/photo")}}).text().find("image/png") !=
          std::string::npos);
    CHECK(test.bad("read_page", {{"page", test.web.url("/gone")}}).code() == Code::kNotFound);
    CHECK(test.bad("read_page", {{"page", test.web.url("/large")}}).code() == Code::kExhausted);
    for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "://x"}) {
      CAPTURE(url);
      CHECK(test.bad("read_page", {{"page", url}}).code() == Code::kInvalidArgument);
    }
  }

  TEST_CASE("private addresses are not read unless allowed, however they are written") {
    WebTest test(Engine::kSearxng, false);
    const std::string port = ":" + std::to_string(test.web.port);
    for (const std::string& host :
         {"127.0.0.1" + port, "localhost" + port, "[::1]" + port, "2130706433" + port, "0x7f.1" + port,
          "0" + port, "[::ffff:127.0.0.1]" + port, "169.254.169.254" + port, "10.0.0.1" + port,
          "user@127.0.0.1" + port}) {
      CAPTURE(host);
      const Error error = test.bad("read_page", {{"page", "http://" + host + "/page1"}});
      CHECK(error.code() == Code::kDenied);
      CHECK(error.text().find("--allow-private") != std::string::npos);
    }
    CHECK(test.web.targets.empty());
    // The engine is the operator's choice: it may be private.
    CHECK(test.good("search", {{"query", "tea"}}).at("results").size() == 5);
  }

  TEST_CASE("folders and the web together: folders unless the web is named") {
    WebTest test;
    SmallLibrary small({{"a.md", "local tea"}});
    small.library();
    test.service.library = std::move(small.service.library);
    CHECK(test.good("search", {{"query", "tea"}}).at("results").at(0).at("page") == "pages/a.md");
    CHECK(test.web.targets.empty());
    CHECK(test.good("search", {{"query", "tea"}, {"source", "web"}}).at("results").at(0).at("source") ==
          "web");
    CHECK(test.good("list_sources", Json::object()).at("sources").size() == 2);
  }
}
