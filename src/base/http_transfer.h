// libcurl's multi interface on an executor: one transfer at a time seen from outside. Used by http_client.cc
// alone.
#pragma once

#include <curl/curl.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/http_client.h"

namespace tsukai {

struct Transfer;

// Feeds libcurl with the readiness of its sockets and with time. Transfers keep it alive.
class CurlLoop : public std::enable_shared_from_this<CurlLoop> {
 public:
  static constexpr long kConnectionsMax = 256;

  explicit CurlLoop(asio::any_io_executor executor);
  ~CurlLoop();

  const asio::any_io_executor& executor() const { return executor_; }
  // kInvalidArgument: the URL or a header.
  static Result<std::shared_ptr<Transfer>> start(std::shared_ptr<CurlLoop> loop, HttpRequest request);

 private:
  friend struct Transfer;
  struct Watch;
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* watch);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  void wait(std::shared_ptr<Watch> watch, bool write);
  void set_timer(std::chrono::steady_clock::time_point at);
  void act(curl_socket_t fd, int events);

  asio::any_io_executor executor_;
  // libcurl sets and clears its timer with each transfer. Ours stays where it is if that is early enough:
  // then it fires for nothing at most once, and no system call is made for each transfer.
  asio::steady_timer timer_;
  std::chrono::steady_clock::time_point wanted_at_ = std::chrono::steady_clock::time_point::max();
  std::chrono::steady_clock::time_point set_to_ = std::chrono::steady_clock::time_point::max();
  std::map<curl_socket_t, std::shared_ptr<Watch>> watches_;
  CURLM* multi_ = nullptr;
};

// One exchange. Destruction ends it.
struct Transfer {
  static constexpr std::size_t kHeldBytesMax = 1u << 20;
  static constexpr std::size_t kHeadBytesMax = 256u << 10;

  Transfer(std::shared_ptr<CurlLoop> loop, HttpRequest given);
  ~Transfer();
  Result<void> begin();

  // Resumes when something has changed; kTimeout after request.idle_timeout without a byte, kCancelled.
  static Task<void> changed(std::shared_ptr<Transfer> self);
  // What went wrong, once `outcome` is there; nullopt: it ended well.
  std::optional<Error> error() const;
  std::string host() const;

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static int on_connected(void* self, char*, char*, int, int);
  static curl_socket_t on_open(void* self, curlsocktype purpose, curl_sockaddr* address);

  std::shared_ptr<CurlLoop> loop;
  HttpRequest request;
  CURL* easy = nullptr;
  curl_slist* header_list = nullptr;
  char curl_says[CURL_ERROR_SIZE] = {};
  asio::steady_timer wake;  // Fires at the idle deadline; cancelled when there is something to look at.
  std::chrono::steady_clock::time_point last_byte;
  bool connected = false;

  int status = 0;
  HttpHeaders headers;
  std::size_t head_bytes = 0;
  bool head_done = false;
  std::string body;  // Received and not yet read.
  std::size_t body_bytes = 0;
  bool paused = false;
  bool too_large = false, head_too_large = false;
  bool refused_private = false;
  std::optional<CURLcode> outcome;
};

}  // namespace tsukai
