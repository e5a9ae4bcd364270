// A server program, called as raw JSON-RPC in either era over either transport.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/task.h"

namespace tsukai {

enum class Era {
  kLegacy,
  kModern
};  // 2025-11-25 with its handshake; 2026-07-28, where each request stands alone.
enum class Over { kStdio, kHttp };

// REQUIRES: close() has been awaited before destruction.
class Wire {
 public:
  virtual ~Wire() = default;
  // The result of a request, or {"error": ...}.
  virtual Task<JsonValue> request(std::string method, JsonValue params) = 0;
  // Result of tools/call.
  Task<JsonValue> call(std::string tool, JsonValue arguments);
  virtual asio::awaitable<void> close() = 0;

  // Starts the program; over HTTP on a free port with a bearer key.
  static Task<std::unique_ptr<Wire>> open(std::string program, std::vector<std::string> args, Over over,
                                          Era era);
};

}  // namespace tsukai
