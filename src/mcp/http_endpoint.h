// Streamable HTTP, server side: both eras on one path.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/http_server.h"
#include "mcp/reply_stream.h"
#include "mcp/server_connection.h"

namespace tsukai::mcp {

// Legacy clients get a session (Mcp-Session-Id) whose streams can be resumed; requests of 2026-07-28 stand
// alone. Lives on one executor's thread. REQUIRES: close() has been awaited before destruction.
class HttpEndpoint {
 public:
  static constexpr std::size_t kSessionsMax = 1024;
  static constexpr std::size_t kStreamsMax =
      64;  // Kept per session, so that answers missed can be fetched again.
  static constexpr std::chrono::milliseconds kPlainWait{300};  // An answer within this goes as plain JSON.

  HttpEndpoint(Registry& registry, HttpServeOptions options, asio::any_io_executor executor);
  ~HttpEndpoint();

  Task<void> handle(HttpExchange& exchange);
  // Ends all sessions.
  asio::awaitable<void> close();

 private:
  struct Session;

  Task<void> post(HttpExchange& exchange);
  Task<void> post_modern(HttpExchange& exchange, Message message);
  Task<void> post_legacy(HttpExchange& exchange, Parsed parsed);
  Task<void> get(HttpExchange& exchange);
  Task<void> remove(HttpExchange& exchange);
  Task<void> answer(HttpExchange& exchange, std::shared_ptr<ReplyStream> stream, bool modern, bool resumable,
                    HttpHeaders headers);
  // The session named in the headers; answers 400 or 404 itself when there is none.
  Task<std::shared_ptr<Session>> session_of(HttpExchange& exchange);

  Registry& registry_;
  HttpServeOptions options_;
  asio::any_io_executor executor_;
  std::map<std::string, std::shared_ptr<Session>> sessions_;
};

}  // namespace tsukai::mcp
