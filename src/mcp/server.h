// An MCP server as a library: register tools, then serve.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "mcp/transport.h"
#include "mcp/types.h"

namespace tsukai::mcp {

// Something only the client can answer: a question to its user (elicitation/create), to its model
// (sampling/createMessage), or its folders (roots/list).
struct InputRequest {
  std::string method;
  JsonValue params;
};

// What a handler can do besides answering.
class CallContext {
 public:
  virtual ~CallContext() = default;
  virtual void progress(double done, double total, std::string message) = 0;
  virtual bool cancelled() const = 0;

  // Sends a log message if the client wants to see that level ("debug" ... "emergency").
  virtual void log(std::string_view level, std::string logger, JsonValue data);
  // What the client declared; an object.
  virtual const Json& client_capabilities() const;

  // Asks the client and waits for its answers, by key. Until 2025-11-25 a request goes to the client while
  // the handler waits. From 2026-07-28 on the handler ends here (pass the error on!), and runs again FROM THE
  // START when the client retries with the answers: do nothing that must not happen twice before the last
  // ask. kUnsupported: the client did not declare the capability.
  virtual Task<std::map<std::string, JsonValue>> ask(std::map<std::string, InputRequest> questions);

  // For tools added with TaskRules::at_once false: the client is answered with a task now, and the handler
  // goes on as that task; what it asks from here on is asked while it waits, in both eras. Changes nothing
  // where the client does not understand tasks. kExhausted: too many tasks are kept; pass the error on.
  virtual Result<void> begin_task();
};

// Arguments have been validated against input_schema. An Error becomes a tool result with isError whose text
// is Error::text(): say what to change. The value is the structured content; its text block is made from
// `text`, or from the JSON itself when `text` is empty. `content`, if given, is the array of content blocks
// instead.
struct ToolOutput {
  JsonValue structured;
  std::string text;
  JsonValue content;
};
// Cancelling the call cancels the handler's coroutine; its outcome is then dropped.
using ToolHandler = std::function<Task<ToolOutput>(Json arguments, CallContext& context)>;

// Whether a call of a tool goes on as a task (2025-11-25 and the extension of 2026-07-28) after its request
// was answered. Its progress is then told as the task's status, and cancelling the task cancels the handler.
struct TaskRules {
  bool required = false;  // Clients that don't understand tasks can't call it; else they wait for its end.
  bool at_once = true;    // False: as an ordinary call until the handler says begin_task().
  std::chrono::milliseconds ttl{3'600'000};  // Kept so long from its beginning; less or more if clients wish.
  std::chrono::milliseconds poll{500};       // How often clients shall ask.
};

struct Resource {
  std::string uri;  // A template such as "notes://{day}" for add_resource_template.
  std::string name;
  std::string title;
  std::string description;
  std::string mime_type;
};
struct ResourceContent {
  std::string uri;
  std::string mime_type;
  std::string bytes;
  bool binary = false;  // Sent as base64.
};
// `variables`: what stood for the template's {names}; empty for a plain resource.
using ResourceHandler = std::function<Task<std::vector<ResourceContent>>(
    std::string uri, std::map<std::string, std::string> variables, CallContext& context)>;

struct PromptArgument {
  std::string name;
  std::string description;
  bool required = false;
};
struct Prompt {
  std::string name;
  std::string title;
  std::string description;
  std::vector<PromptArgument> arguments;
};
struct PromptOutput {
  std::string description;
  JsonValue messages;  // An array of {role, content}.
};
using PromptHandler =
    std::function<Task<PromptOutput>(std::map<std::string, std::string> arguments, CallContext& context)>;

// `reference`: {"type": "ref/prompt", "name"} or {"type": "ref/resource", "uri"}. At most 100 of the values
// are sent.
using CompletionHandler = std::function<Task<std::vector<std::string>>(
    JsonValue reference, std::string argument, std::string value)>;

struct ServerOptions {
  Implementation implementation;
  std::string instructions;
  std::size_t page_tools = 0;  // Tools on one page of tools/list; 0: all on one.
  bool logging = false;        // Handlers log.
  bool changes = false;        // Lists and resources change while serving: announce_...() will be called.
};

struct HttpServeOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one.
  std::string path = "/mcp";
  // Names this server goes by in Host and Origin headers, besides localhost, 127.0.0.1 and [::1]; "*": any.
  std::vector<std::string> hosts;
  std::vector<std::string> bearer_keys;  // Not empty: one of them must be in the Authorization header.
  std::function<void(std::uint16_t port)> on_listening;
};

class Server {
 public:
  virtual ~Server() = default;
  static std::unique_ptr<Server> make(ServerOptions options);

  // REQUIRES: the name is new, the schemas compile. A bug of the caller otherwise.
  virtual void add_tool(Tool tool, ToolHandler handler) = 0;
  // The same for work that takes long.
  virtual void add_task_tool(Tool tool, ToolHandler handler, TaskRules rules) = 0;

  virtual void add_resource(Resource resource, ResourceHandler handler) = 0;
  virtual void add_resource_template(Resource resource, ResourceHandler handler) = 0;
  virtual void add_prompt(Prompt prompt, PromptHandler handler) = 0;
  virtual void set_completion(CompletionHandler handler) = 0;

  // Tell every client that wants to know. REQUIRES: options.changes; called on the serving thread.
  virtual void announce_tools_changed() = 0;
  virtual void announce_resources_changed() = 0;
  virtual void announce_prompts_changed() = 0;
  virtual void announce_resource_updated(std::string uri) = 0;

  // Serves standard input and output until end of file, then finishes the calls in flight.
  virtual Task<void> serve_stdio() = 0;
  // The same over any transport: for tests and servers inside a program.
  virtual Task<void> serve(std::unique_ptr<Transport> transport) = 0;
  // Serves Streamable HTTP, both eras on one path, until cancelled. Errors are those of listening.
  virtual Task<void> serve_http(HttpServeOptions options) = 0;
};

}  // namespace tsukai::mcp
