#include "base/http_client.h"

#include <doctest/doctest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "base/gate.h"
#include "base/http_server.h"
#include "support/await.h"

using namespace tsukai;
using namespace std::chrono_literals;

namespace {

// One server and one client. What a handler of the server does is decided by the path.
struct Site {
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpClient> client;
  std::vector<HttpServerRequest> seen;
  int abandoned = 0;  // Handlers that were cancelled because the client had gone.

  std::string at(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(server->port()) + path;
  }
  HttpRequest get(const std::string& path) const {
    HttpRequest request;
    request.url = at(path);
    return request;
  }
};

std::string pattern(std::size_t bytes) {
  std::string out(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i % 23);
  return out;
}

struct Abandoned {
  Site& site;
  bool ended = false;
  ~Abandoned() { site.abandoned += ended ? 0 : 1; }
};

Task<void> serve(Site& site, HttpExchange& exchange) {
  const auto request = exchange.request();
  site.seen.push_back(request);
  const auto& path = request.target;
  Abandoned abandoned{site};
  if (path == "/silent") TSUKAI_CO_TRY_VOID(co_await sleep_for(1h));
  if (path == "/stuck") {
    TSUKAI_CO_TRY_VOID(co_await exchange.start_stream(200, {}));
    TSUKAI_CO_TRY_VOID(co_await exchange.write("first"));
    TSUKAI_CO_TRY_VOID(co_await sleep_for(1h));
  }
  if (path == "/pieces") {
    TSUKAI_CO_TRY_VOID(co_await exchange.start_stream(200, {{"X-Kind", "pieces"}}));
    for (const char* piece : {"one ", "two ", "three"}) {
      TSUKAI_CO_TRY_VOID(co_await exchange.write(piece));
      TSUKAI_CO_TRY_VOID(co_await sleep_for(2ms));
    }
    abandoned.ended = true;
    co_return Result<void>();
  }
  abandoned.ended = true;
  if (path == "/echo") co_return co_await exchange.respond(201, {{"X-Method", request.method}}, request.body);
  if (path == "/large") co_return co_await exchange.respond(200, {}, pattern(8'000'000));
  if (path.starts_with("/go/")) {  // /go/STATUS/ENCODED-TARGET: slashes written as commas
    const int status = std::stoi(path.substr(4, 3));
    std::string target = path.substr(8);
    for (char& c : target) c = c == ',' ? '/' : c;
    co_return co_await exchange.respond(status, {{"Location", target}}, "");
  }
  co_return co_await exchange.respond(404, {}, "nothing at " + path);
}

template <typename Body>
Task<void> with_site(Body body) {
  auto executor = co_await asio::this_coro::executor;
  Site site;
  TSUKAI_CO_TRY(site.server,
                HttpServer::listen(executor, {}, [&](HttpExchange& e) { return serve(site, e); }));
  site.client = HttpClient::make(executor);
  auto outcome = co_await body(site);
  site.client.reset();
  co_await site.server->close();
  co_return outcome;
}

template <typename Body>
void visit(Body body) {
  auto outcome = await(with_site(std::move(body)));
  if (!outcome) FAIL(outcome.error().text());
}

// Sends `text` to whoever connects and closes.
Task<void> raw_answer(asio::ip::tcp::acceptor& acceptor, std::string text) {
  boost::system::error_code error;
  auto socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
  char request[4096];
  co_await socket.async_read_some(asio::buffer(request), asio::redirect_error(asio::use_awaitable, error));
  co_await asio::async_write(socket, asio::buffer(text), asio::redirect_error(asio::use_awaitable, error));
  co_return Result<void>();
}

Task<std::string> fetch_raw(std::string answer) {
  auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::acceptor acceptor(executor, {asio::ip::address_v4::loopback(), 0});
  Gate gate(executor);
  gate.spawn(raw_answer(acceptor, std::move(answer)));
  auto client = HttpClient::make(executor);
  HttpRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) + "/";
  auto response = co_await client->fetch(std::move(request));
  co_await gate.close();
  if (!response) co_return fail(std::move(response).error());
  co_return response->body;
}

