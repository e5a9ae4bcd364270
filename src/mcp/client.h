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
#include "mcp/types.h"

namespace tsukai::mcp {

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

  std::chrono::milliseconds start_timeout{10'000};
  std::chrono::milliseconds call_timeout{60'000};       // Without an answer or progress.
  std::chrono::milliseconds call_timeout_max{600'000};  // Whatever progress says.
  bool trusted = false;                                 // Believe its annotations.
};

// Parses one member of `mcpServers`. `${NAME}` in values is replaced from the environment; an unset name is
// an error. kInvalidArgument names the key and the nearest valid one.
Result<ServerConfig> parse_server_config(std::string name, const Json& entry);

// Every message as it crosses the wire, for --trace.
enum class Direction { kSent, kReceived, kStderr, kJunk };
using OnMessage = std::function<void(Direction, std::string_view)>;

struct ClientOptions {
  OnMessage on_message;
};

struct Progress {
  double done = 0;
  double total = 0;  // 0: unknown
  std::string message;
};
using OnProgress = std::function<void(const Progress&)>;

// A connected client. Lives on one executor's thread. Destruction without shutdown() kills the server's
// process group.
class Client {
 public:
  virtual ~Client() = default;

  // Starts the server and completes the handshake, all within config.start_timeout.
  // kNotFound: the command does not exist. kTransport: it died (its last stderr lines are in the message).
  // kTimeout: no answer. kProtocol: not an MCP server.
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
  virtual Task<void> ping() = 0;

  // The last lines the server wrote to stderr, and how many lines of stdout were no protocol messages.
  virtual std::string stderr_tail() const = 0;
  virtual std::size_t junk_lines() const = 0;

  // stdin closed, then TERM, then KILL to the whole process group; resumes when it is gone. Idempotent.
  virtual asio::awaitable<void> shutdown() = 0;
};

}  // namespace tsukai::mcp
