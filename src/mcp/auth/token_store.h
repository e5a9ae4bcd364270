// What was obtained from authorization servers, kept in one file that only its owner can read.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/task.h"
#include "mcp/auth/client_identity.h"
#include "mcp/auth/token_request.h"

namespace tsukai::mcp {

// All that is needed to use and to renew one server's tokens.
struct Login {
  std::string resource;  // As sent in `resource`.
  AuthorizationServer server;
  ClientIdentity client;  // A configured client's secret and key are not stored: the configuration has them.
  TokenSet tokens;
  std::string scope_asked;
};

// A lock between processes (and between coroutines of one), given back on destruction.
class FileLock {
 public:
  static constexpr std::chrono::milliseconds kWaitMax{60'000};
  static constexpr std::chrono::milliseconds kPoll{20};

  // Waits for it. kTimeout after kWaitMax; kDenied: the file can't be made; kCancelled.
  static Task<FileLock> acquire(std::string path);
  FileLock() = default;  // Of nothing.
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// A JSON file with mode 0600, replaced as a whole, so that a reader sees the old one or the new one. Keys are
// server URLs and issuers. Tokens stand in it as they are, protected by the file's mode alone.
class TokenStore {
 public:
  static constexpr std::size_t kBytesMax = 8u << 20;

  // Empty: nothing is kept beyond this object.
  explicit TokenStore(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  // Only one process renews the tokens of `server_url` at a time: hold this while doing so, and look again at
  // login() first.
  Task<FileLock> flight(std::string server_url) const;

  // kCorrupt: the file can't be read as one of ours; kDenied: not by this user.
  Result<std::optional<Login>> login(const std::string& server_url) const;
  Result<std::optional<ClientIdentity>> registration(const std::string& issuer) const;

  // nullopt: forget it.
  Task<void> set_login(std::string server_url, std::optional<Login> login);
  Task<void> set_registration(std::string issuer, std::optional<ClientIdentity> client);

 private:
  Result<Json> read() const;
  Result<void> write(const Json& document) const;
  Task<void> change(std::string section, std::string key, JsonValue value);

  std::string path_;
  JsonValue memory_;  // In place of the file when there is none.
};

}  // namespace tsukai::mcp
