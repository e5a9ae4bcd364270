// A ChatModel over an OpenAI-compatible chat completions API: somebody else's service, or a server of one's
// own.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "agent/remote_preset.h"
#include "agent/runtime.h"
#include "infer/model.h"

namespace tsukai::agent {

struct RemoteModelOptions {
  RemoteSpec spec;
  std::string key;  // Sent as a bearer token, and hidden wherever an answer repeats it. Empty: none.
  int attempts_max = 4;
  std::chrono::milliseconds back_off{500};  // Before the second attempt; doubled before each further one.
  std::chrono::milliseconds retry_after_max{60'000};  // A longer Retry-After is not waited for: kExhausted.
  std::chrono::milliseconds idle_timeout{120'000};    // Without a byte from the server; it may be thinking.
};

// Tried again: 408, 409, 429, 5xx, connections that fail or are cut, and silence. Asking again is safe: what
// the model says has no effect until it is complete. Text that was shown before a cut is not shown a second
// time; a turn whose plan was begun is not asked for a second time at all. A reply's `text` is the message as
// it will stand in the next request. Budgets are counted from the provider's usage, or estimated (4 bytes a
// token) where it gives none.
std::unique_ptr<infer::ChatModel> make_remote_model(RemoteModelOptions options);

// Opens what names_remote_model(), the key from its environment variable; everything else is left to `local`.
// kInvalidArgument: the name is wrong, or the variable is not set.
OpenModel open_remote_models(OpenModel local);

}  // namespace tsukai::agent
