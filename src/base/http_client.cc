#include "base/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/http_transfer.h"

namespace tsukai {
namespace {

struct CurlUrl {
  CURLU* handle = curl_url();
  ~CurlUrl() { curl_url_cleanup(handle); }
  CurlUrl() = default;
  CurlUrl(const CurlUrl&) = delete;
  CurlUrl& operator=(const CurlUrl&) = delete;

  std::string part(CURLUPart what, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(handle, what, &text, flags) != CURLUE_OK) return {};
    std::string out = text;
    curl_free(text);
    return out;
  }
  std::string origin() const {
    return part(CURLUPART_SCHEME) + "://" + part(CURLUPART_HOST) + ":" +
           part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
  }
};

Result<void> check_url(const std::string& text) {
  CurlUrl url;
  if (const auto code = curl_url_set(url.handle, CURLUPART_URL, text.c_str(), 0); code != CURLUE_OK) {
    return fail(Code::kInvalidArgument, fmt::format("\"{}\" is no URL: {}", text, curl_url_strerror(code)),
                "write http://... or https://...");
  }
  const auto scheme = url.part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return fail(Code::kInvalidArgument, fmt::format("{}: {} is not spoken here", text, scheme),
                "use http:// or https://");
  }
  return {};
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// What may be told to an origin that nobody named: nothing that could be a secret.
bool harmless(const std::string& name) {
  constexpr std::array<std::string_view, 5> kNames = {"Accept", "Accept-Language", "Content-Type",
                                                      "User-Agent", "MCP-Protocol-Version"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view known) { return equal_ignoring_case(name, known); });
}

// The request that follows a redirect, as browsers do it (Fetch, 4.4): 303, and 301 and 302 to a POST, become
// a GET without body; another origin gets no credentials.
Result<HttpRequest> redirected(HttpRequest request, int status, const std::string& location) {
  CurlUrl url;
  curl_url_set(url.handle, CURLUPART_URL, request.url.c_str(), 0);
  const auto origin = url.origin();
  const bool secure = url.part(CURLUPART_SCHEME) == "https";
  if (const auto code = curl_url_set(url.handle, CURLUPART_URL, location.c_str(), 0); code != CURLUE_OK) {
    return fail(Code::kTransport,
                fmt::format("{} redirects to \"{}\", which is no http URL", request.url, location));
  }
  const auto scheme = url.part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return fail(Code::kTransport,
                fmt::format("{} redirects to \"{}\", which is no http URL", request.url, location));
  }
  if (secure && scheme == "http") {
    return fail(Code::kTransport,
                fmt::format("{} redirects to {}, which is not encrypted", request.url, location));
  }
  request.url = url.part(CURLUPART_URL);
  if (status == 303 ? request.method != "HEAD" : status <= 302 && request.method == "POST") {
    request.method = "GET";
    request.body.clear();
    std::erase_if(request.headers,
                  [](const auto& header) { return equal_ignoring_case(header.first, "Content-Type"); });
  }
  if (url.origin() != origin) {
    std::erase_if(request.headers, [](const auto& header) { return !harmless(header.first); });
  }
  return request;
}

class CurlStream : public HttpStream {
 public:
  explicit CurlStream(std::shared_ptr<Transfer> transfer) : transfer_(std::move(transfer)) {}
  int status() const override { return transfer_->status; }
  const HttpHeaders& headers() const override { return transfer_->headers; }
  const std::string& url() const { return transfer_->request.url; }

  Task<std::optional<std::string>> read() override {
    auto transfer = transfer_;
    while (transfer->body.empty()) {
      if (auto error = transfer->error()) co_return fail(*std::move(error));
      if (transfer->outcome) co_return std::optional<std::string>();
      TSUKAI_CO_TRY_VOID(co_await Transfer::changed(transfer));
    }
    std::string piece = std::move(transfer->body);
    transfer->body.clear();
    if (transfer->paused) {
      transfer->paused = false;
      transfer->last_byte = std::chrono::steady_clock::now();
      curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    }
    co_return std::optional<std::string>(std::move(piece));
  }

  Task<std::string> read_all() override {
    std::string whole;
    while (true) {
      TSUKAI_CO_TRY(auto piece, co_await read());
      if (!piece) co_return whole;
      whole += *piece;
    }
  }

 private:
  std::shared_ptr<Transfer> transfer_;
};

Task<std::unique_ptr<CurlStream>> open_stream(std::shared_ptr<CurlLoop> loop, HttpRequest request) {
  TSUKAI_CO_TRY_VOID(check_url(request.url));
  const auto first = request.url;
  for (int redirects = 0;; ++redirects) {
    TSUKAI_CO_TRY(auto transfer, CurlLoop::start(loop, request));
    while (!transfer->head_done) {
      if (auto error = transfer->error()) co_return fail(*std::move(error));
      if (transfer->outcome)
        co_return fail(Code::kTransport, fmt::format("{} gave no answer", transfer->host()));
      TSUKAI_CO_TRY_VOID(co_await Transfer::changed(transfer));
    }
    const auto* location = find_header(transfer->headers, "Location");
    if (request.redirects_max == 0 || location == nullptr || !is_redirect(transfer->status)) {
      co_return std::make_unique<CurlStream>(std::move(transfer));
    }
    if (redirects >= request.redirects_max) {
      co_return fail(Code::kTransport,
                     fmt::format("{} redirects more than {} times", first, request.redirects_max));
    }
    TSUKAI_CO_TRY(request, redirected(std::move(request), transfer->status, *location));
  }
}

class CurlClient : public HttpClient {
 public:
  explicit CurlClient(asio::any_io_executor executor)
      : loop_(std::make_shared<CurlLoop>(std::move(executor))) {}

  Task<HttpResponse> fetch(HttpRequest request) override { return fetch_whole(loop_, std::move(request)); }
  Task<std::unique_ptr<HttpStream>> open(HttpRequest request) override {
    return open_any(loop_, std::move(request));
  }

 private:
  static Task<HttpResponse> fetch_whole(std::shared_ptr<CurlLoop> loop, HttpRequest request) {
    TSUKAI_CO_TRY(auto stream, co_await open_stream(std::move(loop), std::move(request)));
    TSUKAI_CO_TRY(auto body, co_await stream->read_all());
    co_return HttpResponse{stream->status(), stream->headers(), std::move(body), stream->url()};
  }
  static Task<std::unique_ptr<HttpStream>> open_any(std::shared_ptr<CurlLoop> loop, HttpRequest request) {
    TSUKAI_CO_TRY(auto stream, co_await open_stream(std::move(loop), std::move(request)));
    co_return std::unique_ptr<HttpStream>(std::move(stream));
  }

  std::shared_ptr<CurlLoop> loop_;
};

}  // namespace

std::unique_ptr<HttpClient> HttpClient::make(asio::any_io_executor executor) {
  return std::make_unique<CurlClient>(std::move(executor));
}

}  // namespace tsukai
