// An HTTP client over libcurl that waits asynchronously: requests, and responses read piece by piece.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/http.h"
#include "base/task.h"

namespace tsukai {

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http:// or https:// only.
  HttpHeaders headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};  // Without one byte received; 0: none.
  std::chrono::milliseconds timeout_max{0};        // The whole exchange; 0: none.
  std::size_t body_bytes_max = 64u << 20;          // Of the response.
  int redirects_max = 0;                           // Followed; credentials never leave the first origin.
  // Connects only to addresses of the public internet (base/address.h), looked at when a connection is made,
  // so after the name was resolved and again after each redirect; no proxy, which would resolve by itself.
  bool public_addresses_only = false;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;
  std::string url;  // Where it came from, after redirects.
};

// A response whose head has arrived. Destruction ends the transfer.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  virtual int status() const = 0;
  virtual const HttpHeaders& headers() const = 0;
  // The next piece of the body, never empty; nullopt at its end. kTransport: it was cut. kTimeout.
  // kExhausted: over body_bytes_max. kCancelled. A slow reader pauses the transfer: at most 1 MiB is held.
  virtual Task<std::optional<std::string>> read() = 0;
  // Everything that is left.
  virtual Task<std::string> read_all() = 0;
};

// Lives on one executor's thread. Connections are kept and reused. REQUIRES: outlives its streams and calls.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  static std::unique_ptr<HttpClient> make(asio::any_io_executor executor);

  // An answer of any status is a success. kInvalidArgument: the URL. kTransport: no connection (which host
  // and why), cut. kDenied: only a private address, where public ones are asked for. kTimeout. kExhausted:
  // over body_bytes_max. kCancelled.
  virtual Task<HttpResponse> fetch(HttpRequest request) = 0;
  virtual Task<std::unique_ptr<HttpStream>> open(HttpRequest request) = 0;
};

}  // namespace tsukai
