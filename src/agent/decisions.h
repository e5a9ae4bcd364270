// What a person says about a run from outside: from another terminal, another day, whether or not it is being
// worked on.
#pragma once

#include <string>
#include <vector>

#include "agent/journal.h"

namespace tsukai::agent {

// What really became of a call whose outcome is unknown.
enum class Resolution {
  kDone,   // It took effect; the result is given.
  kRetry,  // It did not; make it again.
  kAbort,  // Neither can be said, or it no longer matters: end the run as failed.
};

// Leaves the word for the run; `tsukai runs resume` then goes on. kNotFound when the run made no such call,
// kInvalidArgument when its outcome is not unknown.
Result<void> resolve_call(Journal& journal, const std::string& run, const std::string& call,
                          Resolution resolution, const std::string& result, const std::string& by);

// Answers what a call's server asks a person: `content` is the form's, by the names of its fields, or by the
// questions' keys where there are several; null for a question without a form. `accept` false: declines.
// kNotFound as resolve_call, kInvalidArgument when it asks nothing, the content is not what the form wants,
// or the server held its call open in a process that is gone.
Result<void> answer_question(Journal& journal, const std::string& run, const std::string& call, bool accept,
                             const JsonValue& content, const std::string& by);

// Whether somebody has said something to the run, or to one that it started, that is not applied yet.
Result<bool> is_told_something(Journal& journal, const std::string& run);

// Ends a run that nobody works on at once (true); asks the process that works on it to end it (false), which
// it does within a second or after the model's turn: calls in flight are cancelled, and no result is claimed
// for them. The runs that it started end with it, in the same way each; `with` gets their ids.
Result<bool> cancel_run(Journal& journal, const std::string& run, const std::string& by,
                        std::vector<std::string>* with = nullptr);

}  // namespace tsukai::agent
