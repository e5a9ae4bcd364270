// Putting a reply together from the pieces of a chat completions stream. Pure: no I/O, no clock.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/remote_preset.h"
#include "infer/model.h"

namespace tsukai::agent {

// Of one reply, all pieces together; beyond it the reply is refused.
inline constexpr std::size_t kRemoteReplyBytesMax = 16u << 20;
inline constexpr std::size_t kRemoteCallsMax = 256;

// What a provider said went wrong, as an Error that says what to do: kDenied (the key), kExhausted (too many
// requests, no money left, a prompt too long), kNotFound, kInvalidArgument, kTransport (its own trouble:
// again later). `body` is JSON or anything.
Error remote_error(int status, std::string_view body);

class RemoteReply {
 public:
  // `on_call` hears of calls as they are written.
  explicit RemoteReply(const RemoteSpec& spec, infer::OnCall on_call = {})
      : spec_(spec), on_call_(std::move(on_call)) {}

  // One event's data, or a whole answer of a server that does not stream. Gives the text to show. kProtocol:
  // it is no chat completion; an error that the provider sent in the stream is remote_error().
  Result<std::string> take(std::string_view data);
  // "[DONE]", or a finish reason, was seen: nothing is missing.
  bool complete() const { return done_ || !finish_.empty(); }
  bool done() const { return done_; }
  bool any_text() const { return !message_.text.empty(); }
  // on_call said that this reply may not be asked for again.
  bool begun() const { return begun_; }

  // The reply. `body_bytes`: of the request, to estimate what a provider does not count. Arguments that are
  // no JSON are a JSON string that holds them as they came. REQUIRES: complete(), or `cut`: then it ends
  // where it is, as if there were no more tokens.
  infer::ChatReply reply(std::size_t body_bytes, bool cut = false) const;

 private:
  struct Call {
    std::string id, name, arguments;
    std::size_t told = 0;  // Bytes of the arguments that on_call has heard.
    bool announced = false;
  };
  Result<void> take_choice(const Json& choice, std::string& shown);
  Result<void> take_calls(const Json& calls);
  void tell(std::int64_t index, Call& call);
  void take_usage(const Json& usage);

  const RemoteSpec& spec_;
  infer::OnCall on_call_;
  bool begun_ = false;
  infer::Message message_;
  std::map<std::int64_t, Call> calls_;  // By index.
  std::string finish_;
  bool done_ = false;
  std::size_t bytes_ = 0;
  std::int64_t prompt_tokens_ = -1, cached_tokens_ = 0, generated_tokens_ = -1;
};

}  // namespace tsukai::agent
