#include "tools/tsukai/mcp_command.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "tools/tsukai/call_arguments.h"
#include "tools/tsukai/interrupt.h"

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

// Where --trace goes: JSON Lines, one a message, written as they happen.
class Trace {
 public:
  static Result<std::shared_ptr<Trace>> open(const std::string& path) {
    std::FILE* file = path == "-" ? stderr : std::fopen(path.c_str(), "we");
    if (file == nullptr)
      return fail(Code::kInvalidArgument, fmt::format("--trace {}: can't be written", path));
    return std::shared_ptr<Trace>(new Trace(file));
  }
  ~Trace() {
    if (file_ != stderr) std::fclose(file_);
  }
  void add(mcp::Direction direction, std::string_view bytes) {
    Json line = {{"at_ms", system_clock().wall_ms()}, {"direction", std::string(name_of(direction))}};
    const bool message = direction == mcp::Direction::kSent || direction == mcp::Direction::kReceived;
    auto parsed = message ? parse_json(bytes) : fail(Code::kInvalidArgument, "");
    line["message"] = parsed ? *std::move(parsed) : Json(repaired_utf8(bytes));
    std::fprintf(file_, "%s\n", print_json(line).c_str());
    std::fflush(file_);
  }

 private:
  explicit Trace(std::FILE* file) : file_(file) {}
  std::FILE* file_;
};

// What one connection is for. Run between connect() and shutdown(); the exit code is the command's.
using Work = Task<int> (*)(mcp::Client& client, Output& output, const McpArguments& arguments);

