#include "base/http_transfer.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <charconv>
#include <cstring>

#include "base/address.h"
#include "base/text.h"

namespace tsukai {

using std::chrono::steady_clock;

// A socket of libcurl's that is being watched. The descriptor belongs to libcurl: it is released, never
// closed.
struct CurlLoop::Watch {
  Watch(asio::any_io_executor executor, curl_socket_t given) : stream(std::move(executor)), fd(given) {
    boost::system::error_code ignored;
    stream.assign(fd, ignored);
  }
  ~Watch() { let_go(); }
  void let_go() {
    wanted = 0;
    if (stream.is_open()) stream.release();
  }
  asio::posix::stream_descriptor stream;
  curl_socket_t fd;
  int wanted = 0;                    // CURL_POLL_IN, _OUT or _INOUT.
  bool waiting[2] = {false, false};  // To read, to write.
};

CurlLoop::CurlLoop(asio::any_io_executor executor) : executor_(std::move(executor)), timer_(executor_) {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_ALL);
  TSUKAI_CHECK(once == CURLE_OK, "libcurl does not start");
  multi_ = curl_multi_init();
  TSUKAI_CHECK(multi_ != nullptr, "libcurl gives no handle");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlLoop::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlLoop::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, kConnectionsMax);
}

CurlLoop::~CurlLoop() {
  // Closing kept connections still calls on_socket.
  curl_multi_cleanup(multi_);
}

int CurlLoop::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto& loop = *static_cast<CurlLoop*>(self);
  auto it = loop.watches_.find(fd);
  if (what == CURL_POLL_REMOVE) {
    if (it == loop.watches_.end()) return 0;
    it->second->let_go();
    loop.watches_.erase(it);
    return 0;
  }
  if (it == loop.watches_.end()) {
    it = loop.watches_.emplace(fd, std::make_shared<Watch>(loop.executor_, fd)).first;
  }
  it->second->wanted = what;
  loop.wait(it->second, false);
  loop.wait(it->second, true);
  return 0;
}

void CurlLoop::wait(std::shared_ptr<Watch> watch, bool write) {
  const int event = write ? CURL_POLL_OUT : CURL_POLL_IN;
  if ((watch->wanted & event) == 0 || watch->waiting[write]) return;
  watch->waiting[write] = true;
  auto& stream = watch->stream;
  stream.async_wait(
      write ? asio::posix::stream_descriptor::wait_write : asio::posix::stream_descriptor::wait_read,
      [weak = weak_from_this(), watch, write, event](boost::system::error_code) {
        watch->waiting[write] = false;
        auto loop = weak.lock();
        if (!loop || (watch->wanted & event) == 0) return;
        loop->act(watch->fd, write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
        loop->wait(watch, write);
      });
}

int CurlLoop::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& loop = *static_cast<CurlLoop*>(self);
  loop.wanted_at_ = steady_clock::time_point::max();
  if (timeout_ms < 0) return 0;
  if (timeout_ms > 0) {
    loop.wanted_at_ = steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    if (loop.wanted_at_ < loop.set_to_) loop.set_timer(loop.wanted_at_);
    return 0;
  }
  // Now, but not inside libcurl's own call.
  asio::post(loop.executor_, [weak = loop.weak_from_this()] {
    if (auto again = weak.lock()) again->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void CurlLoop::set_timer(steady_clock::time_point at) {
  set_to_ = at;
  timer_.expires_at(at);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    auto loop = weak.lock();
    if (error || !loop) return;  // Set anew, or given up.
    loop->set_to_ = steady_clock::time_point::max();
    if (steady_clock::now() >= loop->wanted_at_) {
      loop->wanted_at_ = steady_clock::time_point::max();
      loop->act(CURL_SOCKET_TIMEOUT, 0);
    }
    if (loop->wanted_at_ < loop->set_to_) loop->set_timer(loop->wanted_at_);
  });
}

void CurlLoop::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    void* owner = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    auto& transfer = *static_cast<Transfer*>(owner);
    transfer.outcome = message->data.result;
    transfer.wake.cancel();
  }
}

