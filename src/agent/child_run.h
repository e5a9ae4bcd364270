// A task given to another agent: a run of its own, with a journal of its own, that spends from its parent's
// budget and keeps to its parent's policy. To the model it is a tool call; in the parent's journal it is
// CHILD_STARTED and CHILD_DONE.
#pragma once

#include <string>
#include <string_view>

#include "agent/agent_file.h"
#include "agent/journal.h"
#include "agent/runtime.h"
#include "agent/toolbox.h"

namespace tsukai::agent {

// Rules speak of an agent as `agents.NAME`, models of `agents__NAME`.
inline constexpr std::string_view kAgentServer = "agents";
// The argument that holds the task, beside the agent's own parameters.
inline constexpr std::string_view kTaskArgument = "task";

// The id of the run that a call starts: the same however often it is started.
std::string child_run_id(const std::string& parent, const std::string& step_key);

// The tool that an agent is to its parent's model.
Result<BoundTool> agent_tool(const ChildAgent& child);

struct ChildStart {
  std::string run;                  // child_run_id()
  std::string parent, step_key;     // The call that starts it.
  const AgentFile* file = nullptr;  // The parent's; outlives the run.
  std::string agent;                // The name in file->agents.
  JsonValue arguments;              // Checked against agent_tool().
  Budget budget;                    // What it may spend at most.
  std::string user;
  OnEvent on_event;
};

class ChildRuns {
 public:
  virtual ~ChildRuns() = default;
  // Starts the run; where it is begun already, goes on with it; where it has ended, gives its outcome.
  // Errors: it can't go on (its tools or its model are not what they were; another process works on it), or
  // the journal failed. What keeps a new one from starting is an outcome of state kFailed.
  virtual Task<RunOutcome> run(ChildStart start) = 0;
};

// What a child may spend of what its parent has left: `left` shared among `pending` tasks that begin
// together. The parent keeps a step and the reserve that it lands with (planner/react.h). Members of 0 or
// less: nothing is left (but usd: 0 is no limit there, below 0 nothing is left).
Budget child_budget(const Budget& whole, const Budget& left, double share, std::int64_t pending);
// The smaller of each.
Budget stricter(const Budget& a, const Budget& b);
bool spends_nothing(const Budget& budget);

Json budget_record(const Budget& budget);
Budget budget_from(const Json& record);

// What the parent's model is told.
Observation child_observation(const std::string& agent, const RunOutcome& outcome,
                              const Redaction& redaction);

// The file of a child: parameters filled in, budget and policy of its parent laid upon it.
Result<AgentFile> child_file(const ChildStart& start);

// Two entries that reach the same server in the same way, whatever they are called.
bool same_server(const mcp::ServerConfig& a, const mcp::ServerConfig& b);

// Every run that a run started, and theirs: {"run", "step_key", "agent", "state", "depth"} in the order of
// starting.
struct ChildSummary {
  std::string parent, step_key;
  std::string agent;
  std::string task;
  std::size_t depth = 1;
  RunSummary run;  // `id` alone when it never began.
  bool begun = false;
};
inline constexpr std::size_t kChildrenShownMax = 10'000;
Result<std::vector<ChildSummary>> children_of(Journal& journal, const std::string& run);
// The run that nobody started, which this one is part of; itself when nobody did.
Result<std::string> root_of(Journal& journal, const std::string& run);

}  // namespace tsukai::agent
