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
  kRunStarted,   // agent file, task, tool definitions, model and schema digests, seed
  kRecalled,     // episodes found in memory
  kModelIntent,  // what the prompt adds to the transcript: kept bytes and tokens, new text, new tokens,
                 // sha256 of all
  kModelResult,  // text, tokens, calls, usage
  kToolIntent,   // step key, tool, arguments: durable before dispatch
  kToolStarted,  // handed to the server
  kToolResult,   // the observation, as the model will see it and as it came
  kToolUnknown,  // the outcome can't be known
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

// Limits. Beyond them an append is refused with kExhausted and nothing is written.
constexpr std::size_t kPayloadBytesMax = 64u << 20;
constexpr std::int64_t kRowsPerRunMax = 1'000'000;
constexpr std::size_t kStepKeyBytesMax = 256;

// One connection's view of the journal. Not thread-safe. Bytes at rest: docs/formats/journal.md.
// Errors of every write: kNotFound (no such run), kInvalidArgument (the run has ended; a malformed entry),
// kExhausted (a limit, the disk), kTransport (I/O). After any of them the journal is as it was before the
// call.
class Journal {
 public:
  static Result<std::unique_ptr<Journal>> open(Database& database, const Clock& clock);
  virtual ~Journal() = default;

  // Creates the run and its RUN_STARTED row in one transaction. Ids are short and unguessable.
  virtual Result<std::string> start_run(std::string agent, std::string task, std::string user,
                                        const Json& payload) = 0;
  // Durable on return (synchronous=FULL). Chained to the row before.
  virtual Result<Row> append(const std::string& run, Kind kind, std::string step_key, int attempt,
                             const Json& payload) = 0;
  // All of them or none, in one transaction, for rows that belong together (the intents of one turn).
  virtual Result<std::vector<Row>> append_all(const std::string& run, const std::vector<Entry>& entries) = 0;
  // The RUN_DONE (or CANCELLED) row and the run's state together; nothing can be appended afterwards. `state`
  // is kDone, kFailed, kStopped or kCancelled. RunSummary::totals will be the member "totals" of the payload.
  virtual Result<void> finish_run(const std::string& run, RunState state, const std::string& answer,
                                  const Json& payload) = 0;

  virtual Result<std::vector<Row>> rows(const std::string& run) = 0;
  // Newest first.
  virtual Result<std::vector<RunSummary>> list(std::size_t count, std::optional<RunState> state) = 0;
  // By id or unique prefix; "last" is the newest. kNotFound names the nearest or says that there are none;
  // kInvalidArgument when several runs begin so.
  virtual Result<RunSummary> find(const std::string& id) = 0;
  // Recomputes the chain. Empty: intact. Else one line a defect, naming the row and the column. What only
  // somebody who rewrites the whole chain could do goes unseen, unless the head hash was kept elsewhere.
  virtual Result<std::vector<std::string>> verify(const std::string& run) = 0;
};

}  // namespace tsukai::agent
