// One client of a server: what was negotiated with it, and its calls in flight.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/gate.h"
#include "mcp/server_call.h"

namespace tsukai::mcp {

// Whether a client of 2026-07-28 understands tasks, and what one is told that should.
bool declares_tasks(const Json& capabilities);
RpcError tasks_not_declared();

enum class Change { kTools, kResources, kPrompts };

// Pure of transport: messages go in, messages come out through outlets. Lives on one executor's thread.
// REQUIRES: finish() or abort() has been awaited before destruction.
class ServerConnection {
 public:
  static constexpr std::size_t kCallsInFlightMax = 1024;
  static constexpr std::size_t kSubscriptionsMax = 10'000;

  ServerConnection(Registry& registry, asio::any_io_executor executor);
  ~ServerConnection();

  // Handles one text (a message, or a batch). Answers may come at once or later.
  void deliver(const std::string& text, Outlet outlet);
  void deliver(Message message, Outlet outlet);
  // Where announcements go (legacy); none before it is set.
  void set_announcements(Outlet outlet) { announcements_ = std::move(outlet); }

  void announce(Change change);
  void announce_updated(const std::string& uri);
  void announce_task(const ServerTask& task);
  void announce_message(Message message);

  // Who the client is, where clients are told apart: its tasks are its own.
  void set_principal(std::string principal) { principal_ = std::move(principal); }
  const std::string& principal() const { return principal_; }
  std::uint64_t number() const { return number_; }

  // What initialize settled; empty before it.
  const std::string& version() const { return version_; }

  // Resumes when the calls in flight have been answered; subscriptions end.
  asio::awaitable<void> finish();
  // Cancels the calls in flight and resumes when they have ended.
  asio::awaitable<void> abort();

 private:
  struct Subscription;

  void handle_request(Message message, Outlet outlet);
  void handle_notification(const Message& message);
  bool handle_stateless(const ServerRequest& request);
  void dispatch(ServerRequest request, JsonValue capabilities, int log_from);
  void dispatch_legacy(ServerRequest request);
  void initialize(const ServerRequest& request);
  void list(const ServerRequest& request);
  void listen(const ServerRequest& request);
  void complete(ServerRequest request);
  void start(std::shared_ptr<ServerCall> call);
  Task<void> run(std::shared_ptr<ServerCall> call);
  Task<void> run_completion(ServerRequest request);

  // server_connection_tasks.cc
  // May a call become a task, or must it? An error when the client may not make it like that.
  std::optional<RpcError> task_terms(const ServerRequest& request, const Json& capabilities,
                                     std::optional<TaskTerms>& terms) const;
  void start_task(std::shared_ptr<ServerCall> call);
  Task<void> run_until_task(std::shared_ptr<ServerCall> call);
  // True: it was a request about tasks, and is answered or being worked on.
  bool handle_task_request(const ServerRequest& request, const Json& capabilities);
  void list_tasks(const ServerRequest& request);
  Task<void> run_task_result(ServerRequest request, std::shared_ptr<ServerTask> task);
  Task<void> ask_for_task(ServerRequest request, std::shared_ptr<ServerTask> task, std::string key);
  void begin(std::shared_ptr<ServerCall> call);

  Registry& registry_;
  const std::uint64_t number_;
  std::string principal_;
  Gate calls_;
  Session peer_;                                                  // Our requests to the client (legacy).
  std::map<std::string, std::shared_ptr<ServerCall>> in_flight_;  // By printed id.
  std::map<std::string, Subscription> listens_;                   // By printed id; modern.
  std::set<std::string> subscribed_;                              // Resource URIs; legacy.
  Outlet announcements_;
  std::string version_;
  JsonValue capabilities_;
  int log_from_ = 1;
};

}  // namespace tsukai::mcp
