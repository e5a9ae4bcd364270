#include "mcp/auth/token_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/random.h"

namespace tsukai::mcp {
namespace {

constexpr int kFormat = 1;
constexpr mode_t kOwnerOnly = 0600;

Json to_json(const ClientIdentity& client) {
  Json out = {{"issuer", client.issuer}, {"id", client.id}, {"method", std::string(name(client.method))}};
  if (!client.secret.empty()) out["secret"] = client.secret;
  if (!client.redirect_uri.empty()) out["redirect_uri"] = client.redirect_uri;
  return out;
}

ClientIdentity client_of(const Json& value) {
  ClientIdentity out;
  out.issuer = string_at(value, "issuer");
  out.id = string_at(value, "id");
  out.secret = string_at(value, "secret");
  out.redirect_uri = string_at(value, "redirect_uri");
  out.method = parse_token_auth(string_at(value, "method")).value_or(TokenAuth::kNone);
  return out;
}

Json to_json(const Login& login) {
  Json out = {{"resource", login.resource},
              {"issuer", login.server.issuer},
              {"token_endpoint", login.server.token_endpoint},
              {"client", to_json(login.client)},
              {"access_token", login.tokens.access_token},
              {"scope", login.tokens.scope},
              {"scope_asked", login.scope_asked}};
  if (!login.server.signing_algorithms.empty()) out["signing_algorithms"] = login.server.signing_algorithms;
  if (!login.tokens.refresh_token.empty()) out["refresh_token"] = login.tokens.refresh_token;
  if (login.tokens.expires_at_ms > 0) out["expires_at_ms"] = login.tokens.expires_at_ms;
  return out;
}

Login login_of(const Json& value) {
  Login out;
  out.resource = string_at(value, "resource");
  out.server.issuer = string_at(value, "issuer");
  out.server.token_endpoint = string_at(value, "token_endpoint");
  if (const Json* list = find(value, "signing_algorithms"); list != nullptr && list->is_array()) {
    for (const Json& one : *list) {
      if (one.is_string()) out.server.signing_algorithms.push_back(one.get<std::string>());
    }
  }
  if (const Json* client = find(value, "client")) out.client = client_of(*client);
  out.tokens.access_token = string_at(value, "access_token");
  out.tokens.refresh_token = string_at(value, "refresh_token");
  out.tokens.scope = string_at(value, "scope");
  out.tokens.expires_at_ms = integer_at(value, "expires_at_ms");
  out.scope_asked = string_at(value, "scope_asked");
  return out;
}

// A descriptor, closed on every way out.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

tl::unexpected<Error> failed(const std::string& path, const char* what) {
  const Code code = errno == EACCES || errno == EPERM || errno == EROFS ? Code::kDenied : Code::kTransport;
  return fail(code, fmt::format("{}: {}: {}", path, what, std::strerror(errno)));
}

Result<void> make_folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) return {};
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(Code::kDenied, fmt::format("{}: {}", folder.string(), error.message()));
  return {};
}

}  // namespace

Task<FileLock> FileLock::acquire(std::string path) {
  TSUKAI_CO_TRY_VOID(make_folder_of(path));
  FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly));
  if (lock.fd_ < 0) co_return failed(path, "can't be opened");
  for (auto waited = std::chrono::milliseconds(0);; waited += kPoll) {
    if (::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) co_return std::move(lock);
    if (errno != EWOULDBLOCK && errno != EINTR) co_return failed(path, "can't be locked");
    if (waited >= kWaitMax)
      co_return fail(Code::kTimeout, path + ": another process has held this lock for a minute");
    TSUKAI_CO_TRY_VOID(co_await sleep_for(kPoll));
  }
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

Task<FileLock> TokenStore::flight(std::string server_url) const {
  if (path_.empty()) co_return FileLock();  // Nobody else knows of these tokens.
  auto lock =
      co_await FileLock::acquire(fmt::format("{}.{}.lock", path_, sha256_hex(server_url).substr(0, 12)));
  co_return lock;
}

Result<Json> TokenStore::read() const {
  if (path_.empty()) return memory_->is_object() ? *memory_ : Json::object();
  const Descriptor file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0 && errno == ENOENT) return Json::object();
  if (file.fd < 0) return failed(path_, "can't be read");
  std::string text;
  char buffer[1 << 14];
  for (ssize_t count = 0; (count = ::read(file.fd, buffer, sizeof buffer)) != 0;) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(path_, "can't be read");
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kBytesMax) return fail(Code::kExhausted, path_ + ": is larger than 8 MiB");
  }
  auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object() || integer_at(*parsed, "format") != kFormat) {
    return fail(Code::kCorrupt, path_ + ": is no credentials file of tsukai",
                "move it away; servers then ask for a new login");
  }
  return parsed;
}

Result<void> TokenStore::write(const Json& document) const {
  const std::string next = path_ + "." + random_id(8);
  Descriptor file{::open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly)};
  if (file.fd < 0) return failed(next, "can't be written");
  const std::string text = print_json_pretty(document) + "\n";
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file.fd, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    done += static_cast<std::size_t>(count);
  }
  if (done < text.size() || ::fsync(file.fd) != 0 || ::rename(next.c_str(), path_.c_str()) != 0) {
    auto error = failed(path_, "can't be written");
    ::unlink(next.c_str());
    return error;
  }
  return {};
}

Task<void> TokenStore::change(std::string section, std::string key, JsonValue value) {
  std::optional<FileLock> lock;
  if (!path_.empty()) {
    TSUKAI_CO_TRY(lock, co_await FileLock::acquire(path_ + ".lock"));
  }
  TSUKAI_CO_TRY(Json document, read());
  document["format"] = kFormat;
  if (value.is_null()) {
    if (document.contains(section)) document[section].erase(key);
  } else {
    document[section][key] = *value;
  }
  if (path_.empty()) {
    memory_ = std::move(document);
    co_return Result<void>();
  }
  co_return write(document);
}

Result<std::optional<Login>> TokenStore::login(const std::string& server_url) const {
  TSUKAI_TRY(const Json document, read());
  const Json* all = find(document, "logins");
  const Json* one = all == nullptr ? nullptr : find(*all, server_url);
  if (one == nullptr) return std::optional<Login>();
  return std::optional<Login>(login_of(*one));
}

Result<std::optional<ClientIdentity>> TokenStore::registration(const std::string& issuer) const {
  TSUKAI_TRY(const Json document, read());
  const Json* all = find(document, "registrations");
  const Json* one = all == nullptr ? nullptr : find(*all, issuer);
  if (one == nullptr) return std::optional<ClientIdentity>();
  return std::optional<ClientIdentity>(client_of(*one));
}

Task<void> TokenStore::set_login(std::string server_url, std::optional<Login> login) {
  JsonValue value = login ? JsonValue(to_json(*login)) : JsonValue();
  co_return co_await change("logins", std::move(server_url), std::move(value));
}

Task<void> TokenStore::set_registration(std::string issuer, std::optional<ClientIdentity> client) {
  JsonValue value = client ? JsonValue(to_json(*client)) : JsonValue();
  co_return co_await change("registrations", std::move(issuer), std::move(value));
}

}  // namespace tsukai::mcp
