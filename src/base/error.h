// What can go wrong, told so that both a program and a person know what to do next.
#pragma once

#include <string>
#include <string_view>

namespace tsukai {

// Says what the caller can do, not where the failure was. Pick the first that fits.
enum class Code {
  kInvalidArgument,  // Fix the call: an argument, a file written by the user, a flag.
  kNotFound,         // Name something else: no such file, tool, run, model.
  kTimeout,          // Retry, perhaps later: a deadline passed.
  kCancelled,        // Stop quietly: somebody asked for that.
  kTransport,        // Reconnect: the peer went away or was never there.
  kProtocol,         // Do not retry: the peer broke the protocol.
  kExhausted,        // Wait or shrink: a queue, a budget, a limit or memory is full.
  kDenied,           // Ask a person: policy or permission forbids it.
  kCorrupt,          // Fetch or restore: stored bytes are damaged.
  kUnsupported,      // Choose another: valid, but this build can't do it.
  kInternal,         // Report it: a bug of ours.
};

// The name of a code as it stands in JSON output and journals ("invalid_argument").
std::string_view name(Code code);

// An error: what happened and where, and, when we know it, what to do about it.
class Error {
 public:
  Error(Code code, std::string message, std::string remedy = {})
      : code_(code), message_(std::move(message)), remedy_(std::move(remedy)) {}

  Code code() const { return code_; }
  // "open model: weights.gguf: ends after 12 bytes". No trailing full stop.
  const std::string& message() const { return message_; }
  // "download it again"; empty when there is nothing sensible to say.
  const std::string& remedy() const { return remedy_; }

  // Adds context on the way up; code and remedy stay.
  Error in(std::string_view context) &&;
  Error with_remedy(std::string remedy) &&;

  // One sentence for a person: "message; remedy".
  std::string text() const;

 private:
  Code code_;
  std::string message_;
  std::string remedy_;
};

// Exit codes of every program (docs/ARCHITECTURE.md): what stands behind an error decides.
enum class Exit : int {
  kDone = 0,
  kTaskFailed = 1,
  kUsage = 2,
  kComponent = 3,
  kStopped = 4,
  kWaiting = 5,
  kInterrupted = 130,
};

// kInvalidArgument, kNotFound -> kUsage; kDenied, kExhausted -> kStopped; kCancelled -> kInterrupted; else
// kComponent.
Exit exit_code(Code code);

}  // namespace tsukai
