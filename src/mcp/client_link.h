// ClientLink: carries a client's messages to one server. Knows what its transport needs of them, not what
// they mean.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/http.h"
#include "base/task.h"
#include "mcp/client.h"
#include "mcp/message.h"

namespace tsukai::mcp {

// Why a request will get no answer.
struct LinkFailure {
  Error error;
  int http_status = 0;       // What the server said instead; 0: nothing.
  std::string session_gone;  // The session it no longer knows; empty: not that.
};

// What a link tells its owner. Called on the executor's thread, never from inside a call of the link. Whoever
// waits for the answer goes on inside on_message, and may destroy the link there.
struct LinkEvents {
  std::function<void(const Message&)> on_message;
  std::function<void(std::int64_t id, const LinkFailure&)> on_lost;  // One request.
  std::function<void(Error)> on_broken;                              // Everything, from now on.
};

// Lives on one executor's thread. Destruction without shutdown() ends everything at once.
class ClientLink {
 public:
  virtual ~ClientLink() = default;

  // Starts sending; what goes wrong later comes as an event. `extra`: headers for this request (HTTP only).
  // `notifications/cancelled` also ends the wait for the request it names.
  virtual Result<void> send(const Message& message, HttpHeaders extra) = 0;
  // Sends a notification and resumes when the server has taken it.
  virtual Task<void> post(Message message) = 0;
  // The handshake is done; from now on this version is spoken.
  virtual void opened(const std::string& version) = 0;

  virtual bool http() const { return false; }
  virtual std::string session_id() const { return {}; }
  virtual std::string stderr_tail() const { return {}; }
  virtual std::size_t junk_lines() const { return 0; }
  // What a silent server did instead of answering: "; it said: ..."; empty: nothing known.
  virtual std::string notes() const { return {}; }
  // Ends the connection in order; resumes when nothing of it is left. Idempotent.
  virtual asio::awaitable<void> shutdown() = 0;
};

// A child process spoken to over its standard input and output. Errors as Process::start gives them.
Result<std::unique_ptr<ClientLink>> start_stdio_link(asio::any_io_executor executor,
                                                     const ServerConfig& config, OnMessage trace,
                                                     LinkEvents events);

// Streamable HTTP, both eras: a request whose _meta names a version is sent as 2026-07-28 wants it. Nothing
// is sent until the first message.
std::unique_ptr<ClientLink> make_http_link(asio::any_io_executor executor, const ServerConfig& config,
                                           std::shared_ptr<Authorizer> authorizer, OnMessage trace,
                                           LinkEvents events);

// HTTP+SSE of 2024-11-05: resumes when the server has named its endpoint.
Task<std::unique_ptr<ClientLink>> open_sse_link(ServerConfig config, std::shared_ptr<Authorizer> authorizer,
                                                OnMessage trace, LinkEvents events);

}  // namespace tsukai::mcp