Result<std::shared_ptr<Transfer>> CurlLoop::start(std::shared_ptr<CurlLoop> loop, HttpRequest request) {
  auto transfer = std::make_shared<Transfer>(std::move(loop), std::move(request));
  TSUKAI_TRY_VOID(transfer->begin());
  return transfer;
}

Transfer::Transfer(std::shared_ptr<CurlLoop> given, HttpRequest what)
    : loop(std::move(given)),
      request(std::move(what)),
      wake(loop->executor()),
      last_byte(steady_clock::now()) {}

Transfer::~Transfer() {
  if (easy != nullptr) {
    curl_multi_remove_handle(loop->multi_, easy);
    curl_easy_cleanup(easy);
  }
  curl_slist_free_all(header_list);
}

Result<void> Transfer::begin() {
  easy = curl_easy_init();
  if (easy == nullptr) return fail(Code::kExhausted, "libcurl gives no handle");
  const auto add = [this](const std::string& line) {
    header_list = curl_slist_append(header_list, line.c_str());
  };
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || name.find_first_of("\r\n:") != std::string::npos ||
        value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return fail(
          Code::kInvalidArgument,
          fmt::format("header {} can't be sent: it holds a line break or a colon", shortened(name, 60)));
    }
    add(value.empty() ? name + ";" : name + ": " + value);
  }
  // What libcurl would add of its own.
  add("Expect:");
  if (find_header(request.headers, "Content-Type") == nullptr) add("Content-Type:");
  if (find_header(request.headers, "User-Agent") == nullptr) add("User-Agent: tsukai/" TSUKAI_VERSION);

  const auto host_name = host();
  const bool loopback =
      host_name.starts_with("localhost:") || host_name.starts_with("127.") || host_name.starts_with("[::1]");
  const auto set = [this](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(curl_says));
  set(CURLOPT_HTTPHEADER, header_list);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_max.count()));
  if (loopback) set(CURLOPT_PROXY, "");  // Whatever http_proxy says.
  if (request.public_addresses_only) {
    set(CURLOPT_PROXY, "");
    set(CURLOPT_FRESH_CONNECT, 1L);  // A kept connection has not been looked at.
    set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open);
    set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  }
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_PREREQFUNCTION, &Transfer::on_connected);
  set(CURLOPT_PREREQDATA, static_cast<void*>(this));
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (!request.body.empty() || request.method == "POST") {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.c_str());
  }
  if (request.method != "HEAD") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (const auto code = curl_multi_add_handle(loop->multi_, easy); code != CURLM_OK) {
    return fail(Code::kInternal, fmt::format("libcurl: {}", curl_multi_strerror(code)));
  }
  return {};
}

