// `tsukai mcp list`: every server of a file, asked at the same time how it is.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/gate.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/mcp_connection.h"
#include "tools/tsukai/mcp_login.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kServersMax = 64;  // Started at once.

struct Health {
  mcp::ServerConfig config;
  std::optional<Error> trouble;
  mcp::Implementation server;
  std::string protocol;
  double ready_ms = 0;       // From nothing to the end of the handshake.
  double round_trip_ms = 0;  // Of one ping.
  std::size_t tools = 0;
};

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

Task<void> ask(mcp::Client& client, Health& health) {
  health.server = client.server();
  health.protocol = client.protocol_version();
  TSUKAI_CO_TRY(const auto tools, co_await client.list_tools());
  health.tools = tools.size();
  const auto start = std::chrono::steady_clock::now();
  TSUKAI_CO_TRY_VOID(co_await client.ping());
  health.round_trip_ms = ms_since(start);
  co_return Result<void>();
}

Task<void> look(Health& health, std::shared_ptr<Trace> trace, Output& output) {
  co_await asio::this_coro::throw_if_cancelled(false);
  mcp::ClientOptions options;
  decline_questions(options, output);
  if (trace) {
    options.on_message = [trace, name = health.config.name](mcp::Direction direction,
                                                            std::string_view bytes) {
      trace->add(name, direction, bytes);
    };
  }
  auto authorizer = authorizer_for(co_await asio::this_coro::executor, health.config, LoginOptions{});
  if (!authorizer) {
    health.trouble = authorizer.error();
    co_return Result<void>();
  }
  options.authorizer = *authorizer;
  const auto start = std::chrono::steady_clock::now();
  auto client = co_await mcp::Client::connect(health.config, std::move(options));
  health.ready_ms = ms_since(start);
  if (!client) {
    health.trouble = client.error();
    co_return Result<void>();
  }
  auto answered = co_await ask(**client, health);
  if (!answered) health.trouble = answered.error();
  co_await asio::this_coro::reset_cancellation_state();
  co_await (*client)->shutdown();
  co_return Result<void>();
}

Task<void> look_at_all(std::vector<Health>& all, std::shared_ptr<Trace> trace, Output& output) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Gate gate(co_await asio::this_coro::executor);
  for (Health& health : all) gate.spawn(look(health, trace, output));
  co_await gate.drained();
  const bool cancelled =
      (co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none;
  co_await asio::this_coro::reset_cancellation_state();
  co_await gate.close();
  if (cancelled) co_return fail(Code::kCancelled, "interrupted");
  co_return Result<void>();
}

std::string target(const mcp::ServerConfig& server) {
  return server.url.empty() ? fmt::format("{} {}", server.command, fmt::join(server.args, " ")) : server.url;
}

Json to_json(const Health& health) {
  Json out = {{"name", health.config.name}, {"healthy", !health.trouble}};
  if (health.config.url.empty()) {
    out["command"] = health.config.command;
    out["args"] = health.config.args;
  } else {
    out["url"] = health.config.url;
  }
  if (health.trouble) {
    out["error"] = error_json(*health.trouble)["error"];
  } else {
    out["server"] = implementation_json(health.server);
    out["protocol"] = health.protocol;
    out["tools"] = health.tools;
    out["ready_ms"] = health.ready_ms;
    out["round_trip_ms"] = health.round_trip_ms;
  }
  return out;
}

void show(const std::vector<Health>& all, Output& output) {
  if (output.json()) {
    Json list = Json::array();
    for (const Health& health : all) list.push_back(to_json(health));
    output.document({{"servers", std::move(list)}});
    return;
  }
  Table table({{"SERVER"},
               {"HEALTH"},
               {"PROTOCOL"},
               {"TOOLS", Align::kRight},
               {"READY", Align::kRight},
               {"PING", Align::kRight},
               {"IMPLEMENTATION"},
               {"REACHED BY", Align::kLeft, true}});
  for (const Health& one : all) {
    if (one.trouble) {
      const char* health = one.trouble->code() == Code::kDenied ? "login needed" : "broken";
      table.add({one.config.name, health, "", "", "", "", "", target(one.config)});
    } else {
      table.add({one.config.name, "ok", revision_text(one.protocol), std::to_string(one.tools),
                 duration_text(static_cast<std::int64_t>(one.ready_ms)),
                 fmt::format("{:.1f} ms", one.round_trip_ms), implementation_text(one.server),
                 target(one.config)});
    }
  }
  output.table(table);
  for (const Health& one : all) {
    if (one.trouble) output.note(printable(fmt::format("{}: {}", one.config.name, one.trouble->text())));
  }
}

}  // namespace

int mcp_list_command(Output& output, const McpArguments& arguments) {
  auto servers = servers_of(arguments.server);
  if (!servers) return output.fail(servers.error());
  if (output.quiet()) {  // Their names alone: nothing is started.
    for (const mcp::ServerConfig& server : *servers) output.line(printable(server.name));
    return 0;
  }
  if (servers->size() > kServersMax) {
    return output.fail(Error(Code::kExhausted, fmt::format("{} servers are more than the {} that are started "
                                                           "at once",
                                                           servers->size(), kServersMax)));
  }
  auto trace = Trace::open(arguments.trace);
  if (!trace) return output.fail(trace.error());
  std::vector<Health> all;
  for (mcp::ServerConfig& server : *servers) all.push_back(Health{std::move(server)});
  output.busy(fmt::format("asking {}", counted(static_cast<std::int64_t>(all.size()), "server", "servers")));
  asio::io_context context;
  auto done = run_interruptible(context, look_at_all(all, *trace, output));
  output.idle();
  if (!done) {
    output.fail(done.error());
    return mcp_exit(done.error());
  }
  show(all, output);
  for (const Health& one : all) {
    if (one.trouble) return kExitTransport;
  }
  return 0;
}

}  // namespace tsukai::cli
