// The loopback address that a browser comes back to (RFC 8252 section 7.3).
#pragma once

#include <memory>
#include <string>

#include "base/http_server.h"

namespace tsukai::mcp {

// Listens on 127.0.0.1 until its destruction. Lives on one executor's thread.
class RedirectListener {
 public:
  static constexpr const char* kPath = "/callback";

  // `port` 0: any free one. kTransport: the port is taken.
  static Result<std::unique_ptr<RedirectListener>> listen(asio::any_io_executor executor, std::uint16_t port);
  ~RedirectListener();

  // "http://127.0.0.1:PORT/callback"
  std::string uri() const;
  // The query of the first redirect whose state is `state`; others get an error page and are not the answer.
  // The browser is shown a page that says to go back to the terminal. kCancelled.
  Task<std::string> redirected(std::string state);
  asio::awaitable<void> close();

 private:
  struct State;
  explicit RedirectListener(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// The port in a redirect URI of ours; 0 when it names none.
std::uint16_t port_of(const std::string& redirect_uri);

}  // namespace tsukai::mcp
