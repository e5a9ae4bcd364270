#include "tools/tsukai/mcp_connection.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "mcp/version.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/mcp_login.h"

namespace tsukai::cli {
namespace {

std::string_view name_of(mcp::Direction direction) {
  switch (direction) {
    case mcp::Direction::kSent:
      return "sent";
    case mcp::Direction::kReceived:
      return "received";
    case mcp::Direction::kStderr:
      return "stderr";
    case mcp::Direction::kJunk:
      return "junk";
  }
  return "junk";
}

Task<JsonValue> declined(Output& output, JsonValue params) {
  output.note(printable("note: declined what the server asks: " +
                        string_at(*params, "message", "(it does not say what)")));
  co_return JsonValue(Json{{"action", "decline"}});
}

Task<JsonValue> no_model() { co_return fail(Code::kUnsupported, "tsukai mcp has no model to ask"); }

Task<int> connected_once(mcp::ServerConfig config, mcp::ClientOptions options, McpWork work, Output& output,
                         const McpArguments& arguments) {
  output.busy((config.url.empty() ? "starting " : "reaching ") + config.name);
  TSUKAI_CO_TRY(auto client, co_await mcp::Client::connect(std::move(config), std::move(options)));
  auto exit = co_await work(*client, output, arguments);
  output.busy("stopping " + client->config().name);
  co_await asio::this_coro::reset_cancellation_state();
  co_await client->shutdown();
  output.idle();
  if (client->junk_lines() > 0) {
    output.note(fmt::format("note: {} on its standard output {} no protocol messages",
                            counted(static_cast<std::int64_t>(client->junk_lines()), "line", "lines"),
                            client->junk_lines() == 1 ? "was" : "were"));
  }
  co_return exit;
}

Task<int> connected(mcp::ServerConfig config, mcp::ClientOptions options, McpWork work, Output& output,
                    const McpArguments& arguments) {
  // Cancellation comes back as an Error, so that the server is stopped in good order on every way out.
  co_await asio::this_coro::throw_if_cancelled(false);
  LoginOptions login;
  login.interactive = output.err_is_terminal() && !output.json();
  login.browser = arguments.browser;
  login.output = &output;
  TSUKAI_CO_TRY(const auto authorizer, authorizer_for(co_await asio::this_coro::executor, config, login));
  options.authorizer = authorizer;
  auto exit = co_await connected_once(config, options, work, output, arguments);
  const bool asks = !exit && exit.error().code() == Code::kDenied && authorizer && authorizer->login_wanted();
  if (!asks || !login.interactive) co_return exit;
  // What was refused was not done: after the login all of it may be tried again.
  output.busy("waiting for the login to " + config.name);
  TSUKAI_CO_TRY_VOID(co_await authorizer->log_in());
  co_return co_await connected_once(std::move(config), std::move(options), work, output, arguments);
}

}  // namespace

int mcp_exit(const Error& error) {
  switch (error.code()) {
    case Code::kProtocol:
    case Code::kUnsupported:  // It offers no such feature, or answers in a way that we can't use.
      return kExitProtocol;
    case Code::kExhausted:  // A limit that the server hit is its affair here, not a budget.
      return kExitTransport;
    default:
      return static_cast<int>(exit_code(error.code()));
  }
}

Result<std::shared_ptr<Trace>> Trace::open(const std::string& path) {
  if (path.empty()) return std::shared_ptr<Trace>();
  std::FILE* file = path == "-" ? stderr : std::fopen(path.c_str(), "we");
  if (file == nullptr) return fail(Code::kInvalidArgument, fmt::format("--trace {}: can't be written", path));
  return std::shared_ptr<Trace>(new Trace(file));
}

Trace::~Trace() {
  if (file_ != stderr) std::fclose(file_);
}

void Trace::add(const std::string& server, mcp::Direction direction, std::string_view bytes) {
  Json line = {{"at_ms", system_clock().wall_ms()}, {"direction", std::string(name_of(direction))}};
  if (!server.empty()) line["server"] = server;
  const bool message = direction == mcp::Direction::kSent || direction == mcp::Direction::kReceived;
  auto parsed = message ? parse_json(bytes) : fail(Code::kInvalidArgument, "");
  line["message"] = parsed ? *std::move(parsed) : Json(repaired_utf8(bytes));
  std::fprintf(file_, "%s\n", print_json(line).c_str());
  std::fflush(file_);
}

void decline_questions(mcp::ClientOptions& options, Output& output) {
  options.on_elicitation = [&output](JsonValue params) { return declined(output, std::move(params)); };
  options.elicitation_url = true;
  options.on_sampling = [](const JsonValue&) { return no_model(); };
  options.roots = [] { return std::vector<mcp::Root>(); };
}

int with_server(Output& output, const McpArguments& arguments, McpWork work) {
  auto config = find_server(arguments.server);
  if (!config) return output.fail(config.error());
  auto trace = Trace::open(arguments.trace);
  if (!trace) return output.fail(trace.error());
  mcp::ClientOptions options;
  decline_questions(options, output);
  if (*trace) {
    options.on_message = [trace = *trace](mcp::Direction direction, std::string_view bytes) {
      trace->add({}, direction, bytes);
    };
  }
  options.check_output = false;  // `call` does, and says so in its exit code.
  options.on_warning = [&output](const std::string& warning) { output.note(printable("note: " + warning)); };
  options.on_log = [&output](const mcp::LogMessage& message) {
    const Json& data = *message.data;
    output.note(output.paint_note(
        Style::kDim, printable(fmt::format("{}: {}", message.level,
                                           data.is_string() ? data.get<std::string>() : print_json(data)))));
  };
  asio::io_context context;
  auto exit =
      run_interruptible(context, connected(*std::move(config), std::move(options), work, output, arguments));
  output.idle();
  if (exit) return *exit;
  output.fail(exit.error());
  return mcp_exit(exit.error());
}

std::string revision_text(const std::string& protocol_version) {
  return fmt::format("{} ({})", protocol_version, mcp::is_legacy(protocol_version) ? "legacy" : "modern");
}

std::string implementation_text(const mcp::Implementation& server) {
  if (server.name.empty()) return "a server without a name";
  return server.version.empty() ? server.name : server.name + " " + server.version;
}

Json implementation_json(const mcp::Implementation& server) {
  return {{"name", server.name}, {"version", server.version}};
}

}  // namespace tsukai::cli
