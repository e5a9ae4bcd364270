// One connection to a server, for one command.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mcp/client.h"
#include "tools/tsukai/mcp_command.h"

namespace tsukai::cli {

// Where --trace goes: JSON Lines, one a message, written as they happen.
class Trace {
 public:
  // "-": standard error; "": nowhere, and then the pointer is null.
  static Result<std::shared_ptr<Trace>> open(const std::string& path);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  // `server` empty: not said.
  void add(const std::string& server, mcp::Direction direction, std::string_view bytes);

 private:
  explicit Trace(std::FILE* file) : file_(file) {}
  std::FILE* file_;
};

// What one connection is for. Run between connect() and shutdown(); the exit code is the command's.
using McpWork = Task<int> (*)(mcp::Client& client, Output& output, const McpArguments& arguments);

// Answers what servers ask of a client that no person sits at: forms are declined, sampling is refused, there
// are no roots. Declared all the same, since servers hide tools from clients that declare less.
void decline_questions(mcp::ClientOptions& options, Output& output);

// Connects to the server that `arguments` mean, works and disconnects; says what went wrong.
int with_server(Output& output, const McpArguments& arguments, McpWork work);

// "2025-11-25 (legacy)"
std::string revision_text(const std::string& protocol_version);
// "toy 1.2"
std::string implementation_text(const mcp::Implementation& server);
// {"name", "version"}
Json implementation_json(const mcp::Implementation& server);

}  // namespace tsukai::cli
