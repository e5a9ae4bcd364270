// What an HTTP request must fulfil before MCP looks at it. Pure.
#pragma once

#include <optional>
#include <string>

#include "base/http_server.h"
#include "mcp/message.h"
#include "mcp/server_registry.h"

namespace tsukai::mcp {

// Refusals are a status and a sentence.
struct HttpRefusal {
  int status;
  std::string why;
  HttpHeaders headers;
};

// Path, Host and Origin (against DNS rebinding: a web page must not reach a local server under a name of its
// own), bearer key.
std::optional<HttpRefusal> check_access(const HttpServerRequest& request, const HttpServeOptions& options);

// 2026-07-28: headers say the same as the body. nullopt: they do.
std::optional<RpcError> check_headers(const HttpServerRequest& request, const Message& message,
                                      const Registry& registry);

}  // namespace tsukai::mcp
