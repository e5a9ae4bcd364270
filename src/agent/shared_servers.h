// Connections that several runs of one process use side by side: an agent and those that it starts.
#pragma once

#include <memory>
#include <utility>
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

  // What a run connects through. Its clients' shutdown() leaves the server running.
  ConnectServer connect();
  // Closes every server, in parallel. Not to be cancelled.
  asio::awaitable<void> close();

 private:
  Task<std::unique_ptr<mcp::Client>> client(mcp::ServerConfig config, mcp::ClientOptions options);

  ConnectServer connect_;
  std::vector<std::pair<mcp::ServerConfig, std::shared_ptr<mcp::Client>>> clients_;
};

}  // namespace tsukai::agent
