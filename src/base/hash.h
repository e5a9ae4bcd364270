// SHA-256, for identities that must hold: journal chains, definitions, approvals.
#pragma once

#include <string>
#include <string_view>

namespace tsukai {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace tsukai
