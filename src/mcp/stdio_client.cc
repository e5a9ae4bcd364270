// The client over standard input and output of a child process.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/process.h"
#include "base/text.h"
#include "mcp/client.h"
#include "mcp/session.h"
#include "mcp/version.h"
#include "mcp/wire.h"

namespace tsukai::mcp {
namespace {

constexpr std::size_t kPagesMax = 1000;
constexpr std::size_t kToolsMax = 10'000;
constexpr std::size_t kStderrLinesShown = 5;
constexpr std::chrono::milliseconds kFateWait{300};  // Between end of stdout and the exit of the process.

std::string last_lines(const std::string& text, std::size_t count) {
  const auto lines = split(trimmed(text), '\n');
  std::string out;
  for (std::size_t i = lines.size() > count ? lines.size() - count : 0; i < lines.size(); ++i) {
    out += (out.empty() ? "" : " | ") + shortened(lines[i], 300);
  }
  return out;
}

// An error that the peer sent, as one of ours.
Error from_peer(const std::string& method, const RpcError& error) {
  Code code = Code::kProtocol;
  if (error.code == kMethodNotFound) code = Code::kUnsupported;
  if (error.code == kInvalidParams) code = Code::kInvalidArgument;
  return Error(code, fmt::format("{}: the server answered error {}: {}", method, error.code, error.message));
}

// State shared with the reading coroutine, which may outlive the client by a moment.
struct Connection {
  Connection(asio::any_io_executor executor, ServerConfig given, ClientOptions opts)
      : config(std::move(given)),
        options(std::move(opts)),
        session(executor, [this](const Message& message) { return send(message); }) {}

  Result<void> send(const Message& message) {
    auto text = print_message(message);
    if (text.size() > kMessageBytesMax) {
      return fail(Code::kExhausted, fmt::format("a message of {} bytes is over the limit of {}", text.size(),
                                                kMessageBytesMax));
    }
    show(Direction::kSent, text);
    if (!process) return fail(Code::kTransport, "the server is not running");
    return process->in().push(std::move(text));
  }
  void show(Direction direction, std::string_view text) const {
    if (options.on_message) options.on_message(direction, text);
  }

  // How the server ended, in one sentence.
  std::string end_of_server() const {
    std::string out = process->exited() ? fmt::format("server {} {}", config.name, process->fate())
                                        : fmt::format("server {} closed its output", config.name);
    if (auto said = last_lines(process->stderr_tail(), kStderrLinesShown); !said.empty())
      out += "; it said: " + said;
    return out + junk_note();
  }
  std::string junk_note() const {
    if (junk_lines == 0) return {};
    return fmt::format("; it wrote {} line{} to stdout that {} no protocol message{}, the first: {}",
                       junk_lines, junk_lines == 1 ? "" : "s", junk_lines == 1 ? "is" : "are",
                       junk_lines == 1 ? "" : "s", shortened(junk_first, 120));
  }

  void take(const std::string& line) {
    if (trimmed(line).empty()) return;
    auto parsed = parse_messages(line);
    if (!parsed) {
      show(Direction::kJunk, line);
      if (junk_lines++ == 0) junk_first = line;
      return;
    }
    show(Direction::kReceived, line);
    for (const auto& message : parsed->messages) {
      if (session.deliver(message) || message.kind != MessageKind::kRequest) continue;
      // What a server may ask of a client that declares nothing: a sign of life, and roots, of which it has
      // none.
      if (message.method == "ping")
        (void)send(result(message.id, Json::object()));
      else if (message.method == "roots/list")
        (void)send(result(message.id, Json{{"roots", Json::array()}}));
      else
        (void)send(failure(message.id, {kMethodNotFound, "method not found: " + message.method, {}}));
    }
  }

