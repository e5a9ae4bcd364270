// The revisions of the Model Context Protocol and what tells them apart.
#pragma once

#include <array>
#include <string_view>

namespace tsukai::mcp {

// Legacy revisions open with `initialize`; the modern one is stateless: every request carries its version in
// _meta.
inline constexpr std::array<std::string_view, 4> kLegacyVersions = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                                    "2024-11-05"};
inline constexpr std::string_view kLatestLegacy = kLegacyVersions.front();
inline constexpr std::string_view kModernVersion = "2026-07-28";

inline constexpr bool is_legacy(std::string_view version) {
  for (auto known : kLegacyVersions) {
    if (known == version) return true;
  }
  return false;
}

// Members of params._meta and result._meta (2026-07-28).
inline constexpr std::string_view kMetaVersion = "io.modelcontextprotocol/protocolVersion";
inline constexpr std::string_view kMetaClientInfo = "io.modelcontextprotocol/clientInfo";
inline constexpr std::string_view kMetaClientCapabilities = "io.modelcontextprotocol/clientCapabilities";
inline constexpr std::string_view kMetaServerInfo = "io.modelcontextprotocol/serverInfo";
inline constexpr std::string_view kMetaLogLevel = "io.modelcontextprotocol/logLevel";
inline constexpr std::string_view kMetaSubscriptionId = "io.modelcontextprotocol/subscriptionId";

}  // namespace tsukai::mcp
