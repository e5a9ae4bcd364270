// An MCP server as a library: register tools, then serve.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/task.h"
#include "mcp/transport.h"
#include "mcp/types.h"

namespace tsukai::mcp {

// What a handler can do besides answering.
class CallContext {
 public:
  virtual ~CallContext() = default;
  virtual void progress(double done, double total, std::string message) = 0;
  virtual bool cancelled() const = 0;
};

// Arguments have been validated against input_schema. An Error becomes a tool result with isError whose text
// is Error::text(): say what to change. The value is the structured content; its text block is made from
// `text`, or from the JSON itself when `text` is empty.
struct ToolOutput {
  JsonValue structured;
  std::string text;
};
// Cancelling the call cancels the handler's coroutine; its outcome is then dropped.
using ToolHandler = std::function<Task<ToolOutput>(Json arguments, CallContext& context)>;

struct ServerOptions {
  Implementation implementation;
  std::string instructions;
  std::size_t page_tools = 0;  // Tools on one page of tools/list; 0: all on one.
};

// Speaks every revision from 2024-11-05 to 2026-07-28: which one, the client decides.
// REQUIRES: all tools are added before serving; the server outlives serving.
class Server {
 public:
  virtual ~Server() = default;
  static std::unique_ptr<Server> make(ServerOptions options);

  // REQUIRES: the name is new, the schemas compile. A bug of the caller otherwise.
  virtual void add_tool(Tool tool, ToolHandler handler) = 0;

  // Serves standard input and output until end of file, then finishes the calls in flight.
  virtual Task<void> serve_stdio() = 0;
  // The same over any transport: for tests and servers inside a program.
  virtual Task<void> serve(std::unique_ptr<Transport> transport) = 0;
};

}  // namespace tsukai::mcp
