// One entry of an `mcpServers` object: `.mcp.json` as other MCP hosts write it, and a few keys of our own.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "mcp/client.h"
#include "mcp/version.h"

namespace tsukai::mcp {
namespace {

const std::vector<std::string> kKeys = {"type",
                                        "command",
                                        "args",
                                        "env",
                                        "cwd",
                                        "url",
                                        "headers",
                                        "oauth",
                                        "roots",
                                        "trusted",
                                        "era",
                                        "protocol_version",
                                        "start_timeout_ms",
                                        "call_timeout_ms",
                                        "call_timeout_max_ms",
                                        "question_timeout_ms"};

tl::unexpected<Error> mistake_in(const std::string& server, const std::string& key, const std::string& what,
                                 std::string remedy = {}) {
  return fail(Code::kInvalidArgument, fmt::format("server {}: \"{}\" {}", server, key, what),
              std::move(remedy));
}

bool name_start(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

// Replaces ${NAME} and ${NAME:-otherwise}.
Result<std::string> expanded(const std::string& server, const std::string& key, const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 2, "${") != 0) {
      out += text[i++];
      continue;
    }
    const auto end = text.find('}', i);
    if (end == std::string::npos) return mistake_in(server, key, "has a ${ without }");
    std::string name = text.substr(i + 2, end - i - 2);
    std::optional<std::string> otherwise;
    if (const auto at = name.find(":-"); at != std::string::npos) {
      otherwise = name.substr(at + 2);
      name.resize(at);
    }
    if (name.empty() || !name_start(name.front()))
      return mistake_in(server, key, fmt::format("names no variable: ${{{}}}", name));
    if (const char* value = std::getenv(name.c_str()))
      out += value;
    else if (otherwise)
      out += *otherwise;
    else
      return mistake_in(server, key, fmt::format("needs the environment variable {}, which is not set", name),
                        fmt::format("export {}=... before starting", name));
    i = end + 1;
  }
  return out;
}

Result<std::string> text_member(const std::string& server, const std::string& key, const Json& value) {
  if (!value.is_string())
    return mistake_in(server, key, fmt::format("must be a string, not {}", value.type_name()));
  return expanded(server, key, value.get<std::string>());
}

Result<std::map<std::string, std::string>> text_members(const std::string& server, const std::string& key,
                                                        const Json& value) {
  if (!value.is_object())
    return mistake_in(server, key, fmt::format("must be an object of strings, not {}", value.type_name()));
  std::map<std::string, std::string> out;
  for (const auto& [name, member] : value.items()) {
    TSUKAI_TRY(out[name], text_member(server, key + "." + name, member));
  }
  return out;
}

// The address of a folder, which is relative to where tsukai was started; unsafe bytes are escaped.
Result<std::string> root_of(const std::string& server, const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error || path.empty()) return mistake_in(server, "roots", fmt::format("names no folder: \"{}\"", path));
  constexpr std::string_view kSafe = "/-._~";
  std::string out = "file://";
  for (const char c : whole) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (plain || kSafe.find(c) != std::string_view::npos)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Result<std::chrono::milliseconds> duration(const std::string& server, const std::string& key,
                                           const Json& value) {
  if (!value.is_number_integer() || value.get<std::int64_t>() <= 0 ||
      value.get<std::int64_t>() > 86'400'000) {
    return mistake_in(server, key, "must be a number of milliseconds from 1 to 86400000");
  }
  return std::chrono::milliseconds(value.get<std::int64_t>());
}

