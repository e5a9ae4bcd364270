// The durable record of runs: a hash-chained list of rows a run, payloads kept apart.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/json.h"

namespace tsukai::agent {

// When to write which, see docs/ARCHITECTURE.md ("The walk").
enum class Kind {
  kRunStarted,     // agent file, task, tool definitions, model and schema digests, seed
  kRecalled,       // episodes found in memory
  kModelIntent,    // what the prompt adds to the transcript: kept bytes and tokens, new text, new tokens,
                   // sha256 of all
  kModelResult,    // text, tokens, calls, usage
  kToolIntent,     // step key, tool, arguments: durable before dispatch
  kToolStarted,    // handed to the server
  kToolResult,     // the observation, as the model will see it and as it came
  kToolUnknown,    // the outcome can't be known
  kPlan,           // the graph of steps
  kApprovalAsked,  // tool, arguments and their digest: the run waits for a person
  kApprovalGiven,  // who decided what, as applied to this run
  kSignal,         // something sent to the run from outside, as applied
  kTimerSet,
  kTimerFired,
  kCompacted,     // observations replaced by their handles
  kChildStarted,  // a run of another agent
  kChildDone,
  kSamplingIntent,  // a server asks the run's model: the server, the prompt
  kSamplingResult,  // what it was answered, usage
  kForked,          // from which run and row this one began
  kLeaseTaken,      // another owner continues the run: who, and the fencing number
  kErased,          // payloads forgotten: how many rows, by whom, why. The only kind that may follow the end.
  kCancelled,
  kRunDone,  // answer or reason, totals
};
std::string_view name(Kind kind);  // "RUN_STARTED"
std::optional<Kind> kind_named(std::string_view name);

struct Row {
  std::int64_t seq = 0;  // From 1, without gaps.
  Kind kind = Kind::kRunStarted;
  std::string step_key;  // "step-3", "step-3/call-1"
  int attempt = 1;
  std::int64_t at_ms = 0;
  JsonValue payload;    // Null when erased.
  bool erased = false;  // The payload was forgotten; its hash remains.
  std::string payload_sha256, prev_hash, hash;
};

// A row to be written.
struct Entry {
  Kind kind = Kind::kRunStarted;
  std::string step_key;
  int attempt = 1;
  JsonValue payload;
};

enum class RunState { kRunning, kDone, kFailed, kStopped, kWaiting, kCancelled };
std::string_view name(RunState state);  // "running" ...
std::optional<RunState> run_state_named(std::string_view name);

struct RunSummary {
  std::string id;
  std::string agent, task, user;
  RunState state = RunState::kRunning;
  std::int64_t started_ms = 0, ended_ms = 0;
  std::int64_t rows = 0;
  std::string answer;
  JsonValue totals;
};

// Who may append to a run, and until when nobody else may take it over.
struct Lease {
  std::string run;
  std::string owner;       // journal_owner.h
  std::int64_t fence = 0;  // Grows with each owner.
  std::int64_t until_ms = 0;
};
constexpr std::int64_t kLeaseMs = 60'000;  // Renewed by appends: three quarters are always left.

struct Approval {
  std::string run, step_key, tool;
  std::string digest;  // sha256 of tool and canonical arguments: a decision holds for these alone.
  JsonValue arguments;
  std::string why;  // Of the asker: which rule.
  std::int64_t asked_ms = 0;
  enum class Decision { kPending, kAllowed, kDenied } decision = Decision::kPending;
  std::string by, reason;  // Of the person.
  std::int64_t given_ms = 0;
  bool used = false;
};

struct Signal {
  std::int64_t id = 0;
  std::string name;  // "cancel", "resolve" ...
  JsonValue payload;
  std::int64_t at_ms = 0;
};

struct Retention {
  std::int64_t age_ms_max = 0;  // Ended longer ago than this; 0: no limit.
  std::int64_t bytes_max =
      0;  // Payload bytes of all runs together; 0: no limit. The oldest ended runs go first.
};

// Limits. Beyond them an append is refused with kExhausted and nothing is written.
constexpr std::size_t kPayloadBytesMax = 64u << 20;
constexpr std::int64_t kRowsPerRunMax = 1'000'000;
constexpr std::size_t kStepKeyBytesMax = 256;
constexpr std::size_t kRunIdLetters = 12;  // 60 bits.

// One connection's view of the journal. Not thread-safe. Bytes at rest: docs/formats/journal.md.
// Errors of every write: kNotFound (no such run), kInvalidArgument (the run has ended; a malformed entry),
// kExhausted (a limit, the disk), kTransport (I/O). After any of them the journal is as it was before the
// call.
class Journal {
 public:
  static Result<std::unique_ptr<Journal>> open(Database& database, const Clock& clock);
  virtual ~Journal() = default;

