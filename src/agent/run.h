// One run of an agent: perceive, plan, act, observe, until there is an answer or a limit. Every arrow is a
// journal row.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent_file.h"
#include "agent/events.h"
#include "agent/journal.h"
#include "agent/journal_writer.h"
#include "agent/runtime.h"
#include "agent/toolbox.h"
#include "base/clock.h"
#include "base/task.h"
#include "infer/model.h"
#include "memory/memory.h"

namespace tsukai::agent {

class ChildRuns;

// What a run works with. All outlive it; all are used on the io thread.
struct RunParts {
  AgentFile file;
  std::string task;
  std::string user;
  std::string database_path;         // For whoever watches.
  std::string database_words;        // " --db FILE" for commands that are told to people; "": not needed.
  Journal& journal;                  // Reads; writes too, where there is no writer.
  JournalWriter* writer = nullptr;   // Where runs share commits, all writes go here.
  memory::Memory* memory = nullptr;  // Null: memory is off.
  infer::ChatModel& model;
  Toolbox& toolbox;
  const Clock& clock;
  OnEvent on_event;
  ChildRuns* children = nullptr;         // Starts the agents of the file; null: the run has none.
  ServerQuestions* questions = nullptr;  // What its servers ask of its model; null: they ask nothing.
  std::string run_id;                    // Of a run that another started; "": an id of chance.
  struct Parent {
    std::string run, step_key;
  } parent = {};  // The call that started it; empty: nobody did.
  // For replay: what a person said to the model, by how many steps there were then.
  std::map<std::size_t, std::string> said;
  // For replay: what servers were lent of the model before the result of a call, by its step key.
  std::map<std::string, std::vector<std::pair<Kind, JsonValue>>> lent;
};

// Runs to the end. An Error means that the journal failed; all else is in the outcome. When the coroutine is
// cancelled, the calls in flight are cancelled and waited for, CANCELLED is journaled, and the outcome says
// so.
Task<RunOutcome> execute_run(RunParts parts);
// Goes on with a run that was parked or whose process died (parts.task is not looked at). kDenied while
// another process works on it.
Task<RunOutcome> continue_run(RunParts parts, std::string id);

}  // namespace tsukai::agent
