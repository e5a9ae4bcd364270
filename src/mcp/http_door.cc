#include "mcp/http_door.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tsukai::mcp {

HttpDoor::HttpDoor(asio::any_io_executor executor, const ServerConfig& config,
                   std::shared_ptr<Authorizer> authorizer, OnMessage trace)
    : name_(config.name),
      url_(config.url),
      headers_(config.headers.begin(), config.headers.end()),
      trace_(std::move(trace)),
      client_(HttpClient::make(executor)) {
  // A key that a person wrote down wins.
  if (find_header(headers_, "Authorization") == nullptr) authorizer_ = std::move(authorizer);
}

Task<std::unique_ptr<HttpStream>> HttpDoor::open(std::shared_ptr<HttpDoor> door, std::string method,
                                                 std::string url, HttpHeaders headers, std::string body) {
  for (int attempt = 1;; ++attempt) {
    HttpRequest request;
    request.method = method;
    request.url = url;
    request.headers = headers;
    request.body = body;
    // Deadlines and sizes are kept by who reads: a stream may well be silent, and long.
    request.idle_timeout = std::chrono::milliseconds(0);
    request.body_bytes_max = SIZE_MAX;
    HttpHeaders given;
    if (door->authorizer_) {
      TSUKAI_CO_TRY(given, co_await door->authorizer_->headers(door->url_));
    }
    for (const auto* more : {&given, &door->headers_}) {
      for (const auto& header : *more) {
        if (find_header(request.headers, header.first) == nullptr) request.headers.push_back(header);
      }
    }
    auto stream = co_await door->client_->open(std::move(request));
    if (!stream) co_return fail(std::move(stream).error().in("server " + door->name_));
    const int status = (*stream)->status();
    const bool challenge =
        status == 401 || (status == 403 && find_header((*stream)->headers(), "WWW-Authenticate"));
    if (!challenge || !door->authorizer_) co_return stream;
    if (attempt > Authorizer::kAttemptsMax) {
      co_return fail(Code::kDenied,
                     fmt::format("server {} refused {} times (HTTP {})", door->name_, attempt, status));
    }
    AuthChallenge refused{door->url_, status, (*stream)->headers(), attempt, std::move(given)};
    TSUKAI_CO_TRY(const bool again, co_await door->authorizer_->answer(std::move(refused)));
    if (!again) co_return stream;
  }
}

Error HttpDoor::refusal(int status, const std::string& body) const {
  auto said = shortened(trimmed(body), 300);
  if (!said.empty()) said = ": " + said;
  if (status == 401 || status == 403) {
    return Error(Code::kDenied,
                 fmt::format("server {} refuses (HTTP {} {}){}", name_, status, reason_phrase(status), said),
                 status == 401 ? "it wants credentials: log in, or set an Authorization header" : "");
  }
  return Error(Code::kTransport,
               fmt::format("server {} answered HTTP {} {}{}", name_, status, reason_phrase(status), said));
}

Task<std::string> read_body(HttpStream& stream) {
  std::string body;
  while (true) {
    TSUKAI_CO_TRY(auto piece, co_await stream.read());
    if (!piece) co_return body;
    body += *piece;
    if (body.size() > kMessageBytesMax) {
      co_return fail(Code::kProtocol, fmt::format("an answer is longer than {} bytes", kMessageBytesMax));
    }
  }
}

}  // namespace tsukai::mcp
