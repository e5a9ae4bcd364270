// All tools of a run: the servers merged under one set of names, checked, and called.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/agent_file.h"
#include "agent/observation.h"
#include "agent/policy.h"
#include "agent/runtime.h"
#include "agent/tool_pins.h"
#include "base/gate.h"
#include "base/json_schema.h"
#include "base/task.h"
#include "infer/model.h"
#include "mcp/client.h"

namespace tsukai::agent {

// An event without its time: type and data (docs/formats/events.md).
using Tell = std::function<void(std::string type, JsonValue data)>;

inline constexpr std::size_t kServersMax = 64;
inline constexpr std::size_t kToolsMax = 512;
// Of the definitions of new tools that a run is told at once, but for the first: the rest is told later.
inline constexpr std::size_t kArrivalBytesMax = 12'288;

struct BoundTool {
  std::size_t server = 0;  // Index into the options' servers.
  std::string server_name;
  mcp::Tool tool;
  std::string qualified;             // "maps.maps_geo"
  infer::ToolDefinition definition;  // Named as the model knows it.
  JsonSchema arguments;
  // The argument that takes an idempotency key, "" if none: a string property named `idempotency_key`. The
  // run fills it in, the model never sees it.
  std::string key_argument;
  bool agent = false;  // No server's: another agent, to be given a task (child_run.h).
  // Its server says that it may destroy something: it runs alone. The careful side needs no trust.
  bool destructive() const {
    return tool.has_annotations && !tool.annotations.read_only && tool.annotations.destructive;
  }
};

struct ToolboxOptions {
  std::vector<mcp::ServerConfig> servers;
  std::vector<std::string> globs;  // Only these `server.tool`; empty: all.
  std::vector<PolicyRule> policy;
  std::vector<InheritedPolicy> inherited;
  std::vector<BoundTool> agents;  // Beside the servers' tools; `globs` do not speak of them.
  bool agents_offered = true;     // False: rules may name them, the model may not.
  std::string path;               // Of the agent file, for messages.
  ConnectServer connect;
  // ChatModel::unsupported_keywords; a tool with any is left out of the run, and a notice says why.
  std::function<std::vector<std::string>(const infer::ToolDefinition&)> unsupported_keywords;
  Tell tell;
  // What a server's client answers and hears besides calls; empty: nothing.
  std::function<mcp::ClientOptions(const std::string& server)> client_options;
  ToolPins* pins = nullptr;  // Null: definitions are taken as they come. Outlives the toolbox.
};

// Why a call is not made.
struct Refusal {
  Outcome outcome = Outcome::kInvalid;
  std::string message;
};

// What a call has to do with tasks of its server.
struct CallTask {
  std::string resumed;  // Not made again: the result of this task is waited for.
  mcp::OnTask on_task;  // The server made a task of the call.
  // What the server asked a person when the call was made before, and the answers; null: nothing.
  JsonValue asked, answers;
  // How long people were waited for so far, which counts against no limit; empty: never.
  std::function<std::chrono::milliseconds()> held;
};

// Lives on the io thread. REQUIRES: shutdown() before destruction, else the servers are killed rather than
// closed.
class Toolbox {
 public:
  virtual ~Toolbox() = default;
  // Starts all servers at once. One that fails is missing, with an event, and nothing else happens; when all
  // fail, the first one's error is the answer. Other errors: kInvalidArgument when a policy rule or tool glob
  // names nothing, kExhausted beyond the limits, kCancelled (all started servers are shut down by then).
  static Task<std::unique_ptr<Toolbox>> open(ToolboxOptions options);

  // In the order of servers and of their lists: fixed for the run.
  const std::vector<infer::ToolDefinition>& definitions() const { return definitions_; }
  const std::vector<BoundTool>& tools() const { return tools_; }
  // Also those that the run was told of later; holds for as long as the toolbox.
  const BoundTool* find(std::string_view model_name) const;

