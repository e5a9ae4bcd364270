// Base64 (RFC 4648, section 4, with padding), for bytes that have to stand in JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tsukai {

std::string base64(std::string_view bytes);
// Empty when `text` is not exactly what base64() writes.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace tsukai
