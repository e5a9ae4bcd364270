// `tsukai runs`: the journal, read (runs_command.cc), decided about and gone on with (runs_go_on.cc), carried
// away and forgotten (runs_keep.cc).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/tsukai/follow.h"
#include "tools/tsukai/output.h"
#include "tools/tsukai/store.h"

namespace tsukai::cli {

struct RunsArguments {
  FollowArguments follow;  // Its database is that of every command here.
  std::string run;         // An id, the beginning of one, or "last".
  std::string state;       // list: only these
  std::size_t count = 20;
  bool prompts = false;  // show: the prompt of each model call, rebuilt from the journal.
  bool mermaid = false;  // show: its plans as Mermaid flowcharts.

  std::string call;        // approve, resolve: "step-2/call-1"; empty: the only one that waits.
  bool deny = false;       // approve
  std::string content;     // approve: JSON for the form of a call whose server asks; empty: none.
  std::string reason;      // approve, erase
  bool no_resume = false;  // approve, resolve: leave the word, do not go on with the run here.
  std::string result;      // resolve --done
  bool done = false, retry = false, abort = false;  // resolve

  std::size_t step = 0;     // fork: 0: after the last.
  std::string say;          // fork
  bool regenerate = false;  // replay
  std::string model;        // replay --regenerate: where the model's file is now.

  std::string html;                     // export: a page into this file.
  std::string older_than, larger_than;  // prune
  bool yes = false;                     // erase: do not ask.
};

// The store and the run that are meant.
struct OpenedRun {
  Store store;
  agent::RunSummary run;
};
Result<OpenedRun> open_run(const RunsArguments& arguments);

int runs_list_command(Output& output, const RunsArguments& arguments);
int runs_show_command(Output& output, const RunsArguments& arguments);
// 0 the chain of hashes is intact, 3 it is not: a line per defect.
int runs_verify_command(Output& output, const RunsArguments& arguments);

// Exit codes as of follow(). Approve and resolve go on with the run unless it waits for more (5) or
// --no-resume (0).
int runs_resume_command(Output& output, const RunsArguments& arguments);
int runs_approve_command(Output& output, const RunsArguments& arguments);
int runs_resolve_command(Output& output, const RunsArguments& arguments);
int runs_fork_command(Output& output, const RunsArguments& arguments);
int runs_cancel_command(Output& output, const RunsArguments& arguments);
// 0 the loop comes to the same rows again, 1 it does not: a line per difference.
int runs_replay_command(Output& output, const RunsArguments& arguments);

int runs_export_command(Output& output, const RunsArguments& arguments);
int runs_erase_command(Output& output, const RunsArguments& arguments);
int runs_prune_command(Output& output, const RunsArguments& arguments);

// "30d", "12h", "90min", "45s" in milliseconds; "500MB", "2GB" in bytes. kInvalidArgument says what is taken.
Result<std::int64_t> parse_age_ms(const std::string& text);
Result<std::int64_t> parse_bytes(const std::string& text);

}  // namespace tsukai::cli