  // Tools that servers began to offer after the run began, in the order of their coming, and that it is told
  // of now: they can be called from now on. `place`: the key of the step that is asked for next, or of the
  // call that is about to be made.
  virtual std::vector<const BoundTool*> admit_arrivals(const std::string& place);
  // For a run that goes on: the tools it began with and was told of later, as tools_record() has them. Others
  // of today's are new to it. REQUIRES: nothing was called or admitted yet.
  void take_up(const Json& began_with, const Json& told_later);
  const Redaction& redaction() const { return redaction_; }

  // Unknown name (with the nearest), arguments against the schema, policy (deny); in this order.
  virtual std::optional<Refusal> refusal(const infer::ToolCall& call) const;
  // The rule that wants a person's word first; "" when none does. REQUIRES: !refusal(call).
  std::string approval_rule(const infer::ToolCall& call) const;
  bool trusted(const BoundTool& tool) const { return !tool.agent && options_.servers[tool.server].trusted; }

  // Calls the tool for at most `limit_ms`; `key` goes into its key_argument, `step_key`
  // names the call in the journal. Whatever goes wrong is an
  // observation. REQUIRES: !refusal(call). Its outcome is kCancelled when the coroutine was cancelled
  // meanwhile.
  virtual asio::awaitable<Observation> call(infer::ToolCall call, std::string key, std::string step_key,
                                            std::int64_t limit_ms, CallTask task);

  // Closes every server, in parallel. Not to be cancelled.
  asio::awaitable<void> shutdown();

 protected:
  explicit Toolbox(ToolboxOptions options);
  // One more tool, already named; for bind_tools and for replay.
  void add_tool(BoundTool tool);
  // One that the run is told of later.
  const BoundTool* add_later(BoundTool tool);

 private:
  struct Server {
    std::shared_ptr<mcp::Client> client;  // Shared with the calls in flight.
    bool reviving = false;                // It is gone, and being started again.
    std::vector<mcp::Tool> tools;
    std::optional<Error> failure;
    std::set<std::string> refused;  // Tools whose definition is not what was pinned.
    std::set<std::string> gone;     // Tools of the run that it no longer offers.
  };
  Task<void> start(std::size_t index);
  Task<void> stop(std::size_t index);
  mcp::ClientOptions client_options(std::size_t index) const;
  // Starts a server anew that was lost or did not start, more and more slowly; calls to it wait meanwhile.
  void begin_revival(std::size_t index);
  Task<void> revive(std::size_t index);
  Task<bool> start_again(std::size_t index);
  Task<void> up(std::size_t index);
  // The server says that its tools are others now. A run keeps the definitions it began with: what was
  // changed is refused like any change (tool_pins.h), what is gone is refused, and what is new waits to be
  // admitted.
  static Task<void> take_change(std::weak_ptr<Toolbox*> self, std::size_t index, mcp::Changed kind);
  void tools_changed(std::size_t index, std::vector<mcp::Tool> now);
  void tell_started(std::size_t index, std::chrono::steady_clock::time_point began);
  Result<void> bind_tools();
  // The tool as a run has it; nothing, with a notice where it is of use, when it is not for this run.
  std::optional<BoundTool> bind(std::size_t index, const mcp::Tool& tool);
  void narrow(infer::ToolDefinition& definition, const BoundTool& tool) const;
  std::vector<std::string> take_arrivals(std::size_t index);
  void check_pins(std::size_t index);
  Verdict verdict(const BoundTool& tool, const Json& arguments) const;
  void fail_server(std::size_t index, const Error& error);
  void notice(const std::string& text);

  ToolboxOptions options_;
  Redaction redaction_;
  std::vector<Server> servers_;
  std::shared_ptr<Toolbox*> self_ = std::make_shared<Toolbox*>(this);  // Clients may outlive the toolbox.
  std::unique_ptr<Gate> revivals_;                                     // From open() on.
  std::unique_ptr<asio::steady_timer> revived_;  // Never fires; cancelled at the end of each revival.
  std::vector<BoundTool> tools_;
  std::vector<infer::ToolDefinition> definitions_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::deque<BoundTool> later_;  // What the run was told of after it began: calls hold on to them.
  std::map<std::string, const BoundTool*, std::less<>> later_by_name_;
  std::vector<BoundTool> arrivals_;  // What it was not told of yet.
  bool bound_ = false;               // The tools that the run begins with stand.
};

}  // namespace tsukai::agent
