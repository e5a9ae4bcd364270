// The requestState of 2026-07-28: what a stateless server needs to remember between two rounds of one
// request, given to the client and back, so that nobody but this server can have made it. Pure but for the
// clock it is given.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"

namespace tsukai::mcp {

class RequestStates {
 public:
  static constexpr std::int64_t kValidMs = 60 * 60 * 1000;
  static constexpr std::size_t kBytesMax = 256u << 10;

  // `key`: a secret of the server; anyone who knows it can make states.
  explicit RequestStates(std::string key) : key_(std::move(key)) {}

  // Seals `value` for retries of the request whose digest is `request`. kExhausted beyond kBytesMax.
  Result<std::string> seal(const Json& value, const std::string& request, std::int64_t now_ms) const;
  // kDenied: changed, made for another request, or too old.
  Result<Json> open(const std::string& state, const std::string& request, std::int64_t now_ms) const;

 private:
  std::string key_;
};

// What a retry must have in common with the request before: method, name or uri, arguments.
std::string request_digest(const std::string& method, const Json& params);

}  // namespace tsukai::mcp
