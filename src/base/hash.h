// SHA-256, for identities that must hold: journal chains, definitions, approvals.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tsukai {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

// HMAC-SHA-256 (RFC 2104), 64 lower-case hexadecimal digits.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);

// The 32 bytes of SHA-256.
std::string sha256_bytes(std::string_view bytes);

// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::string_view bytes);
  // 64 lower-case hexadecimal digits of all that was added; nothing may be added after.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Compares in a time that does not depend on where the difference is.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace tsukai