Result<void> read_member(ServerConfig& config, const std::string& key, const Json& value) {
  const auto& server = config.name;
  if (key == "command") {
    TSUKAI_TRY(config.command, text_member(server, key, value));
  } else if (key == "cwd") {
    TSUKAI_TRY(config.cwd, text_member(server, key, value));
  } else if (key == "url") {
    TSUKAI_TRY(config.url, text_member(server, key, value));
  } else if (key == "args") {
    if (!value.is_array())
      return mistake_in(server, key, fmt::format("must be an array of strings, not {}", value.type_name()));
    for (const auto& word : value) {
      TSUKAI_TRY(auto text, text_member(server, key, word));
      config.args.push_back(std::move(text));
    }
  } else if (key == "env") {
    TSUKAI_TRY(config.env, text_members(server, key, value));
  } else if (key == "headers") {
    TSUKAI_TRY(config.headers, text_members(server, key, value));
  } else if (key == "oauth") {
    if (!value.is_object())
      return mistake_in(server, key, fmt::format("must be an object, not {}", value.type_name()));
    Json whole = value;
    for (auto& [name, member] : whole.items()) {
      if (!member.is_string()) continue;
      TSUKAI_TRY(member, expanded(server, "oauth." + name, member.get<std::string>()));
    }
    config.oauth = std::move(whole);
  } else if (key == "roots") {
    if (!value.is_array())
      return mistake_in(server, key, fmt::format("must be an array of folders, not {}", value.type_name()));
    for (const auto& folder : value) {
      TSUKAI_TRY(const auto path, text_member(server, key, folder));
      TSUKAI_TRY(auto root, root_of(server, path));
      config.roots.push_back(std::move(root));
    }
  } else if (key == "trusted") {
    if (!value.is_boolean()) return mistake_in(server, key, "must be true or false");
    config.trusted = value.get<bool>();
  } else if (key == "start_timeout_ms") {
    TSUKAI_TRY(config.start_timeout, duration(server, key, value));
  } else if (key == "call_timeout_ms") {
    TSUKAI_TRY(config.call_timeout, duration(server, key, value));
  } else if (key == "call_timeout_max_ms") {
    TSUKAI_TRY(config.call_timeout_max, duration(server, key, value));
  } else if (key == "question_timeout_ms") {
    TSUKAI_TRY(config.question_timeout, duration(server, key, value));
  } else if (key == "type") {
    const std::vector<std::string> types = {"stdio", "http", "streamable-http", "sse"};
    if (!value.is_string() ||
        std::find(types.begin(), types.end(), value.get<std::string>()) == types.end()) {
      return mistake_in(server, key, "must be stdio, http, streamable-http or sse");
    }
    config.legacy_sse = value == "sse";
  } else if (key == "era") {
    const auto era = value.is_string() ? value.get<std::string>() : std::string();
    if (era != "auto" && era != "legacy" && era != "modern")
      return mistake_in(server, key, "must be auto, legacy or modern");
    config.era = era == "auto" ? Era::kAuto : era == "legacy" ? Era::kLegacy : Era::kModern;
  } else if (key == "protocol_version") {
    const auto version = value.is_string() ? value.get<std::string>() : std::string();
    if (version != kModernVersion && !is_legacy(version)) {
      return mistake_in(
          server, key,
          fmt::format("must be {} or one of {}", kModernVersion, fmt::join(kLegacyVersions, ", ")));
    }
    config.protocol_version = version;
  } else {
    const auto nearest = nearest_name(key, kKeys);
    return mistake_in(server, key, "is not a known key",
                      nearest.empty() ? "known are: " + fmt::format("{}", fmt::join(kKeys, ", "))
                                      : fmt::format("did you mean {}?", nearest));
  }
  return {};
}

}  // namespace

Result<ServerConfig> parse_server_config(std::string name, const Json& entry) {
  ServerConfig config;
  config.name = std::move(name);
  if (!entry.is_object()) {
    return fail(Code::kInvalidArgument,
                fmt::format("server {}: must be an object with command or url, not {}", config.name,
                            entry.type_name()));
  }
  for (const auto& [key, value] : entry.items()) TSUKAI_TRY_VOID(read_member(config, key, value));
  if (config.command.empty() == config.url.empty()) {
    return fail(Code::kInvalidArgument,
                fmt::format("server {}: {}", config.name,
                            config.url.empty() ? "has neither command nor url" : "has command and url"),
                "give a command to start, or the url of a running server");
  }
  const auto type = string_at(entry, "type");
  if (!type.empty() && (type == "stdio") == config.command.empty()) {
    return mistake_in(config.name, "type",
                      fmt::format("is {}, which needs {}", type, type == "stdio" ? "command" : "url"));
  }
  if (!config.protocol_version.empty() &&
      config.era == (config.protocol_version == kModernVersion ? Era::kLegacy : Era::kModern)) {
    return mistake_in(config.name, "era",
                      fmt::format("does not fit protocol_version {}", config.protocol_version));
  }
  if (config.call_timeout_max < config.call_timeout) config.call_timeout_max = config.call_timeout;
  return config;
}

}  // namespace tsukai::mcp
