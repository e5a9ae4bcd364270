// One client of a server: what was negotiated with it, and its calls in flight.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/gate.h"
#include "mcp/message.h"
#include "mcp/server_registry.h"

namespace tsukai::mcp {

// Takes the messages that belong to one incoming message: its answer, and notifications before it.
using Outlet = std::function<void(Message)>;

// Pure of transport: texts go in, messages come out through outlets. Lives on one executor's thread.
// REQUIRES: finish() or abort() has been awaited before destruction.
class ServerConnection {
 public:
  static constexpr std::size_t kCallsInFlightMax = 1024;

  ServerConnection(const Registry& registry, asio::any_io_executor executor);
  ~ServerConnection();

  // Handles one text (a message, or a batch). Answers may come at once or later.
  void deliver(const std::string& text, Outlet outlet);
  void deliver(Message message, Outlet outlet);

  // Resumes when the calls in flight have been answered.
  asio::awaitable<void> finish();
  // Cancels the calls in flight and resumes when they have ended.
  asio::awaitable<void> abort();

 private:
  struct Call;
  struct Request;

  void handle_request(Message message, Outlet outlet);
  void handle_notification(const Message& message);
  void initialize(const Request& request);
  void discover(const Request& request);
  void list_tools(const Request& request);
  void call_tool(Request request);
  Task<ToolOutput> run_handler(std::shared_ptr<Call> call);
  Task<void> run_call(std::shared_ptr<Call> call);

  const Registry& registry_;
  Gate calls_;
  std::map<std::string, std::shared_ptr<Call>> in_flight_;  // By printed id.
  std::string version_;                                     // What initialize settled; empty before it.
};

}  // namespace tsukai::mcp
