// What a call of an MCP tool costs: tsukai's client against an echo server of a few lines.
//   mcp_bench --serve [http]         the echo server, over stdio or on a free port (its URL on standard
//   output) mcp_bench stdio|URL [SECONDS]    one JSON line of figures mcp_bench many COUNT             memory
//   with COUNT servers connected over stdio
// tests/bench/beside_mcp_sdks.sh runs it beside the reference SDKs.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "mcp/client.h"
#include "mcp/server.h"

using namespace tsukai;

namespace {

using SteadyTime = std::chrono::steady_clock;
constexpr int kInFlight = 64;
constexpr int kWarmUp = 200;

double seconds_since(SteadyTime::time_point start) {
  return std::chrono::duration<double>(SteadyTime::now() - start).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Task<mcp::ToolOutput> echo(Json arguments, mcp::CallContext& context) {
  mcp::ToolOutput output;
  output.text = string_at(arguments, "say");
  co_return output;
}

int serve(bool http) {
  mcp::ServerOptions options;
  options.implementation = {"echo", "", "1"};
  auto server = mcp::Server::make(std::move(options));
  mcp::Tool tool;
  tool.name = "echo";
  tool.description = "Says it again.";
  tool.input_schema = Json{{"type", "object"}, {"properties", {{"say", {{"type", "string"}}}}}};
  server->add_tool(std::move(tool), echo);
  asio::io_context context(1);
  mcp::HttpServeOptions where;
  where.on_listening = [](std::uint16_t port) {
    fmt::print("http://127.0.0.1:{}/mcp\n", port);
    std::fflush(stdout);
  };
  const auto done = run_to_end(context, http ? server->serve_http(where) : server->serve_stdio());
  return done ? 0 : 1;
}

mcp::ServerConfig config_of(const std::string& target) {
  mcp::ServerConfig config;
  config.name = "echo";
  if (target == "stdio") {
    config.command = "/proc/self/exe";
    config.args = {"--serve"};
  } else {
    config.url = target;
  }
  return config;
}

Task<void> one_call(mcp::Client& client) {
  TSUKAI_CO_TRY(const auto result, co_await client.call_tool("echo", Json{{"say", "hello"}}));
  if (result.is_error) co_return fail(Code::kInternal, result.text());
  co_return Result<void>();
}

// Calls again and again until `end`.
Task<void> keep_calling(mcp::Client& client, SteadyTime::time_point end, std::size_t& calls) {
  while (SteadyTime::now() < end) {
    TSUKAI_CO_TRY_VOID(co_await one_call(client));
    ++calls;
  }
  co_return Result<void>();
}

Task<Json> measure(std::string target, double seconds) {
  TSUKAI_CO_TRY(auto client, co_await mcp::Client::connect(config_of(target), {}));
  TSUKAI_CO_TRY_VOID(co_await client->list_tools());
  for (int i = 0; i < kWarmUp; ++i) TSUKAI_CO_TRY_VOID(co_await one_call(*client));

  std::vector<double> trips_us;
  double cpu = cpu_seconds();
  auto start = SteadyTime::now();
  while (seconds_since(start) < seconds) {
    const auto before = SteadyTime::now();
    TSUKAI_CO_TRY_VOID(co_await one_call(*client));
    trips_us.push_back(seconds_since(before) * 1e6);
  }
  const double cpu_sequential_us = (cpu_seconds() - cpu) * 1e6 / static_cast<double>(trips_us.size());
  std::sort(trips_us.begin(), trips_us.end());
  const auto at = [&](double share) {
    return trips_us[static_cast<std::size_t>(share * static_cast<double>(trips_us.size() - 1))];
  };

  std::size_t calls = 0;
  Gate gate(co_await asio::this_coro::executor);
  cpu = cpu_seconds();
  start = SteadyTime::now();
  const auto end =
      start + std::chrono::duration_cast<SteadyTime::duration>(std::chrono::duration<double>(seconds));
  for (int i = 0; i < kInFlight; ++i) gate.spawn(keep_calling(*client, end, calls));
  co_await gate.drained();
  const double took = seconds_since(start);
  Json figures = {{"client", "tsukai"},
                  {"transport", target == "stdio" ? "stdio" : "http"},
                  {"protocol", client->protocol_version()},
                  {"p50_us", at(0.5)},
                  {"p99_us", at(0.99)},
                  {"cpu_us_sequential", cpu_sequential_us},
                  {"calls_per_s_64", static_cast<double>(calls) / took},
                  {"cpu_us_64", (cpu_seconds() - cpu) * 1e6 / static_cast<double>(calls)}};
  co_await gate.close();
  co_await client->shutdown();
  co_return figures;
}

std::size_t resident_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

Task<Json> connect_many(int count) {
  const std::size_t before_kb = resident_kb();
  std::vector<std::unique_ptr<mcp::Client>> clients;
  for (int i = 0; i < count; ++i) {
    TSUKAI_CO_TRY(auto client, co_await mcp::Client::connect(config_of("stdio"), {}));
    TSUKAI_CO_TRY_VOID(co_await client->list_tools());
    clients.push_back(std::move(client));
  }
  const std::size_t after_kb = resident_kb();
  for (auto& client : clients) co_await client->shutdown();
  co_return Json{
      {"client", "tsukai"}, {"servers", count}, {"rss_kb", after_kb}, {"rss_kb_before", before_kb}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) {
    fmt::print(stderr, "usage: mcp_bench --serve [http] | stdio [SECONDS] | URL [SECONDS] | many COUNT\n");
    return 2;
  }
  if (words[0] == "--serve") return serve(words.size() > 1 && words[1] == "http");
  asio::io_context context(1);
  const bool many = words[0] == "many" && words.size() > 1;
  const auto figures =
      run_to_end(context, many ? connect_many(std::stoi(words[1]))
                               : measure(words[0], words.size() > 1 ? std::stod(words[1]) : 3.0));
  if (!figures) {
    fmt::print(stderr, "mcp_bench: {}\n", figures.error().text());
    return 3;
  }
  fmt::print("{}\n", print_json(*figures));
  return 0;
}
