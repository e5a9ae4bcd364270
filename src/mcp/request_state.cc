#include "mcp/request_state.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/hash.h"

namespace tsukai::mcp {

Result<std::string> RequestStates::seal(const Json& value, const std::string& request,
                                        std::int64_t now_ms) const {
  const Json body = {{"for", request}, {"until", now_ms + kValidMs}, {"value", value}};
  const auto text = base64_url(print_json(body));
  if (text.size() > kBytesMax) {
    return fail(Code::kExhausted,
                fmt::format("a requestState of {} bytes is over the limit of {}", text.size(), kBytesMax));
  }
  return text + "." + hmac_sha256_hex(key_, text);
}

Result<Json> RequestStates::open(const std::string& state, const std::string& request,
                                 std::int64_t now_ms) const {
  const auto dot = state.find('.');
  const auto text = state.substr(0, dot);
  if (dot == std::string::npos || state.size() > kBytesMax + 65 ||
      !equal_secrets(state.substr(dot + 1), hmac_sha256_hex(key_, text))) {
    return fail(Code::kDenied, "requestState was not made by this server, or was changed");
  }
  const auto bytes = from_base64_url(text);
  TSUKAI_TRY(const Json body, parse_json(bytes.value_or("")));
  if (string_at(body, "for") != request)
    return fail(Code::kDenied, "requestState belongs to another request");
  if (integer_at(body, "until") < now_ms)
    return fail(Code::kDenied, "requestState is too old; start again without it");
  return body.value("value", Json());
}

std::string request_digest(const std::string& method, const Json& params) {
  Json parts = Json::array({method});
  for (const char* key : {"name", "uri", "arguments"}) {
    const Json* value = find(params, key);
    // A missing and an empty object of arguments are the same call.
    parts.push_back(value == nullptr || (value->is_object() && value->empty()) ? Json() : *value);
  }
  return sha256_hex(print_json(parts));
}

}  // namespace tsukai::mcp