  // Creates the run and its RUN_STARTED row in one transaction; this object owns the run. Ids are short and
  // unguessable.
  virtual Result<std::string> start_run(std::string agent, std::string task, std::string user,
                                        const Json& payload) = 0;
  // The same under an id that the caller chose: kRunIdLetters of [a-z2-7]. kInvalidArgument: there is such a
  // run.
  virtual Result<std::string> start_run_as(std::string id, std::string agent, std::string task,
                                           std::string user, const Json& payload) = 0;
  // Durable on return (synchronous=FULL). Chained to the row before.
  virtual Result<Row> append(const std::string& run, Kind kind, std::string step_key, int attempt,
                             const Json& payload) = 0;
  // All of them or none, in one transaction, for rows that belong together (the intents of one turn).
  virtual Result<std::vector<Row>> append_all(const std::string& run, const std::vector<Entry>& entries) = 0;
  // The RUN_DONE (or CANCELLED) row and the run's state together; nothing can be appended afterwards. `state`
  // is kDone, kFailed, kStopped or kCancelled. RunSummary::totals will be the member "totals" of the payload.
  virtual Result<void> finish_run(const std::string& run, RunState state, const std::string& answer,
                                  const Json& payload) = 0;

  // Makes this object the owner, with a higher fencing number, and journals LEASE_TAKEN; the former owner can
  // append nothing from then on. kDenied while that owner's process lives and its lease lasts. Taking one's
  // own renews it.
  virtual Result<Lease> take_lease(const std::string& run, std::int64_t lease_ms = kLeaseMs) = 0;
  // Lets anyone take the run at once. Nothing when this object is not the owner.
  virtual Result<void> release_lease(const std::string& run) = 0;
  // append_all() and the run waits, in one transaction.
  virtual Result<std::vector<Row>> park(const std::string& run, const std::vector<Entry>& entries) = 0;
  // Between kRunning and kWaiting.
  virtual Result<void> set_state(const std::string& run, RunState state) = 0;

  // APPROVAL_ASKED, and the run waits. Asking again for the same step and digest changes nothing.
  virtual Result<Approval> ask_approval(const std::string& run, const std::string& step_key,
                                        const std::string& tool, const Json& arguments,
                                        const std::string& why) = 0;
  // From any process, owner or not. Once: a second decision is kInvalidArgument. kNotFound: nobody asked.
  virtual Result<Approval> give_approval(const std::string& run, const std::string& step_key, bool allowed,
                                         const std::string& by, const std::string& reason) = 0;
  // The decision about exactly this call, if there is one: journals APPROVAL_GIVEN and uses it up, in one
  // transaction; when none waits any more, the run is running again. Nothing: still pending. kDenied: used
  // already, or for other arguments.
  virtual Result<std::optional<Approval>> use_approval(const std::string& run, const std::string& step_key,
                                                       const std::string& tool, const Json& arguments) = 0;
  // Undecided ones, oldest first; of all runs when `run` is "".
  virtual Result<std::vector<Approval>> pending_approvals(const std::string& run) = 0;

  // Leaves a message for a run, from any process. It arrives once, also when its owner dies meanwhile.
  virtual Result<std::int64_t> send_signal(const std::string& run, const std::string& name,
                                           const Json& payload) = 0;
  // Whether somebody has decided something, or sent it, that the run has not applied yet.
  virtual Result<bool> has_word(const std::string& run) = 0;
  // Another number than before once another connection has written to the file.
  virtual Result<std::int64_t> data_version() = 0;
  // Whether somebody's process works on the run.
  virtual Result<bool> at_work(const std::string& run) = 0;
  // What arrived since, oldest first; each is journaled as SIGNAL in the same transaction.
  virtual Result<std::vector<Signal>> take_signals(const std::string& run) = 0;

  // Forgets what an ended run held: payloads, task, answer, approvals, signals. The chain still verifies; an
  // ERASED row says who and why. The bytes are gone from the files when checkpoint() of the database has
  // succeeded, which this tries; kTimeout when a reader kept it from that (then call the checkpoint again).
  virtual Result<void> erase(const std::string& run, const std::string& by, const std::string& reason) = 0;
  // Deletes whole ended runs; gives their ids.
  virtual Result<std::vector<std::string>> prune(Retention retention) = 0;

  virtual Result<std::vector<Row>> rows(const std::string& run) = 0;
  // Newest first.
  virtual Result<std::vector<RunSummary>> list(std::size_t count, std::optional<RunState> state) = 0;
  // By id or unique prefix; "last" is the newest that no other run started. kNotFound names the nearest or
  // says that there are none; kInvalidArgument when several runs begin so.
  virtual Result<RunSummary> find(const std::string& id) = 0;
  // Recomputes the chain. Empty: intact. Else one line a defect, naming the row and the column. What only
  // somebody who rewrites the whole chain could do goes unseen, unless the head hash was kept elsewhere.
  virtual Result<std::vector<std::string>> verify(const std::string& run) = 0;
  // Everything about a run as one value, with salts, so that the chain can be checked from it alone
  // (docs/formats/journal.md, "Export").
  virtual Result<Json> export_run(const std::string& run) = 0;
};

}  // namespace tsukai::agent
