#include "agent/redaction.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::string_view kReference = "${secret:";

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
  const auto place = std::find_if(secrets_.begin(), secrets_.end(), shorter) - secrets_.begin();
  secrets_.insert(secrets_.begin() + place, {value, std::string(kRedactedMark) + name + "]"});
  // Its end is told by a brace.
  auto plain = name;
  std::replace(plain.begin(), plain.end(), '}', '_');
  const auto taken = [&](const std::string& reference) {
    return std::any_of(references_.begin(), references_.end(),
                       [&](const auto& each) { return each.second == reference; });
  };
  auto reference = plain;
  for (int number = 2; taken(reference); ++number) reference = fmt::format("{}#{}", plain, number);
  references_.insert(references_.begin() + place, {value, reference});
}

std::string Redaction::sealed_text(const std::string& text) const {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto stands = [&](const auto& secret) {
      return text.compare(at, secret.first.size(), secret.first) == 0;
    };
    const auto found = std::find_if(references_.begin(), references_.end(), stands);
    if (found != references_.end()) {
      out += fmt::format("{}{}}}", kReference, found->second);
      at += found->first.size();
      continue;
    }
    if (text.compare(at, kReference.size(), kReference) == 0)
      out += fmt::format("{}}}", kReference);
    else
      out += text[at];
    ++at;
  }
  return out;
}

Result<std::string> Redaction::unsealed_text(const std::string& text) const {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end =
        text.compare(at, kReference.size(), kReference) == 0 ? text.find('}', at) : std::string::npos;
    if (end == std::string::npos) {
      out += text[at++];
      continue;
    }
    const auto name = text.substr(at + kReference.size(), end - at - kReference.size());
    at = end + 1;
    const auto found = std::find_if(references_.begin(), references_.end(),
                                    [&](const auto& each) { return each.second == name; });
    if (name.empty())
      out += '$';
    else if (found != references_.end())
      out += found->first;
    else
      return fail(Code::kInvalidArgument, fmt::format("{} is not set any more", name));
  }
  return out;
}

Json Redaction::sealed(const Json& value) const {
  if (value.is_string()) return sealed_text(value.get<std::string>());
  Json out = value;
  if (value.is_array()) {
    for (auto& element : out) element = sealed(element);
  } else if (value.is_object()) {
    out = Json::object();
    for (const auto& [key, member] : value.items()) out[sealed_text(key)] = sealed(member);
  }
  return out;
}

Result<Json> Redaction::unsealed(const Json& value) const {
  if (value.is_string()) {
    TSUKAI_TRY(auto text, unsealed_text(value.get<std::string>()));
    return Json(std::move(text));
  }
  Json out = value;
  if (value.is_array()) {
    for (auto& element : out) {
      TSUKAI_TRY(element, unsealed(element));
    }
  } else if (value.is_object()) {
    out = Json::object();
    for (const auto& [key, member] : value.items()) {
      TSUKAI_TRY(const auto plain, unsealed_text(key));
      TSUKAI_TRY(out[plain], unsealed(member));
    }
  }
  return out;
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
