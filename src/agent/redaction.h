// Keeping secrets out of prompts, journal and events.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "mcp/client.h"

namespace tsukai::agent {

// Shorter values are too likely to be ordinary words ("true", "en-GB").
inline constexpr std::size_t kSecretBytesMin = 8;
// What every replacement begins with.
inline constexpr std::string_view kRedactedMark = "[redacted ";

// The values of the servers' environment and headers, replaced wherever they appear by "[redacted NAME]". A
// header value such as "Bearer TOKEN" also hides TOKEN alone. Arguments and URLs are shown, so only what came
// into them from an environment variable that sounds secret (TOKEN, KEY, PASSWORD ... in its name) is hidden.
class Redaction {
 public:
  Redaction() = default;
  explicit Redaction(const std::vector<mcp::ServerConfig>& servers);

  // One more secret: `name` is what stands in its place.
  void add(const std::string& name, const std::string& value);

  std::string text(std::string text) const;
  // Every string of a JSON value, keys included.
  Json json(const Json& value) const;
  bool empty() const { return secrets_.empty(); }

  // The same in a way that can be taken back: "${secret:NAME}" stands for the value, NAME as the variable or
  // header is called ("#2" behind it for the second of that name), and "${secret:}" for a dollar sign that
  // begins what looks like one. Keys too.
  Json sealed(const Json& value) const;
  // What sealed() was given, with today's values. kInvalidArgument names what is not there any more.
  Result<Json> unsealed(const Json& value) const;

 private:
  void add_from_environment(const mcp::ServerConfig& server);
  std::string sealed_text(const std::string& text) const;
  Result<std::string> unsealed_text(const std::string& text) const;
  std::vector<std::pair<std::string, std::string>> secrets_;     // value, replacement; longest value first
  std::vector<std::pair<std::string, std::string>> references_;  // value, NAME of sealed(); likewise
};

}  // namespace tsukai::agent