Task<void> fetches(Site& site) {
  HttpRequest request;
  request.method = "POST";
  request.url = site.at("/echo");
  request.headers = {{"X-Empty", ""}, {"X-One", "1"}};
  request.body = std::string("a\0b", 3);
  TSUKAI_CO_TRY(auto response, co_await site.client->fetch(request));
  CHECK(response.status == 201);
  CHECK(response.body == request.body);
  CHECK(header_text(response.headers, "x-method") == "POST");
  const auto& seen = site.seen.back().headers;
  CHECK(header_text(seen, "X-One") == "1");
  CHECK(find_header(seen, "X-Empty") != nullptr);
  CHECK(find_header(seen, "Content-Type") == nullptr);
  CHECK(find_header(seen, "Expect") == nullptr);
  for (const char* method : {"GET", "DELETE", "PUT", "POST"}) {
    request.method = method;
    request.body.clear();
    TSUKAI_CO_TRY(response, co_await site.client->fetch(request));
    CHECK(header_text(response.headers, "X-Method") == method);
  }
  TSUKAI_CO_TRY(response, co_await site.client->fetch(site.get("/nowhere")));
  CHECK(response.status == 404);
  CHECK(response.body == "nothing at /nowhere");
  co_return Result<void>();
}

Task<void> streams(Site& site) {
  TSUKAI_CO_TRY(auto stream, co_await site.client->open(site.get("/pieces")));
  CHECK(stream->status() == 200);
  CHECK(header_text(stream->headers(), "X-Kind") == "pieces");
  TSUKAI_CO_TRY(auto first, co_await stream->read());
  REQUIRE(first);
  CHECK(first->starts_with("one"));
  TSUKAI_CO_TRY(auto rest, co_await stream->read_all());
  CHECK(*first + rest == "one two three");
  TSUKAI_CO_TRY(auto none, co_await stream->read());
  CHECK_FALSE(none);
  co_return Result<void>();
}

// Eight megabytes against one held: libcurl is paused and goes on, and no byte is lost.
Task<void> slow_reader(Site& site) {
  TSUKAI_CO_TRY(auto stream, co_await site.client->open(site.get("/large")));
  TSUKAI_CO_TRY_VOID(co_await sleep_for(20ms));
  std::string whole;
  while (true) {
    TSUKAI_CO_TRY(auto piece, co_await stream->read());
    if (!piece) break;
    CHECK(piece->size() <= (1u << 20));
    whole += *piece;
    TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  }
  CHECK(whole == pattern(8'000'000));
  co_return Result<void>();
}

Task<void> limits(Site& site) {
  auto request = site.get("/large");
  request.body_bytes_max = 1'000'000;
  auto large = co_await site.client->fetch(request);
  REQUIRE_FALSE(large);
  CHECK(large.error().code() == Code::kExhausted);
  request.body_bytes_max = 8'000'000;
  CHECK((co_await site.client->fetch(request)).has_value());
  co_return Result<void>();
}

Task<void> deadlines(Site& site) {
  for (const char* path : {"/silent", "/stuck"}) {
    auto request = site.get(path);
    request.idle_timeout = 30ms;
    auto idle = co_await site.client->fetch(request);
    REQUIRE_FALSE(idle);
    CHECK(idle.error().code() == Code::kTimeout);
    CHECK(idle.error().text().find("sent nothing for 30 ms") != std::string::npos);
    request.idle_timeout = 0ms;
    request.timeout_max = 30ms;
    auto whole = co_await site.client->fetch(request);
    REQUIRE_FALSE(whole);
    CHECK(whole.error().code() == Code::kTimeout);
  }
  co_return Result<void>();
}

Task<void> gives_up(Site& site) {
  auto late = co_await with_deadline(site.client->fetch(site.get("/stuck")), 20ms, "the fetch");
  CHECK(late.error().code() == Code::kTimeout);
  auto opened = co_await site.client->open(site.get("/stuck"));
  REQUIRE(opened);
  auto stream = *std::move(opened);
  stream.reset();
  for (int i = 0; i < 500 && site.abandoned < 2; ++i) TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  CHECK(site.abandoned == 2);  // The server saw both connections close.
  TSUKAI_CO_TRY(auto after, co_await site.client->fetch(site.get("/echo")));
  CHECK(after.status == 201);
  co_return Result<void>();
}

