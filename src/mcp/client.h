// An MCP client: one connection to one server.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "mcp/authorizer.h"
#include "mcp/types.h"

namespace tsukai::mcp {

// Which revisions to speak: the modern one (2026-07-28, stateless), a legacy one (opened with `initialize`),
// or whatever the server understands.
enum class Era { kAuto, kLegacy, kModern };

// How to reach a server: the members of one entry of an `mcpServers` object.
struct ServerConfig {
  std::string name;
  // stdio
  std::string command;
  std::vector<std::string> args;
  std::map<std::string, std::string>
      env;  // The child sees these and a minimal set (PATH, HOME, LANG, TMPDIR ...).
  std::string cwd;
  // HTTP
  std::string url;
  std::map<std::string, std::string> headers;
  JsonValue oauth;          // The object "oauth", ${NAME} expanded; null: none. Read by read_oauth_options().
  bool legacy_sse = false;  // "type": "sse": the transport of 2024-11-05, two endpoints.

  Era era = Era::kAuto;
  std::vector<std::string> roots;  // Folders that the server may know of, as file:// addresses.
  std::string protocol_version;    // Pinned: spoken without asking first. Empty: found out.

  std::chrono::milliseconds start_timeout{10'000};
  std::chrono::milliseconds call_timeout{60'000};       // Without an answer or progress.
  std::chrono::milliseconds call_timeout_max{600'000};  // Whatever progress says.
  // How long a server of a legacy revision waits for a person who is not at hand, its call in flight; counts
  // against none of the limits above.
  std::chrono::milliseconds question_timeout{600'000};
  bool trusted = false;  // Believe its annotations.
};

// Parses one member of `mcpServers`. `${NAME}` in values is replaced from the environment; an unset name is
// an error. kInvalidArgument names the key and the nearest valid one.
Result<ServerConfig> parse_server_config(std::string name, const Json& entry);

// Every message as it crosses the wire, for --trace.
enum class Direction { kSent, kReceived, kStderr, kJunk };
using OnMessage = std::function<void(Direction, std::string_view)>;

// What of a server changed.
enum class Changed { kTools, kResources, kPrompts };

struct LogMessage {
  std::string level;  // "debug" ... "emergency"
  std::string logger;
  JsonValue data;
};

// A folder that servers may know of.
struct Root {
  std::string uri;  // file://...
  std::string name;
};

// Answers a question of the server: its params in, its result out. An error is told to the server as a
// refusal.
using QuestionHandler = std::function<Task<JsonValue>(JsonValue params)>;

// What is not given is not declared to servers, so they don't ask for it.
struct ClientOptions {
  OnMessage on_message;
  std::shared_ptr<Authorizer> authorizer;  // HTTP only.

  // sampling/createMessage: the result is a CreateMessageResult.
  QuestionHandler on_sampling;
  bool sampling_tools = false;  // on_sampling understands `tools`.
  // elicitation/create: the result is {"action": "accept" | "decline" | "cancel", "content": {...}}. What an
  // accepted form leaves out is filled in from the schema's defaults. `mode` is "form" (or absent) or "url".
  QuestionHandler on_elicitation;
  bool elicitation_url = false;  // on_elicitation takes mode "url" as well.
  // Without on_elicitation: a call of 2026-07-28 that asks a person gives ToolResult::asked instead of
  // failing, and goes on whenever there are answers. Servers of older revisions hold their call open while
  // they ask: `on_held_elicitation` answers them, as on_elicitation would (both modes); without it they are
  // told that nobody is there.
  bool elicitation_parks = false;
  QuestionHandler on_held_elicitation;
  std::function<std::vector<Root>()> roots;

  // Runs when the server says that a list has changed. Per kind at most one runs and one more is pending,
  // however often the server says so.
  std::function<Task<void>(Changed)> on_changed;
  std::function<void(const std::string& uri)> on_resource_updated;
  // Log messages from `log_level` on; without on_log none are asked for.
  std::function<void(const LogMessage&)> on_log;
  std::string log_level = "info";

  // What a result promised by outputSchema does not hold: warned about, or an error (kProtocol).
  bool strict_output = false;
  bool check_output = true;  // False: whoever calls looks for himself.
  // Something the server did wrong that did not stop us, in one sentence.
  std::function<void(const std::string&)> on_warning;
};

struct Progress {
  double done = 0;
  double total = 0;  // 0: unknown
  std::string message;
};
using OnProgress = std::function<void(const Progress&)>;
// A call has become a task of this id.
using OnTask = std::function<void(const std::string& id)>;

// A connected client. Lives on one executor's thread. Destruction without shutdown() kills the server's
// process group.
class Client {
 public:
  virtual ~Client() = default;

  // Starts or reaches the server, finds out its era and completes the handshake, all within
  // config.start_timeout. kNotFound: the command does not exist. kTransport: it died (its last stderr lines
  // are in the message) or can't be reached. kTimeout: no answer. kProtocol: not an MCP server. kDenied: it
  // wants credentials.
  static Task<std::unique_ptr<Client>> connect(ServerConfig config, ClientOptions options);

  virtual const ServerConfig& config() const = 0;
  virtual const Implementation& server() const = 0;
  virtual const std::string& protocol_version() const = 0;
  virtual const std::string& instructions() const = 0;

  // All pages.
  virtual Task<std::vector<Tool>> list_tools() = 0;
  // A tool's own failure is a ToolResult with is_error. Errors: kNotFound (no such tool, when the server says
  // so), kTimeout, kTransport (it died), kProtocol, kCancelled. `arguments` must be an object.
  virtual Task<ToolResult> call_tool(std::string tool, Json arguments, OnProgress on_progress = {}) = 0;
  // The same for callers that may be gone before the answer is there: when the server makes a task of the
  // call, on_task is told before the wait begins, and await_task waits for its end, from another connection
  // or process too. A call that is cancelled or times out cancels its task. Tools that can do both are called
  // as a task, which call_tool does only where the server leaves no choice.
  virtual Task<ToolResult> call_tool_as_task(std::string tool, Json arguments, OnTask on_task,
                                             OnProgress on_progress = {});
  // Goes on with a call that gave ToolResult::asked, from another connection or process too. `answers`: by
  // the key of each question to a person, the result of elicitation/create. Else as call_tool_as_task.
  virtual Task<ToolResult> continue_call(std::string tool, Json arguments, JsonValue asked, JsonValue answers,
                                         OnTask on_task);
  // kNotFound: the server knows no such task, or its time is over. Else as call_tool.
  virtual Task<ToolResult> await_task(std::string task, std::string tool, OnProgress on_progress = {});
  virtual Task<void> ping() = 0;

  // What follows answers kUnsupported where a client does not have it, or the server does not offer it.
  // What the server declared; an object.
  virtual const Json& capabilities() const;
  // Resources and templates as the server describes them ({"uri", "name", ...}, {"uriTemplate", ...}),
  // prompts
  // ({"name", "arguments", ...}): all pages, cached as long as the server allows.
  virtual Task<std::vector<JsonValue>> list_resources();
  virtual Task<std::vector<JsonValue>> list_resource_templates();
  virtual Task<std::vector<JsonValue>> list_prompts();
  // The array `contents`. kNotFound.
  virtual Task<JsonValue> read_resource(std::string uri);
  // {"description", "messages"}.
  virtual Task<JsonValue> get_prompt(std::string name, std::map<std::string, std::string> arguments);
  // Values for one argument of a prompt ({"type": "ref/prompt", "name"}) or of a template ({"type":
  // "ref/resource", "uri"}). `known`: arguments given already.
  virtual Task<std::vector<std::string>> complete(JsonValue reference, std::string argument,
                                                  std::string value,
                                                  std::map<std::string, std::string> known = {});
  // on_resource_updated is called from now on, until unsubscribed.
  virtual Task<void> subscribe(std::string uri);
  virtual Task<void> unsubscribe(std::string uri);
  virtual Task<void> set_log_level(std::string level);
  // The roots have changed.
  virtual Result<void> announce_roots();

  // The last lines the server wrote to stderr, and how many lines of stdout were no protocol messages.
  virtual std::string stderr_tail() const = 0;
  virtual std::size_t junk_lines() const = 0;

  // stdin closed, then TERM, then KILL to the whole process group; resumes when it is gone. Idempotent.
  virtual asio::awaitable<void> shutdown() = 0;
};

}  // namespace tsukai::mcp