  ServerConfig config;
  ClientOptions options;
  std::unique_ptr<Process> process;
  Session session;
  std::size_t junk_lines = 0;
  std::string junk_first;
};

Task<void> read_all(std::shared_ptr<Connection> connection) {
  while (true) {
    auto line = co_await connection->process->out().next();
    if (!connection->process) break;  // The client was destroyed meanwhile.
    if (!line) {
      const auto code = line.error().code() == Code::kExhausted ? Code::kProtocol : line.error().code();
      connection->session.break_off(
          Error(code, fmt::format("server {}: {}", connection->config.name, line.error().message())));
      break;
    }
    if (!*line) {
      (void)co_await connection->process->wait_exit(kFateWait);
      if (connection->process)
        connection->session.break_off(Error(Code::kTransport, connection->end_of_server()));
      break;
    }
    connection->take(**line);
  }
  co_return Result<void>();
}

class StdioClient : public Client {
 public:
  StdioClient(asio::any_io_executor executor, std::shared_ptr<Connection> connection)
      : executor_(std::move(executor)), connection_(std::move(connection)) {}

  ~StdioClient() override {
    connection_->session.break_off(Error(Code::kCancelled, "the client was closed"));
    connection_->process.reset();
  }

  // The coroutine owns the connection; it ends when the process is shut down or destroyed.
  void start_reading() {
    asio::co_spawn(executor_, read_all(connection_), [](std::exception_ptr, const Result<void>&) {});
  }

  Task<void> handshake() {
    Json params = {{"protocolVersion", std::string(kLatestLegacy)},
                   {"capabilities", {{"roots", Json::object()}}},
                   {"clientInfo", {{"name", "tsukai"}, {"version", TSUKAI_VERSION}}}};
    RequestOptions options{connection_->config.start_timeout, connection_->config.start_timeout, {}, false};
    auto reply = co_await connection_->session.call("initialize", std::move(params), std::move(options));
    if (!reply) co_return fail(explained(std::move(reply).error()));
    if (!*reply) {
      co_return fail(Code::kProtocol,
                     fmt::format("server {} refused initialize: {} (error {})", connection_->config.name,
                                 reply->error().message, reply->error().code));
    }
    const Json& answer = ***reply;
    version_ = string_at(answer, "protocolVersion");
    if (!is_legacy(version_)) {
      co_return fail(
          Code::kProtocol,
          version_.empty()
              ? fmt::format("server {}: initialize was answered without protocolVersion",
                            connection_->config.name)
              : fmt::format("server {} speaks revision {} of the protocol, tsukai {} to {}",
                            connection_->config.name, version_, kLegacyVersions.back(), kLatestLegacy));
    }
    if (const Json* info = find(answer, "serverInfo")) server_ = parse_implementation(*info);
    instructions_ = string_at(answer, "instructions");
    co_return connection_->session.notify("notifications/initialized", {});
  }

  const ServerConfig& config() const override { return connection_->config; }
  const Implementation& server() const override { return server_; }
  const std::string& protocol_version() const override { return version_; }
  const std::string& instructions() const override { return instructions_; }

  Task<std::vector<Tool>> list_tools() override {
    std::vector<Tool> tools;
    std::set<std::string> cursors;
    std::string cursor;
    do {
      Json params = Json::object();
      if (!cursor.empty()) params["cursor"] = cursor;
      TSUKAI_CO_TRY(auto result, co_await request("tools/list", std::move(params), {}));
      auto page = parse_tool_page(*result);
      if (!page) co_return fail(std::move(page).error().in("tools/list"));
      for (auto& tool : page->tools) tools.push_back(std::move(tool));
      for (const auto& broken : page->broken) connection_->show(Direction::kJunk, broken);
      cursor = page->next_cursor;
      if (tools.size() > kToolsMax || cursors.size() >= kPagesMax) {
        co_return fail(Code::kExhausted, fmt::format("tools/list goes on after {} tools on {} pages",
                                                     tools.size(), cursors.size()));
      }
      if (!cursor.empty() && !cursors.insert(cursor).second) {
        co_return fail(Code::kProtocol, "tools/list gives the same cursor again: " + cursor);
      }
    } while (!cursor.empty());
    co_return tools;
  }

