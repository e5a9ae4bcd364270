// Base64 (RFC 4648): the usual alphabet with padding, and the URL-safe one without.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tsukai {

std::string base64(std::string_view bytes);
std::string base64_url(std::string_view bytes);
// Strict: nullopt on a character outside the alphabet, wrong padding or bits that must be zero.
std::optional<std::string> from_base64(std::string_view text);
std::optional<std::string> from_base64_url(std::string_view text);

}  // namespace tsukai
