// SHA-256, for identities that must hold: journal chains, definitions, approvals.
#pragma once

#include <string>
#include <string_view>

namespace tsukai {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

// HMAC-SHA-256 (RFC 2104), 64 lower-case hexadecimal digits.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);

// The 32 bytes of SHA-256.
std::string sha256_bytes(std::string_view bytes);

// Compares in a time that does not depend on where the difference is.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace tsukai