  Task<ToolResult> call_tool(std::string tool, Json arguments, OnProgress on_progress) override {
    if (!arguments.is_object()) {
      co_return fail(Code::kInvalidArgument, fmt::format("arguments of {} must be an object", tool));
    }
    Json params = {{"name", tool}, {"arguments", std::move(arguments)}};
    auto reply = co_await connection_->session.call("tools/call", std::move(params),
                                                    call_options(std::move(on_progress)));
    if (!reply) co_return fail(std::move(reply).error().in(tool));
    if (!*reply) {
      auto said = reply->error().message;
      std::transform(said.begin(), said.end(), said.begin(), [](unsigned char c) { return std::tolower(c); });
      const bool unknown = reply->error().code == kInvalidParams &&
                           (said.find("unknown tool") != said.npos || said.find("not found") != said.npos);
      if (unknown)
        co_return fail(Code::kNotFound, fmt::format("server {} has no tool {}", config().name, tool));
      co_return fail(from_peer(tool, reply->error()));
    }
    auto result = parse_tool_result(***reply);
    if (!result) co_return fail(std::move(result).error().in(tool));
    co_return result;
  }

  Task<void> ping() override {
    TSUKAI_CO_TRY_VOID(co_await request("ping", Json::object(), {}));
    co_return Result<void>();
  }

  std::string stderr_tail() const override { return connection_->process->stderr_tail(); }
  std::size_t junk_lines() const override { return connection_->junk_lines; }

  asio::awaitable<void> shutdown() override {
    connection_->session.break_off(Error(Code::kCancelled, "the client was closed"));
    co_await connection_->process->shutdown();
  }

 private:
  RequestOptions call_options(OnProgress on_progress) const {
    return {config().call_timeout, config().call_timeout_max, std::move(on_progress), true};
  }

  Task<JsonValue> request(std::string method, Json params, OnProgress on_progress) {
    auto reply =
        co_await connection_->session.call(method, std::move(params), call_options(std::move(on_progress)));
    if (!reply) co_return fail(std::move(reply).error());
    if (!*reply) co_return fail(from_peer(method, reply->error()));
    co_return **reply;
  }

  // Says what a silent server was doing instead.
  Error explained(Error error) const {
    if (error.code() != Code::kTimeout) return error;
    auto text =
        fmt::format("server {} did not answer within {} ms", config().name, config().start_timeout.count());
    if (auto said = last_lines(connection_->process->stderr_tail(), kStderrLinesShown); !said.empty()) {
      text += "; it said: " + said;
    }
    return Error(Code::kTimeout, text + connection_->junk_note(),
                 "is it an MCP server, and does it need longer to start?");
  }

  asio::any_io_executor executor_;
  std::shared_ptr<Connection> connection_;
  Implementation server_;
  std::string version_;
  std::string instructions_;
};

}  // namespace

Task<std::unique_ptr<Client>> Client::connect(ServerConfig config, ClientOptions options) {
  auto executor = co_await asio::this_coro::executor;
  if (config.command.empty()) {
    co_return fail(Code::kUnsupported,
                   fmt::format("server {}: only servers with a command can be reached", config.name));
  }
  ProcessOptions child{config.command, config.args, minimal_environment(), config.cwd, kMessageBytesMax, {}};
  for (const auto& [name, value] : config.env) child.env[name] = value;
  if (options.on_message) {
    child.on_stderr = [show = options.on_message](std::string_view text) { show(Direction::kStderr, text); };
  }
  auto connection = std::make_shared<Connection>(executor, std::move(config), std::move(options));
  auto process = Process::start(executor, std::move(child));
  if (!process) co_return fail(std::move(process).error().in("server " + connection->config.name));
  connection->process = *std::move(process);
  auto client = std::make_unique<StdioClient>(executor, connection);
  client->start_reading();
  auto ready = co_await client->handshake();
  if (!ready) {
    if (ready.error().code() != Code::kCancelled) co_await client->shutdown();
    co_return fail(std::move(ready).error());
  }
  co_return std::unique_ptr<Client>(std::move(client));
}

}  // namespace tsukai::mcp
