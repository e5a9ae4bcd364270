// A hub on loopback whose answers a test decides, byte for byte.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/http_client.h"

namespace tsukai::infer::test {

// What goes over the wire; then the connection is closed, or left hanging.
struct WireAnswer {
  std::string bytes;
  bool hangs = false;
};

inline std::string head(int status, std::size_t length, const std::string& more = {}) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nConnection: close\r\nContent-Length: " + std::to_string(length) + "\r\n" + more + "\r\n";
}
inline WireAnswer ok(const std::string& body) { return {head(200, body.size()) + body}; }

// The first byte that "Range: bytes=N-" asks for; 0 without it.
inline std::size_t range_of(const std::string& request) {
  const std::size_t at = request.find("Range: bytes=");
  return at == std::string::npos ? 0 : std::strtoull(request.c_str() + at + 13, nullptr, 10);
}
// What an honest server answers, resuming included.
inline WireAnswer honest(const std::string& request, const std::string& whole) {
  const std::size_t from = range_of(request);
  if (from == 0) return ok(whole);
  if (from >= whole.size()) return {head(416, 0)};
  const std::string range = "Content-Range: bytes " + std::to_string(from) + "-" +
                            std::to_string(whole.size() - 1) + "/" + std::to_string(whole.size()) + "\r\n";
  return {head(206, whole.size() - from, range) + whole.substr(from)};
}

class LoopbackHub {
 public:
  using Script = std::function<WireAnswer(const std::string& request)>;

  explicit LoopbackHub(Script script)
      : script_(std::move(script)),
        acceptor_(context_, {asio::ip::address_v4::loopback(), 0}),
        client_(HttpClient::make(context_.get_executor())) {
    asio::co_spawn(context_, accept_all(), [](std::exception_ptr) {});
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  HttpClient& client() { return *client_; }
  // Serves other processes while `body` runs.
  template <typename Body>
  auto serve_while(const Body& body) {
    std::thread thread([this] { context_.run(); });
    auto result = body();
    context_.stop();
    thread.join();
    context_.restart();
    return result;
  }
  const std::vector<std::string>& requests() const { return requests_; }

  template <typename T>
  Result<T> run(Task<T> task) {
    return run_to_end(context_, std::move(task));
  }

 private:
  asio::awaitable<void> accept_all() {
    for (;;) {
      boost::system::error_code error;
      auto socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      asio::co_spawn(context_, answer(std::move(socket)), [](std::exception_ptr) {});
    }
  }
  asio::awaitable<void> answer(asio::ip::tcp::socket socket) {
    boost::system::error_code error;
    std::string request;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n",
                                    asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    requests_.push_back(request);
    const WireAnswer answer = script_(request);
    co_await asio::async_write(socket, asio::buffer(answer.bytes),
                               asio::redirect_error(asio::use_awaitable, error));
    if (!answer.hangs || error) co_return;
    char byte;  // Until the client gives up.
    co_await socket.async_read_some(asio::buffer(&byte, 1), asio::redirect_error(asio::use_awaitable, error));
  }

  asio::io_context context_;
  Script script_;
  std::vector<std::string> requests_;
  asio::ip::tcp::acceptor acceptor_;
  std::unique_ptr<HttpClient> client_;
};

}  // namespace tsukai::infer::test
