#include "tools/tsukai/mcp_login.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/mcp_connection.h"

extern char** environ;

namespace tsukai::cli {
namespace {

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

// Starts the person's browser in a session of its own, so that it outlives this program. Whether it could be
// started; the address is printed in any case.
bool start_browser(const std::string& url) {
  const bool chosen = is_set("BROWSER");
  if (!chosen && !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY")) return false;
  const char* program = chosen ? std::getenv("BROWSER") : "xdg-open";
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  const char* words[] = {program, url.c_str(), nullptr};
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, program, &files, &attributes, const_cast<char**>(words), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return failed == 0;
}

mcp::OpenUrl opener(LoginOptions options) {
  return [options](std::string url) -> Task<void> {
    if (options.output != nullptr) options.output->idle();
    fmt::print(stderr, "Open this page to log in:\n  {}\n", printable(url));
    if (options.browser) start_browser(url);
    co_return Result<void>();
  };
}

Task<int> log_in(std::shared_ptr<mcp::OAuth> login, std::string name, Output& output) {
  co_await asio::this_coro::throw_if_cancelled(false);
  output.busy("waiting for " + name);
  TSUKAI_CO_TRY_VOID(co_await login->log_in());
  TSUKAI_CO_TRY(const auto held, login->login());
  output.idle();
  const std::string scope = held ? held->tokens.scope : std::string();
  const std::string issuer = held ? held->server.issuer : std::string();
  if (output.json()) {
    output.document({{"server", name}, {"issuer", issuer}, {"scope", scope}});
  } else {
    output.line(printable(
        fmt::format("logged in to {} by {}{}{}", name, issuer, scope.empty() ? "" : ", scope ", scope)));
  }
  co_return 0;
}

Task<int> log_out(std::shared_ptr<mcp::OAuth> login, std::string name, Output& output) {
  TSUKAI_CO_TRY_VOID(co_await login->log_out());
  if (output.json()) {
    output.document({{"server", name}, {"logged_out", true}});
  } else {
    output.line(printable("logged out of " + name));
  }
  co_return 0;
}

int with_login(Output& output, const McpArguments& arguments,
               Task<int> (*work)(std::shared_ptr<mcp::OAuth>, std::string, Output&)) {
  auto config = find_server(arguments.server);
  if (!config) return output.fail(config.error());
  asio::io_context context;
  LoginOptions options;
  options.interactive = true;
  options.browser = arguments.browser;
  options.output = &output;
  auto login = authorizer_for(context.get_executor(), *config, options);
  if (!login) return output.fail(login.error());
  if (*login == nullptr) {
    return output.fail(
        Error(Code::kInvalidArgument,
              fmt::format("{} needs no login: {}", config->name,
                          config->url.empty() ? "it is a program that runs here"
                                              : "its configuration has an Authorization header")));
  }
  auto exit = run_interruptible(context, work(*login, config->name, output));
  output.idle();
  if (exit) return *exit;
  output.fail(exit.error());
  return mcp_exit(exit.error());
}

Task<std::unique_ptr<mcp::Client>> connect_logged_in(mcp::ServerConfig config, mcp::ClientOptions client,
                                                     LoginOptions options) {
  if (client.authorizer == nullptr) {
    TSUKAI_CO_TRY(client.authorizer, authorizer_for(co_await asio::this_coro::executor, config, options));
  }
  co_return co_await mcp::Client::connect(std::move(config), std::move(client));
}

}  // namespace

Result<std::string> credentials_path() {
  TSUKAI_TRY(const std::string database, agent::default_database_path());
  return (std::filesystem::path(database).parent_path() / "credentials.json").string();
}

Result<std::shared_ptr<mcp::OAuth>> authorizer_for(asio::any_io_executor executor,
                                                   const mcp::ServerConfig& config, LoginOptions options) {
  if (config.url.empty()) return std::shared_ptr<mcp::OAuth>();
  for (const auto& [name, value] : config.headers) {
    if (equal_ignoring_case(name, "authorization")) return std::shared_ptr<mcp::OAuth>();
  }
  mcp::OAuthOptions oauth;
  oauth.server_url = config.url;
  oauth.server_name = config.name;
  if (!config.oauth.is_null()) {
    auto read = mcp::read_oauth_options(*config.oauth, oauth);
    if (!read) return fail(std::move(read).error().in("server " + config.name));
  }
  TSUKAI_TRY(oauth.store_path, credentials_path());
  if (options.interactive) oauth.open = opener(options);
  oauth.open_when_refused = false;  // A request's time is too short for a person's.
  return mcp::OAuth::make(std::move(executor), std::move(oauth));
}

agent::ConnectServer connect_with_logins(LoginOptions options) {
  return [options](mcp::ServerConfig config, mcp::ClientOptions client) {
    return connect_logged_in(std::move(config), std::move(client), options);
  };
}

int mcp_login_command(Output& output, const McpArguments& arguments) {
  return with_login(output, arguments, log_in);
}
int mcp_logout_command(Output& output, const McpArguments& arguments) {
  return with_login(output, arguments, log_out);
}

}  // namespace tsukai::cli