Task<int> connected(mcp::ServerConfig config, mcp::ClientOptions options, Work work, Output& output,
                    const McpArguments& arguments) {
  // Cancellation comes back as an Error, so that the server is stopped in good order on every way out.
  co_await asio::this_coro::throw_if_cancelled(false);
  output.busy("starting " + config.name);
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

int with_server(Output& output, const McpArguments& arguments, Work work) {
  auto config = find_server(arguments.server);
  if (!config) return output.fail(config.error());
  mcp::ClientOptions options;
  if (!arguments.trace.empty()) {
    auto trace = Trace::open(arguments.trace);
    if (!trace) return output.fail(trace.error());
    options.on_message = [trace = *trace](mcp::Direction direction, std::string_view bytes) {
      trace->add(direction, bytes);
    };
  }
  asio::io_context context;
  auto exit =
      run_interruptible(context, connected(*std::move(config), std::move(options), work, output, arguments));
  output.idle();
  if (!exit) {
    const int code = output.fail(exit.error());
    // A limit that the server hit is the server's affair here, not a budget.
    return exit.error().code() == Code::kExhausted ? static_cast<int>(Exit::kComponent) : code;
  }
  return *exit;
}

std::vector<std::string> names_of(const std::vector<mcp::Tool>& tools) {
  std::vector<std::string> names;
  for (const mcp::Tool& tool : tools) names.push_back(tool.name);
  return names;
}

// "keywords, city?, page?": what is required and what is not.
std::string parameters_text(const mcp::Tool& tool) {
  const Json* properties = find(*tool.input_schema, "properties");
  const Json* required = find(*tool.input_schema, "required");
  if (properties == nullptr || !properties->is_object()) return {};
  std::string first, then;
  for (const auto& [key, schema] : properties->items()) {
    bool needed = false;
    if (required != nullptr && required->is_array()) {
      for (const Json& one : *required) needed = needed || one == key;
    }
    std::string& text = needed ? first : then;
    text += (text.empty() ? "" : ", ") + key + (needed ? "" : "?");
  }
  return first + (first.empty() || then.empty() ? "" : ", ") + then;
}

Task<int> list_tools(mcp::Client& client, Output& output, const McpArguments& arguments) {
  output.busy("asking " + client.config().name);
  TSUKAI_CO_TRY(const auto tools, co_await client.list_tools());
  if (output.json()) {
    Json list = Json::array();
    for (const mcp::Tool& tool : tools) list.push_back(*tool.whole);
    output.document({{"server", {{"name", client.server().name}, {"version", client.server().version}}},
                     {"protocol", client.protocol_version()},
                     {"tools", std::move(list)}});
    co_return 0;
  }
  if (output.quiet()) {
    for (const mcp::Tool& tool : tools) output.line(printable(tool.name));
    co_return 0;
  }
  output.note(output.paint_note(
      Style::kDim,
      printable(fmt::format("{} {} · protocol {} · {}", client.server().name, client.server().version,
                            client.protocol_version(),
                            counted(static_cast<std::int64_t>(tools.size()), "tool", "tools")))));
  Table table({{"TOOL"}, {"ARGUMENTS", Align::kLeft, true}, {"DESCRIPTION", Align::kLeft, true}});
  for (const mcp::Tool& tool : tools) table.add({tool.name, parameters_text(tool), tool.description});
  if (!table.empty()) output.table(table);
  co_return 0;
}

Result<mcp::Tool> tool_named(const std::string& name, const std::vector<mcp::Tool>& tools,
                             const std::string& server) {
  for (const mcp::Tool& tool : tools) {
    if (tool.name == name) return tool;
  }
  const std::string nearest = nearest_name(name, names_of(tools));
  return fail(
      Code::kNotFound, fmt::format("{}: has no tool \"{}\"", server, name),
      nearest.empty() ? "tsukai mcp tools lists what it has" : fmt::format("did you mean {}?", nearest));
}

Task<int> call_tool(mcp::Client& client, Output& output, const McpArguments& arguments) {
  Json schema = Json::object();
  if (needs_schema(arguments.values)) {
    output.busy("asking " + client.config().name);
    TSUKAI_CO_TRY(const auto tools, co_await client.list_tools());
    TSUKAI_CO_TRY(const mcp::Tool tool, tool_named(arguments.tool, tools, client.config().name));
    schema = *tool.input_schema;
  }
  TSUKAI_CO_TRY(Json values, call_arguments(arguments.values, schema));
  output.busy(arguments.tool);
  const std::int64_t started_ms = system_clock().steady_ms();
  auto result =
      co_await client.call_tool(arguments.tool, std::move(values), [&output](const mcp::Progress& progress) {
        output.note(progress.message.empty() ? fmt::format("{} of {}", progress.done, progress.total)
                                             : printable(progress.message));
      });
  if (!result && result.error().code() == Code::kNotFound) {
    // Said by the server; we can name the nearest.
    TSUKAI_CO_TRY(const auto tools, co_await client.list_tools());
    TSUKAI_CO_TRY_VOID(tool_named(arguments.tool, tools, client.config().name));
  }
  if (!result) co_return fail(std::move(result).error());
  if (output.json()) {
    output.document(*result->whole);
  } else if (result->is_error) {
    output.idle();
    output.fail(Error(Code::kInvalidArgument,
                      fmt::format("{} answered with an error: {}", arguments.tool, result->text())));
  } else {
    output.line(printable(result->text()));
    output.note(output.paint_note(Style::kDim, duration_text(system_clock().steady_ms() - started_ms)));
  }
  co_return static_cast<int>(result->is_error ? Exit::kTaskFailed : Exit::kDone);
}

Task<int> ping(mcp::Client& client, Output& output, const McpArguments& arguments) {
  output.busy("pinging " + client.config().name);
  const auto started = std::chrono::steady_clock::now();
  TSUKAI_CO_TRY_VOID(co_await client.ping());
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  if (output.json()) {
    output.document({{"server", {{"name", client.server().name}, {"version", client.server().version}}},
                     {"protocol", client.protocol_version()},
                     {"round_trip_ms", ms}});
  } else {
    output.line(printable(fmt::format("{} {} answered in {:.1f} ms (protocol {})", client.server().name,
                                      client.server().version, ms, client.protocol_version())));
  }
  co_return 0;
}

}  // namespace

int mcp_list_command(Output& output, const McpArguments& arguments) {
  auto servers = servers_of(arguments.server);
  if (!servers) return output.fail(servers.error());
  const auto target = [](const mcp::ServerConfig& server) {
    return server.url.empty() ? fmt::format("{} {}", server.command, fmt::join(server.args, " "))
                              : server.url;
  };
  if (output.json()) {
    Json list = Json::array();
    for (const mcp::ServerConfig& server : *servers) {
      Json entry = {{"name", server.name}};
      if (server.url.empty()) {
        entry["command"] = server.command;
        entry["args"] = server.args;
      } else {
        entry["url"] = server.url;
      }
      list.push_back(std::move(entry));
    }
    output.document({{"servers", std::move(list)}});
    return 0;
  }
  Table table({{"SERVER"}, {"REACHED BY", Align::kLeft, true}});
  for (const mcp::ServerConfig& server : *servers) {
    if (output.quiet()) {
      output.line(printable(server.name));
    } else {
      table.add({server.name, target(server)});
    }
  }
  if (!output.quiet()) output.table(table);
  return 0;
}

int mcp_tools_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, list_tools);
}
int mcp_call_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, call_tool);
}
int mcp_ping_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, ping);
}

}  // namespace tsukai::cli
