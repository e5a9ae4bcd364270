// What the servers of a run may ask while they work: the run's model (sampling) and a person (elicitation).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/policy.h"
#include "infer/model.h"
#include "mcp/client.h"

namespace tsukai::agent {

// Puts a server's question before a person: the params of elicitation/create in, its result out ({"action":
// "accept" | "decline" | "cancel", "content"}).
using Elicit = std::function<Task<JsonValue>(std::string server, JsonValue params)>;

// Policy rules speak of these as of tools: `allow: docs.sampling`.
inline constexpr std::string_view kSamplingName = "sampling";
inline constexpr std::string_view kElicitationName = "elicitation";

// A run that lends its model to the servers it calls.
class Lender {
 public:
  virtual ~Lender() = default;
  // Whether it waits for a call of this server right now.
  virtual bool calls_server(const std::string& server) const = 0;
  virtual const infer::ModelDescription& lent_model() const = 0;
  // One answer of its model: journaled, and within its budget. kExhausted says which limit is reached.
  virtual Task<infer::ChatReply> lend(std::string server, infer::ChatRequest request) = 0;
  // Puts a question of a call in flight where people find it, and waits for what one of them says: a result
  // of elicitation/create. {"action": "cancel"}: nobody did in time, or the call is over.
  virtual Task<JsonValue> hold_question(std::string server, JsonValue params) = 0;
};

// Questions are answered from any call of any server, so what they need lives as long as some client knows
// it; after close() every question is refused. Lives on the io thread.
class ServerQuestions {
 public:
  static constexpr std::size_t kSamplingTokensMax = 2'048;  // Of one answer.
  static constexpr int kSamplingsMax = 32;                  // Of one run.

  // Sampling needs a rule that allows it by name; without one, or with `deny`, it is refused; with `ask` the
  // person is asked each time. Elicitation is asked of the person unless a rule denies it. `elicit` empty:
  // nobody is at hand, so the run waits for the answers (mcp::ClientOptions::elicitation_parks), or where the
  // server's revision does not let it, the call does (Lender::hold_question).
  ServerQuestions(std::vector<PolicyRule> policy, Elicit elicit, std::function<void(std::string)> notice);
  ~ServerQuestions();

  // The handlers for one server's client.
  mcp::ClientOptions options_for(const std::string& server) const;
  // Between these a run pays for what servers ask: of several, the newest that waits for the server that
  // asks, else the newest.
  void enter(Lender& lender);
  void leave(Lender& lender);
  void close();

  struct Desk;

 private:
  std::shared_ptr<Desk> desk_;
};

}  // namespace tsukai::agent
