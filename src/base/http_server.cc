// The only file that includes Beast: it parses requests. Header-only here, which compiles less than Beast's
// own sources.
#undef BOOST_BEAST_SEPARATE_COMPILATION
#include "base/http_server.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/gate.h"
#include "base/log.h"

namespace tsukai {
namespace {

namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;
constexpr std::uint32_t kHeaderBytesMax = 64u << 10;

// One client's connection; its requests are served one after another.
class Connection : public HttpExchange {
 public:
  Connection(Tcp::socket socket, const HttpServerOptions& options)
      : socket_(std::move(socket)), buffer_(options.body_bytes_max + kHeaderBytesMax), options_(options) {}

  const HttpServerRequest& request() const override { return request_; }

  Task<void> respond(int status, HttpHeaders headers, std::string body) override {
    TSUKAI_CHECK(!answered_, "a request was answered twice");
    answered_ = true;
    const bool bodiless = status == 204 || request_.method == "HEAD";
    if (status != 204) headers.emplace_back("Content-Length", std::to_string(body.size()));
    auto text = head(status, headers);
    if (!bodiless) text += body;
    co_return co_await send(std::move(text));
  }

  Task<void> start_stream(int status, HttpHeaders headers) override {
    TSUKAI_CHECK(!answered_, "a request was answered twice");
    answered_ = streaming_ = true;
    headers.emplace_back("Transfer-Encoding", "chunked");
    co_return co_await send(head(status, headers));
  }

  Task<void> write(std::string chunk) override {
    TSUKAI_CHECK(streaming_, "no stream was started");
    if (chunk.empty()) co_return Result<void>();
    auto text = fmt::format("{:x}\r\n", chunk.size());
    text += chunk;
    text += "\r\n";
    co_return co_await send(std::move(text));
  }

  // Reads the next request; false when the client has closed, or sent what is no request (it was told so).
  Task<bool> read() {
    http::request_parser<http::string_body> parser;
    parser.body_limit(options_.body_bytes_max);
    parser.header_limit(kHeaderBytesMax);
    boost::system::error_code error;
    co_await http::async_read(socket_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    answered_ = streaming_ = false;
    if (error) {
      const bool large = error == http::error::body_limit;
      const bool ours = error == http::error::end_of_stream ||
                        error.category() == boost::system::system_category() ||
                        error.category() == asio::error::get_misc_category();
      if (!ours || large) {
        keep_alive_ = false;
        request_ = {};
        (void)co_await respond(large ? 413 : 400, {{"Content-Type", "text/plain"}}, error.message() + "\n");
      }
      co_return false;
    }
    auto& message = parser.get();
    request_ = {
        std::string(message.method_string()), std::string(message.target()), {}, std::move(message.body())};
    for (const auto& field : message.base()) {
      request_.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    keep_alive_ = message.keep_alive();
    co_return true;
  }

  // Ends the answer the handler left behind; false when the connection can't serve another request.
  Task<bool> finish() {
    if (!answered_) TSUKAI_CO_TRY_VOID(co_await respond(500, {}, ""));
    if (streaming_) TSUKAI_CO_TRY_VOID(co_await send("0\r\n\r\n"));
    co_return keep_alive_;
  }

  // Resumes when the client has closed the connection; never when it sends another request early.
  Task<void> closed_by_client() {
    boost::system::error_code error;
    co_await socket_.async_wait(Tcp::socket::wait_read, asio::redirect_error(asio::use_awaitable, error));
    char byte = 0;
    if (!error && ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
      co_return co_await sleep_for(std::chrono::hours(24 * 365));
    }
    co_return Result<void>();
  }

 private:
  std::string head(int status, const HttpHeaders& headers) const {
    auto text = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
    for (const auto& [name, value] : headers) text += fmt::format("{}: {}\r\n", name, value);
    text += keep_alive_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    return text;
  }

  Task<void> send(std::string text) {
    boost::system::error_code error;
    co_await asio::async_write(socket_, asio::buffer(text), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return fail(Code::kTransport, "the client is gone: " + error.message());
    co_return Result<void>();
  }

  Tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  const HttpServerOptions& options_;
  HttpServerRequest request_;
  bool keep_alive_ = true;
  bool answered_ = false;
  bool streaming_ = false;
};

class BeastServer : public HttpServer {
 public:
  BeastServer(asio::any_io_executor executor, HttpServerOptions options, HttpHandler handler)
      : options_(std::move(options)), handler_(std::move(handler)), acceptor_(executor), gate_(executor) {}

  Result<void> open() {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error) return fail(Code::kInvalidArgument, fmt::format("{} is no IP address", options_.address));
    const Tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return fail(Code::kTransport, fmt::format("can't listen on {} port {}: {}", options_.address,
                                                options_.port, error.message()));
    }
    gate_.spawn(accept());
    return {};
  }

  std::uint16_t port() const override {
    boost::system::error_code error;
    return acceptor_.local_endpoint(error).port();
  }

  asio::awaitable<void> close() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    co_await gate_.close();
  }

 private:
  Task<void> accept() {
    while (acceptor_.is_open()) {
      boost::system::error_code error;
      Tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) break;
      if (error) {
        // Out of descriptors, most likely: wait for some to come back.
        TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(50)));
        continue;
      }
      if (gate_.alive() > options_.connections_max) continue;  // Closed at once.
      socket.set_option(Tcp::no_delay(true), error);
      gate_.spawn(serve(std::make_shared<Connection>(std::move(socket), options_)));
    }
    co_return Result<void>();
  }

  Task<void> serve(std::shared_ptr<Connection> connection) {
    while (true) {
      auto more = co_await with_deadline(connection->read(), kIdleMax, "reading a request");
      if (!more || !*more) break;
      std::optional<Result<void>> handled, closed;
      if (!co_await ends_first(keep(run_handler(connection), &handled),
                               keep(connection->closed_by_client(), &closed)))
        break;
      if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) break;
      auto again = co_await connection->finish();
      if (!again || !*again) break;
    }
    co_return Result<void>();
  }

  Task<void> run_handler(std::shared_ptr<Connection> connection) {
    try {
      co_return co_await handler_(*connection);
    } catch (const boost::system::system_error&) {  // Cancelled.
      co_return fail(Code::kCancelled, "the client is gone");
    } catch (const std::exception& error) {
      log_error("an HTTP handler threw: {}", error.what());
      co_return fail(Code::kInternal, error.what());
    }
  }

  HttpServerOptions options_;
  HttpHandler handler_;
  Tcp::acceptor acceptor_;
  Gate gate_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(asio::any_io_executor executor,
                                                       HttpServerOptions options, HttpHandler handler) {
  auto server = std::make_unique<BeastServer>(std::move(executor), std::move(options), std::move(handler));
  TSUKAI_TRY_VOID(server->open());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace tsukai