std::string Transfer::host() const {
  std::string out = request.url;
  CURLU* url = curl_url();
  if (curl_url_set(url, CURLUPART_URL, request.url.c_str(), 0) == CURLUE_OK) {
    char* name = nullptr;
    char* port = nullptr;
    if (curl_url_get(url, CURLUPART_HOST, &name, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
      out = fmt::format("{}:{}", name, port);
    }
    curl_free(name);
    curl_free(port);
  }
  curl_url_cleanup(url);
  return out;
}

int Transfer::on_connected(void* self, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.connected = true;
  transfer.last_byte = steady_clock::now();
  transfer.wake.cancel();  // From now on there is an idle deadline.
  return CURL_PREREQFUNC_OK;
}

curl_socket_t Transfer::on_open(void* self, curlsocktype, curl_sockaddr* address) {
  if (!is_public_address(&address->addr)) {
    static_cast<Transfer*>(self)->refused_private = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(data, size * count);
  transfer.last_byte = steady_clock::now();
  if (transfer.head_done) return line.size();  // A trailer.
  transfer.head_bytes += line.size();
  if (transfer.head_bytes > kHeadBytesMax) {
    transfer.head_too_large = true;
    return 0;
  }
  const auto text = trimmed(line);
  if (line.starts_with("HTTP/")) {
    transfer.headers.clear();
    transfer.status = 0;
    const auto space = text.find(' ');
    if (space != std::string_view::npos) {
      std::from_chars(text.data() + space + 1, text.data() + text.size(), transfer.status);
    }
  } else if (text.empty()) {
    if (transfer.status >= 200) {
      transfer.head_done = true;
      transfer.wake.cancel();
    }
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    transfer.headers.emplace_back(trimmed(text.substr(0, colon)), trimmed(text.substr(colon + 1)));
  }
  return line.size();
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t bytes = size * count;
  if (!transfer.body.empty() && transfer.body.size() + bytes > kHeldBytesMax) {
    transfer.paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  transfer.last_byte = steady_clock::now();
  transfer.body_bytes += bytes;
  if (transfer.body_bytes > transfer.request.body_bytes_max) {
    transfer.too_large = true;
    return 0;
  }
  transfer.body.append(data, bytes);
  transfer.wake.cancel();
  return bytes;
}

Task<void> Transfer::changed(std::shared_ptr<Transfer> self) {
  // Until there is a connection, libcurl's own limit holds.
  auto end = steady_clock::time_point::max();
  if (self->connected && self->request.idle_timeout.count() > 0)
    end = self->last_byte + self->request.idle_timeout;
  if (steady_clock::now() >= end) {
    co_return fail(Code::kTimeout, fmt::format("{} sent nothing for {} ms", self->host(),
                                               self->request.idle_timeout.count()));
  }
  self->wake.expires_at(end);
  boost::system::error_code error;
  co_await self->wake.async_wait(asio::redirect_error(asio::use_awaitable, error));
  if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
    co_return fail(Code::kCancelled, "the request was cancelled");
  }
  co_return Result<void>();
}

std::optional<Error> Transfer::error() const {
  if (!outcome || *outcome == CURLE_OK) return std::nullopt;
  if (too_large) {
    return Error(Code::kExhausted,
                 fmt::format("the answer of {} is longer than {} bytes", host(), request.body_bytes_max));
  }
  if (head_too_large) {
    return Error(Code::kExhausted,
                 fmt::format("the headers of {} are longer than {} bytes", host(), kHeadBytesMax));
  }
  if (refused_private && !connected) {
    return Error(Code::kDenied, fmt::format("{} is not on the public internet", host()));
  }
  long os_error = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
  const std::string says = curl_says[0] != 0 ? curl_says : curl_easy_strerror(*outcome);
  switch (*outcome) {
    case CURLE_OPERATION_TIMEDOUT:
      if (!connected) {
        return Error(Code::kTimeout, fmt::format("no connection to {} within {} ms", host(),
                                                 request.connect_timeout.count()));
      }
      return Error(Code::kTimeout, fmt::format("{} did not finish its answer within {} ms", host(),
                                               request.timeout_max.count()));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Error(Code::kInvalidArgument, fmt::format("{}: {}", request.url, says));
    case CURLE_COULDNT_RESOLVE_HOST:
      return Error(Code::kTransport, fmt::format("no address is known for {}", host()),
                   "check the name and the network");
    case CURLE_COULDNT_CONNECT:
      return Error(Code::kTransport,
                   fmt::format("can't connect to {}: {}", host(),
                               os_error != 0 ? std::strerror(static_cast<int>(os_error)) : says));
    case CURLE_PEER_FAILED_VERIFICATION:
      return Error(Code::kTransport, fmt::format("the certificate of {} is not accepted: {}", host(), says));
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return Error(Code::kTransport, fmt::format("{} cut the connection{}: {}", host(),
                                                 head_done ? " in the middle of its answer" : "", says));
    default:
      return Error(Code::kTransport, fmt::format("{}: {}", host(), says));
  }
}

}  // namespace tsukai
