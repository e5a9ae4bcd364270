// A model and servers that stay up between the runs of one process, such as the turns of a conversation.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/runtime.h"

namespace tsukai::cli {

// Hands the same model and the same connections to every run. REQUIRES: outlives the runs; close() has
// finished before destruction; all on one executor's thread.
class Warm {
 public:
  explicit Warm(agent::OpenModel open) : open_(std::move(open)) {}

  // Opens a model once; another name replaces it.
  agent::OpenModel open_model();
  // Connects once; again when the server no longer answers.
  agent::ConnectServer connect();
  // Shuts the servers down and lets the model go.
  Task<void> close();

 private:
  Result<std::shared_ptr<infer::ChatModel>> model(const std::string& name, int threads);
  Task<std::unique_ptr<mcp::Client>> client(mcp::ServerConfig config, mcp::ClientOptions options);

  agent::OpenModel open_;
  std::string model_name_;
  std::shared_ptr<infer::ChatModel> model_;
  std::map<std::string, std::shared_ptr<mcp::Client>> clients_;  // By the server's name.
};

}  // namespace tsukai::cli
