#include "tools/tsukai/servers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/agent_file.h"
#include "base/text.h"
#include "mcp/version.h"
#include "tools/tsukai/files.h"

namespace tsukai::cli {
namespace {

constexpr const char* kDefaultConfig = ".mcp.json";

Result<mcp::ServerConfig> server_of_command(const ServerChoice& choice) {
  mcp::ServerConfig config;
  config.name = std::filesystem::path(choice.command.front()).filename();
  config.command = choice.command.front();
  config.args.assign(choice.command.begin() + 1, choice.command.end());
  for (const std::string& entry : choice.environment) {
    const auto equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(Code::kInvalidArgument, fmt::format("--env {}: not NAME=VALUE", entry));
    }
    config.env[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return config;
}

bool is_url(const std::string& text) { return text.starts_with("http://") || text.starts_with("https://"); }

// What the command line says of one server, on top of what its file says.
Result<void> adjust(mcp::ServerConfig& config, const ServerChoice& choice) {
  if (choice.timeout_s > 0) {
    const std::chrono::milliseconds timeout(static_cast<std::int64_t>(choice.timeout_s * 1000));
    config.start_timeout = timeout;
    config.call_timeout = timeout;
  }
  for (const std::string& header : choice.headers) {
    const auto colon = header.find(':');
    if (colon == std::string::npos || colon == 0)
      return fail(Code::kInvalidArgument, fmt::format("--header {}: not NAME:VALUE", header));
    if (config.url.empty())
      return fail(Code::kInvalidArgument, fmt::format("--header {}: {} has no URL", header, config.name));
    config.headers[header.substr(0, colon)] = std::string(trimmed(header.substr(colon + 1)));
  }
  if (choice.era.empty()) return {};
  if (choice.era == mcp::kModernVersion || mcp::is_legacy(choice.era)) {
    config.protocol_version = choice.era;
    config.era = choice.era == mcp::kModernVersion ? mcp::Era::kModern : mcp::Era::kLegacy;
    return {};
  }
  if (choice.era != "auto" && choice.era != "legacy" && choice.era != "modern") {
    return fail(Code::kInvalidArgument, fmt::format("--era {}: no such era", choice.era),
                fmt::format("write auto, legacy, modern, {} or {}", fmt::join(mcp::kLegacyVersions, ", "),
                            mcp::kModernVersion));
  }
  config.protocol_version.clear();
  config.era = choice.era == "auto"     ? mcp::Era::kAuto
               : choice.era == "legacy" ? mcp::Era::kLegacy
                                        : mcp::Era::kModern;
  return {};
}

}  // namespace

Result<std::vector<mcp::ServerConfig>> read_server_file(const std::string& path) {
  TSUKAI_TRY(const std::string text, read_text_file(path));
  auto document = parse_json(text);
  if (!document) return fail(std::move(document).error().in(path));
  const Json* servers = find(*document, "mcpServers");
  if (servers == nullptr || !servers->is_object()) {
    return fail(Code::kInvalidArgument, path + ": has no object `mcpServers`",
                R"(write {"mcpServers": {"NAME": {"command": "...", "args": []}}})");
  }
  std::vector<mcp::ServerConfig> configs;
  for (const auto& [name, entry] : servers->items()) {
    auto config = mcp::parse_server_config(name, entry);
    if (!config) return fail(std::move(config).error().in(fmt::format("{}: {}", path, name)));
    configs.push_back(*std::move(config));
  }
  return configs;
}

Result<std::vector<mcp::ServerConfig>> servers_of(const ServerChoice& choice) {
  if (!choice.command.empty()) {
    TSUKAI_TRY(auto config, server_of_command(choice));
    return std::vector<mcp::ServerConfig>{std::move(config)};
  }
  if (!choice.agent.empty()) {
    TSUKAI_TRY(auto file, agent::load_agent_file(choice.agent));
    return std::move(file.servers);
  }
  if (!choice.config.empty()) return read_server_file(choice.config);
  std::error_code ignored;
  if (!std::filesystem::exists(kDefaultConfig, ignored)) {
    return fail(Code::kNotFound, fmt::format("there is no {} in this folder", kDefaultConfig),
                "give --config FILE, --agent FILE, or a command line behind --");
  }
  return read_server_file(kDefaultConfig);
}

Result<mcp::ServerConfig> find_server(const ServerChoice& choice) {
  if (choice.command.empty() && is_url(choice.name)) {
    mcp::ServerConfig config;
    config.name = choice.name;
    config.url = choice.name;
    TSUKAI_TRY_VOID(adjust(config, choice));
    return config;
  }
  TSUKAI_TRY(auto servers, servers_of(choice));
  std::vector<std::string> names;
  for (mcp::ServerConfig& server : servers) {
    if (server.name == choice.name || !choice.command.empty()) {
      TSUKAI_TRY_VOID(adjust(server, choice));
      return std::move(server);
    }
    names.push_back(server.name);
  }
  const std::string file = !choice.agent.empty()    ? choice.agent
                           : !choice.config.empty() ? choice.config
                                                    : kDefaultConfig;
  const std::string nearest = nearest_name(choice.name, names);
  return fail(Code::kNotFound, fmt::format("{}: has no server \"{}\"", file, choice.name),
              !nearest.empty() ? fmt::format("did you mean {}?", nearest)
              : names.empty()  ? std::string("it names no server at all")
                               : fmt::format("it has: {}", fmt::join(names, ", ")));
}

}  // namespace tsukai::cli
