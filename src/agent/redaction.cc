#include "agent/redaction.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::array<std::string_view, 6> kSecretWords = {"TOKEN",    "SECRET", "KEY",
                                                          "PASSWORD", "PASSWD", "CREDENTIAL"};

bool sounds_secret(std::string_view name) {
  return std::any_of(kSecretWords.begin(), kSecretWords.end(),
                     [&](auto word) { return name.find(word) != std::string_view::npos; });
}

}  // namespace

Redaction::Redaction(const std::vector<mcp::ServerConfig>& servers) {
  for (const auto& server : servers) {
    for (const auto& [name, value] : server.env) add(name, value);
    for (const auto& [name, value] : server.headers) {
      add(name, value);
      for (const auto& word : split(value, ' ')) add(name, word);
    }
    add_from_environment(server);
  }
}

void Redaction::add_from_environment(const mcp::ServerConfig& server) {
  auto places = server.args;
  places.push_back(server.url);
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || !sounds_secret(pair.substr(0, equals))) continue;
    const std::string value(pair.substr(equals + 1));
    if (value.size() < kSecretBytesMin) continue;
    const auto holds = [&](const std::string& place) { return place.find(value) != std::string::npos; };
    if (std::any_of(places.begin(), places.end(), holds)) add(std::string(pair.substr(0, equals)), value);
  }
}

void Redaction::add(const std::string& name, const std::string& value) {
  if (value.size() < kSecretBytesMin) return;
  const auto known = [&](const auto& secret) { return secret.first == value; };
  if (std::any_of(secrets_.begin(), secrets_.end(), known)) return;
  // The longest first, so that a secret that holds another one is not left in pieces.
  const auto shorter = [&](const auto& secret) { return secret.first.size() < value.size(); };
  secrets_.insert(std::find_if(secrets_.begin(), secrets_.end(), shorter),
                  {value, std::string(kRedactedMark) + name + "]"});
}

std::string Redaction::text(std::string text) const {
  for (const auto& [value, replacement] : secrets_) {
    for (auto at = text.find(value); at != std::string::npos;
         at = text.find(value, at + replacement.size())) {
      text.replace(at, value.size(), replacement);
    }
  }
  return text;
}

Json Redaction::json(const Json& value) const {
  if (secrets_.empty()) return value;
  if (value.is_string()) return text(value.get<std::string>());
  if (value.is_array()) {
    Json out = Json::array();
    for (const auto& element : value) out.push_back(json(element));
    return out;
  }
  if (value.is_object()) {
    Json out = Json::object();
    for (const auto& [key, member] : value.items()) out[text(key)] = json(member);
    return out;
  }
  return value;
}

}  // namespace tsukai::agent
