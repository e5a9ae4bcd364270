// Pins: what the tools of a server were when an agent first used them. A definition that changes later is not
// used before it is known why (docs/adr/0007-definition-pins.md).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "mcp/client.h"

namespace tsukai::agent {

// What of a tool is pinned: all that a model reads or a client believes.
Json pinned_part(const mcp::Tool& tool);

// How `now` differs from `before`, a line each: the place, the old and the new value. Bounded in number and
// length.
std::vector<std::string> differences(const Json& before, const Json& now);

struct ToolPin {
  std::string server, tool;
  std::string from;  // The command or URL it came from, for people.
  std::string sha256;
  JsonValue definition;  // null: too long to be kept.
  std::int64_t pinned_ms = 0;
  std::optional<JsonValue> offered;  // What the server says now, and nobody has accepted.
  std::int64_t offered_ms = 0;
};

struct ToolChange {
  std::string tool;
  bool accepted = false;  // Explained by an upgrade, or by a server that is trusted; it is pinned now.
  std::string why;        // It was accepted.
  std::vector<std::string> differences;
};

// Lives on one thread, like its database.
class ToolPins {
 public:
  static constexpr std::size_t kDefinitionBytesMax = 256
                                                     << 10;  // Longer ones are pinned by their hash alone.

  static Result<std::unique_ptr<ToolPins>> open(Database& database, const Clock& clock);
  virtual ~ToolPins() = default;

  // Pins the tools that are new of a server that has this version, and gives those that are not what they
  // were. Pins belong to the server's name and where it comes from: another command or URL is another server.
  virtual Result<std::vector<ToolChange>> check(const mcp::ServerConfig& config, const std::string& version,
                                                const std::vector<mcp::Tool>& tools) = 0;

  // `server`, `tool` empty: all. In the order of server, origin and tool.
  virtual Result<std::vector<ToolPin>> list(const std::string& server) = 0;
  // Pins what is offered; gives how many tools that were.
  virtual Result<std::size_t> accept(const std::string& server, const std::string& tool) = 0;
  // Whatever comes next is pinned.
  virtual Result<std::size_t> forget(const std::string& server, const std::string& tool) = 0;
};

}  // namespace tsukai::agent