Task<void> redirects(Site& site) {
  auto request = site.get("/go/302/,echo");
  request.headers = {{"Authorization", "Bearer s3cret"}, {"X-Api-Key", "k"}, {"Accept", "text/plain"}};
  TSUKAI_CO_TRY(auto none, co_await site.client->fetch(request));
  CHECK(none.status == 302);

  request.redirects_max = 3;
  TSUKAI_CO_TRY(auto followed, co_await site.client->fetch(request));
  CHECK(followed.status == 201);
  CHECK(followed.url == site.at("/echo"));
  CHECK(header_text(site.seen.back().headers, "Authorization") == "Bearer s3cret");

  // Another origin (a name instead of the number) hears no secret.
  const std::string other = "http:,,localhost:" + std::to_string(site.server->port()) + ",echo";
  request.url = site.at("/go/307/" + other);
  request.method = "POST";
  request.body = "order";
  TSUKAI_CO_TRY(followed, co_await site.client->fetch(request));
  CHECK(followed.body == "order");
  CHECK(find_header(site.seen.back().headers, "Authorization") == nullptr);
  CHECK(find_header(site.seen.back().headers, "X-Api-Key") == nullptr);
  CHECK(header_text(site.seen.back().headers, "Accept") == "text/plain");

  request.url = site.at("/go/303/,echo");
  TSUKAI_CO_TRY(followed, co_await site.client->fetch(request));
  CHECK(header_text(followed.headers, "X-Method") == "GET");
  CHECK(followed.body.empty());

  for (const char* bad : {"/go/302/file:,,,etc,passwd", "/go/302/ftp:,,localhost,x"}) {
    request.url = site.at(bad);
    auto refused = co_await site.client->fetch(request);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Code::kTransport);
  }
  request.url = site.at("/go/302/,go,302,,echo");
  request.redirects_max = 1;
  auto many = co_await site.client->fetch(request);
  REQUIRE_FALSE(many);
  CHECK(many.error().text().find("more than 1 times") != std::string::npos);
  co_return Result<void>();
}

Task<void> many_at_once(Site& site) {
  struct One {
    static Task<void> run(Site& site, int& right) {
      TSUKAI_CO_TRY(auto response, co_await site.client->fetch(site.get("/echo")));
      right += response.status == 201;
      co_return Result<void>();
    }
  };
  Gate gate(co_await asio::this_coro::executor);
  int right = 0;
  for (int i = 0; i < 100; ++i) gate.spawn(One::run(site, right));
  co_await gate.drained();
  CHECK(right == 100);
  co_return Result<void>();
}

Task<HttpResponse> fetch_url(std::string url, HttpHeaders headers = {}) {
  auto client = HttpClient::make(co_await asio::this_coro::executor);
  HttpRequest request;
  request.url = std::move(url);
  request.headers = std::move(headers);
  co_return co_await client->fetch(std::move(request));
}

std::uint16_t closed_port() {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  return acceptor.local_endpoint().port();
}

}  // namespace

TEST_SUITE("base/http_client") {
  TEST_CASE("methods, headers and bodies go out as given; any status is an answer") { visit(fetches); }
  TEST_CASE("a body is read as it comes") { visit(streams); }
  TEST_CASE("a slow reader holds the sender up and loses nothing") { visit(slow_reader); }
  TEST_CASE("a body over the limit is refused, one at the limit is not") { visit(limits); }
  TEST_CASE("silence and slowness end at their deadlines") { visit(deadlines); }
  TEST_CASE("a request that is given up closes its connection, and the client goes on") { visit(gives_up); }
  TEST_CASE("redirects are followed as far as allowed, and secrets stay with their origin") {
    visit(redirects);
  }
  TEST_CASE("a hundred requests at once are all answered") { visit(many_at_once); }

  TEST_CASE("a body that ends early is an error, not a short body") {
    auto cut = await(fetch_raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"));
    REQUIRE_FALSE(cut);
    CHECK(cut.error().code() == Code::kTransport);
    CHECK(cut.error().text().find("in the middle of its answer") != std::string::npos);
    auto chunked = await(fetch_raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"));
    CHECK(chunked.error().code() == Code::kTransport);
    CHECK(await(fetch_raw("")).error().code() == Code::kTransport);
    CHECK(await(fetch_raw("HTTP/1.1 200 OK\r\n\r\nto the end")).value() == "to the end");
    CHECK(await(fetch_raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
              .value() == "ok");
  }

  TEST_CASE("a refused connection says which host, and why") {
    const auto port = std::to_string(closed_port());
    auto refused = await(fetch_url("http://127.0.0.1:" + port + "/mcp"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Code::kTransport);
    CHECK(refused.error().text() == "can't connect to 127.0.0.1:" + port + ": Connection refused");
  }

  TEST_CASE(
      "what is no http URL, and headers that would break the request, are refused before anything is sent") {
    for (const char* url : {"", "ftp://localhost/x", "file:///etc/passwd", "http://", "http://exa mple/"}) {
      auto wrong = await(fetch_url(url));
      REQUIRE_FALSE(wrong);
      CHECK(wrong.error().code() == Code::kInvalidArgument);
    }
    for (HttpHeaders headers :
         {HttpHeaders{{"X-A", "1\r\nX-B: 2"}}, HttpHeaders{{"X-A\n", "1"}}, HttpHeaders{{"", "1"}}}) {
      auto wrong = await(fetch_url("http://127.0.0.1:1/", headers));
      REQUIRE_FALSE(wrong);
      CHECK(wrong.error().code() == Code::kInvalidArgument);
    }
  }
}
