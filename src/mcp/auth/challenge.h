// What a WWW-Authenticate header asks for (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9728
// section 5.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http.h"

namespace tsukai::mcp {

struct BearerChallenge {
  std::string error;  // "invalid_token", "insufficient_scope"
  std::string error_description;
  std::string scope;              // Separated by spaces; empty: not said.
  std::string resource_metadata;  // Where the protected resource describes itself; empty: not said.
};

// One challenge of any scheme. Names are lower case; the first of several parameters of one name wins.
struct Challenge {
  std::string scheme;
  std::vector<std::pair<std::string, std::string>> parameters;
};

// Challenges of one header value, which may hold several. What cannot be read is skipped.
std::vector<Challenge> parse_challenges(std::string_view value);

// The Bearer challenge of a response, nullopt when there is none.
std::optional<BearerChallenge> bearer_challenge(const HttpHeaders& headers);

}  // namespace tsukai::mcp
