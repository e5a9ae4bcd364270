// An HTTP/1.1 server: reads requests whole, answers them whole or as a stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/http.h"
#include "base/task.h"

namespace tsukai {

struct HttpServerRequest {
  std::string method;  // "POST"
  std::string target;  // Path and query, as sent.
  HttpHeaders headers;
  std::string body;
};

// One request and its answer: respond() once, or start_stream(), write()... and return.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual const HttpServerRequest& request() const = 0;
  // Errors (kTransport): the client is gone.
  virtual Task<void> respond(int status, HttpHeaders headers, std::string body) = 0;
  virtual Task<void> start_stream(int status, HttpHeaders headers) = 0;
  virtual Task<void> write(std::string chunk) = 0;
};

// Runs for one request. Its coroutine is cancelled when the client closes the connection. A handler that
// returns without an answer means 500; the exchange must not be used after it returned.
using HttpHandler = std::function<Task<void>(HttpExchange& exchange)>;

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one.
  std::size_t body_bytes_max = 16u << 20;
  std::size_t connections_max = 256;
};

// Lives on one executor's thread.
class HttpServer {
 public:
  static constexpr std::chrono::seconds kIdleMax{75};  // Between requests of one connection, and to read one.

  virtual ~HttpServer() = default;
  // Listens; connections are served in the background until close(). kInvalidArgument: not an address;
  // kTransport: the port is taken, or the address is not ours.
  static Result<std::unique_ptr<HttpServer>> listen(asio::any_io_executor executor, HttpServerOptions options,
                                                    HttpHandler handler);
  virtual std::uint16_t port() const = 0;
  // Stops listening, cancels what is being served and resumes when all has ended.
  virtual asio::awaitable<void> close() = 0;
};

}  // namespace tsukai
