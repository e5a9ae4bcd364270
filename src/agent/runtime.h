// The only place that wires: database, memory, journal, servers and model into a run.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/agent_file.h"
#include "agent/events.h"
#include "agent/journal.h"
#include "agent/journal_writer.h"
#include "agent/server_questions.h"
#include "base/clock.h"
#include "base/task.h"
#include "infer/model.h"

namespace tsukai::agent {

// mcp::Client::connect, or a fake of it.
using ConnectServer =
    std::function<Task<std::unique_ptr<mcp::Client>>(mcp::ServerConfig config, mcp::ClientOptions options)>;

// Asked when a run would wait for a person, who may be at hand: true when something was decided
// (Journal::give_approval, resolve_call), and the run goes on at once with the same model and servers; else
// it stays parked.
using Decide = std::function<Task<bool>(Journal& journal, std::string run)>;

struct RuntimeOptions {
  std::string database_path;  // "" : default_database_path()
  std::string user;           // "" : $TSUKAI_USER, else the login name
  int threads = 0;
  OnEvent on_event;
  Decide decide;                 // Empty: nobody is at hand.
  Elicit elicit;                 // Puts questions of servers before a person; empty: nobody is at hand.
  ConnectServer connect;         // Empty: mcp::Client::connect. Tests give fakes.
  const Clock* clock = nullptr;  // Null: system_clock().
  // Shared by all runs of a process that stand on this database, so that they share commits; it outlives
  // them. Null: a run writes for itself.
  JournalWriter* writer = nullptr;
};

struct RunOutcome {
  std::string run_id;
  RunState state = RunState::kFailed;
  std::string answer;  // The final text, or why there is none.
  std::string reason;  // Why it did not end as it should; empty when done.
  JsonValue totals;
};

// Opens the model a file or flag names: a path ending in .gguf. Tests give a fake instead.
using OpenModel =
    std::function<Result<std::unique_ptr<infer::ChatModel>>(const std::string& model, int threads)>;

// Runs `file` on `task` to its end: starts the servers in parallel, opens the model, loops, journals,
// remembers, shuts down. An Error means that the run could not start (nothing journaled) or that the journal
// itself failed; whatever goes wrong later is in the outcome. Cancelling the coroutine ends the run as
// cancelled, journal closed, children reaped.
Task<RunOutcome> run_agent(AgentFile file, std::string task, RuntimeOptions options, OpenModel open_model);

// Goes on with a run that waits for a person or whose process died, from its journal alone: the agent as it
// was, `${NAME}` expanded anew. kNotFound, kInvalidArgument when it has ended, or when its model or its tools
// are not what they were; kDenied while another process works on it.
Task<RunOutcome> resume_run(std::string run, RuntimeOptions options, OpenModel open_model);

// Begins a new run that shares the first `step` - 1 steps of another, results included, and goes on from
// there on its own; `say` (may be empty) is added as a message to the model. Nothing of the old run is done
// again or changed, and what it spent does not count against the new run's budget. With something to say,
// `step` may be the one after the old run's last, which 0 stands for: a conversation goes on.
// kInvalidArgument when the old run has no such step; else as resume_run.
Task<RunOutcome> fork_run(std::string run, std::size_t step, std::string say, RuntimeOptions options,
                          OpenModel open_model);

// $XDG_DATA_HOME/tsukai/tsukai.db, else ~/.local/share/tsukai/tsukai.db; folders are created.
Result<std::string> default_database_path();
std::string default_user();
OpenModel open_local_models();

}  // namespace tsukai::agent
