// A model and servers that stay up between the runs of one process, such as the turns of a conversation.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/runtime.h"
#include "agent/shared_servers.h"

namespace tsukai::cli {

// Hands the same model and the same connections to every run. REQUIRES: outlives the runs; close() has
// finished before destruction; all on one executor's thread.
class Warm {
 public:
  explicit Warm(agent::OpenModel open) : open_(std::move(open)) {}

  // Opens each model once.
  agent::OpenModel open_model();
  // Connects once to each server; again when it no longer answers.
  agent::ConnectServer connect();
  // Shuts the servers down and lets the model go.
  Task<void> close();

 private:
  Result<std::shared_ptr<infer::ChatModel>> model(const std::string& name, int threads);

  agent::OpenModel open_;
  std::map<std::string, std::shared_ptr<infer::ChatModel>> models_;  // By name.
  agent::SharedServers servers_{&mcp::Client::connect};
};

}  // namespace tsukai::cli
