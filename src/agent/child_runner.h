// ChildRuns for real: children run in this process, beside their parent, with its engine and its connections.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/child_run.h"
#include "agent/run.h"
#include "agent/shared_servers.h"

namespace tsukai::agent {

// What parent and children stand on. All outlive the runner.
struct ChildGround {
  Database& database;
  std::string database_words;  // RunParts.
  Journal& journal;
  JournalWriter* writer = nullptr;
  infer::ChatModel& model;  // Of the outermost run,
  std::string model_name;   // as its file names it.
  int threads = 0;
  OpenModel open_model;
  ConnectServer connect;
  ToolPins* pins = nullptr;  // Null: definitions are taken as they come.
  // What servers may ask, by the rules of the outermost run; empty: nothing.
  std::function<mcp::ClientOptions(const std::string& server)> client_options;
  ServerQuestions* questions = nullptr;  // Whoever waits for the server that asks pays for the answer.
  const Clock& clock;
};

class ChildRunner : public ChildRuns {
 public:
  explicit ChildRunner(ChildGround ground) : ground_(std::move(ground)) {}
  Task<RunOutcome> run(ChildStart start) override;

 private:
  Result<infer::ChatModel*> model_of(const std::string& name);
  Task<RunOutcome> begin(ChildStart start);
  Task<RunOutcome> go_on(ChildStart start, RunSummary summary);
  Task<RunOutcome> work(AgentFile file, ChildStart start, std::string resume, JsonValue started);

  ChildGround ground_;
  std::map<std::string, infer::ChatModel*> models_;  // By name; names of the same weights share one.
  std::vector<std::unique_ptr<infer::ChatModel>> opened_;
  std::unique_ptr<memory::Memory> memory_;  // Opened by the first that remembers.
};

// The toolbox of a run of `file`, its agents included.
Result<ToolboxOptions> toolbox_options(const AgentFile& file, ConnectServer connect, infer::ChatModel& model,
                                       const Clock& clock, const OnEvent& on_event);

}  // namespace tsukai::agent
