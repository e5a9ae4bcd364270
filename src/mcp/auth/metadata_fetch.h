// Finds out who guards a server: fetches the descriptions in the order that discovery.h gives.
#pragma once

#include <string>
#include <vector>

#include "base/http_client.h"
#include "mcp/auth/discovery.h"

namespace tsukai::mcp {

inline constexpr std::chrono::milliseconds kMetadataTimeout{30'000};

struct Guard {
  std::string resource;  // What to send in `resource`.
  std::vector<std::string> scopes_supported;
  AuthorizationServer server;
};

// `resource_metadata`: from the challenge, may be empty. kProtocol: a description is missing or not
// acceptable; kTransport, kTimeout: could not be fetched.
Task<Guard> find_guard(HttpClient& http, std::string server_url, std::string resource_metadata);

}  // namespace tsukai::mcp
