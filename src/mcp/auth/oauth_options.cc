// The object `oauth` of a server's configuration.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text.h"
#include "mcp/auth/oauth.h"

namespace tsukai::mcp {
namespace {

struct TextKey {
  const char* name;
  std::string OAuthOptions::* member;
};
constexpr TextKey kTextKeys[] = {{"client_id", &OAuthOptions::client_id},
                                 {"client_secret", &OAuthOptions::client_secret},
                                 {"issuer", &OAuthOptions::issuer},
                                 {"client_metadata_url", &OAuthOptions::client_metadata_url},
                                 {"scope", &OAuthOptions::scope},
                                 {"token_endpoint_auth_method", &OAuthOptions::token_auth_method},
                                 {"signing_algorithm", &OAuthOptions::signing_algorithm}};
constexpr std::size_t kKeyFileBytesMax = 64u << 10;

tl::unexpected<Error> wrong(const std::string& key, const std::string& what, std::string remedy = {}) {
  return fail(Code::kInvalidArgument, fmt::format("\"oauth.{}\" {}", key, what), std::move(remedy));
}

Result<std::string> read_key_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kKeyFileBytesMax, '\0');
  if (!in) return wrong("private_key_file", fmt::format("{} can't be read", path));
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

Result<void> read_one(const std::string& key, const Json& value, OAuthOptions& options) {
  std::vector<std::string> known = {"redirect_port", "grant", "private_key_file"};
  for (const TextKey& one : kTextKeys) {
    known.emplace_back(one.name);
    if (key != one.name) continue;
    if (!value.is_string()) return wrong(key, "must be a string");
    options.*one.member = value.get<std::string>();
    return {};
  }
  if (key == "redirect_port") {
    if (!value.is_number_integer() || value.get<std::int64_t>() < 1 || value.get<std::int64_t>() > 65535)
      return wrong(key, "must be a port from 1 to 65535");
    options.redirect_port = value.get<std::uint16_t>();
    return {};
  }
  if (key == "grant") {
    if (value != "authorization_code" && value != "client_credentials")
      return wrong(key, "must be authorization_code or client_credentials");
    options.client_credentials = value == "client_credentials";
    return {};
  }
  if (key == "private_key_file") {
    if (!value.is_string()) return wrong(key, "must be a string");
    TSUKAI_TRY(options.private_key_pem, read_key_file(value.get<std::string>()));
    return {};
  }
  const auto nearest = nearest_name(key, known);
  return wrong(key, "is not a known key",
               nearest.empty() ? fmt::format("known are: {}", fmt::join(known, ", "))
                               : fmt::format("did you mean {}?", nearest));
}

}  // namespace

Result<void> read_oauth_options(const Json& config, OAuthOptions& options) {
  if (!config.is_object()) return fail(Code::kInvalidArgument, "\"oauth\" must be an object");
  for (const auto& [key, value] : config.items()) TSUKAI_TRY_VOID(read_one(key, value, options));
  if (!options.token_auth_method.empty()) TSUKAI_TRY_VOID(parse_token_auth(options.token_auth_method));
  const bool secret = !options.client_secret.empty() || !options.private_key_pem.empty();
  if (options.client_id.empty() && (secret || options.client_credentials))
    return wrong("client_id", "is missing", "a secret, a key and client_credentials belong to one");
  if (options.client_credentials && !secret) {
    return wrong("grant", "is client_credentials, which needs client_secret or private_key_file");
  }
  return {};
}

}  // namespace tsukai::mcp
