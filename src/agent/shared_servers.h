// Connections that several runs of one process use side by side: an agent and those that it starts.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "agent/runtime.h"
#include "mcp/client.h"

namespace tsukai::agent {

// Connects once to each server; entries are the same when they reach the same server in the same way,
// whatever it is called. Lives on one executor's thread. REQUIRES: close() has finished before destruction,
// else the servers are killed rather than closed; outlives the runs.
class SharedServers {
 public:
  explicit SharedServers(ConnectServer connect) : connect_(std::move(connect)) {}

  // What a run connects through. Its clients' shutdown() leaves the server running. Whatever changes of a
  // server is told to every run that uses it (ClientOptions::on_changed); what it asks is answered as the
  // first one's options say.
  ConnectServer connect();
  // Closes every server, in parallel. Not to be cancelled.
  asio::awaitable<void> close();

 private:
  using OnChanged = std::function<Task<void>(mcp::Changed)>;
  using Listeners = std::vector<std::weak_ptr<OnChanged>>;  // Each lives as long as its run's client.
  struct Connection {
    mcp::ServerConfig config;
    std::shared_ptr<mcp::Client> client;
    std::shared_ptr<Listeners> listeners;
  };
  class SharedClient;
  static Task<void> tell_all(std::shared_ptr<Listeners> listeners, mcp::Changed kind);
  Task<std::unique_ptr<mcp::Client>> client(mcp::ServerConfig config, mcp::ClientOptions options);

  ConnectServer connect_;
  std::vector<Connection> connections_;
};

}  // namespace tsukai::agent
