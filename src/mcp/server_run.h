// Runs the handler of one request: tools/call, resources/read or prompts/get.
#pragma once

#include <memory>

#include "mcp/server_call.h"

namespace tsukai::mcp {

// The result or the error to answer with. Never throws, whatever the handler does.
asio::awaitable<Answer> run_handler(std::shared_ptr<ServerCall> call);

}  // namespace tsukai::mcp
