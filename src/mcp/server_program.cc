#include "mcp/server_program.h"

#include <fmt/format.h>

#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "base/text.h"

namespace tsukai::mcp {

struct Misbehaving::Dice {
  Misbehaviour options;
  Random random;
};

namespace {

enum class Fate { kAnswers, kFailsBefore, kFailsAfter };

Task<ToolOutput> misbehave(Fate fate, std::chrono::milliseconds latency, ToolHandler handler, Json arguments,
                           CallContext& context) {
  if (latency.count() > 0) TSUKAI_CO_TRY_VOID(co_await sleep_for(latency));
  if (fate == Fate::kFailsBefore)
    co_return fail(Code::kTransport, "the server could not be reached (made by --fail-rate)", "try again");
  auto output = co_await handler(std::move(arguments), context);
  if (fate == Fate::kFailsAfter) {
    co_return fail(Code::kTransport,
                   "the answer was lost, and whether the work was done is unknown (made by --fail-rate)",
                   "try again with the same arguments");
  }
  co_return output;
}

Result<std::vector<std::string>> read_keys(const std::vector<std::string>& given) {
  std::vector<std::string> keys;
  for (const std::string& key : given) {
    if (!key.starts_with('@')) {
      keys.emplace_back(trimmed(key));
    } else {
      std::ifstream file(key.substr(1));
      if (!file)
        return fail(Code::kNotFound, fmt::format("--key {}: the file can't be read", key), "check its path");
      for (std::string line; std::getline(file, line);) {
        if (!trimmed(line).empty()) keys.emplace_back(trimmed(line));
      }
    }
    if (keys.empty() || keys.back().empty())
      return fail(Code::kInvalidArgument, fmt::format("--key {}: there is no key", key), "write one");
  }
  return keys;
}

bool only_this_machine(const std::string& address) {
  return address == "::1" || address == "localhost" || address.starts_with("127.");
}

asio::awaitable<void> signalled() {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGINT, SIGTERM);
  co_await signals.async_wait(asio::use_awaitable);
}

Task<void> serve_until_signal(Server& server, HttpServeOptions options) {
  std::optional<Result<void>> served;
  const bool ended = co_await ends_first(keep(server.serve_http(std::move(options)), &served), signalled());
  co_return ended ? *std::move(served) : Result<void>();
}

}  // namespace

Misbehaving::Misbehaving(Misbehaviour options)
    : dice_(std::make_shared<Dice>(Dice{options, Random(options.seed)})) {}

ToolHandler Misbehaving::operator()(ToolHandler handler) const {
  if (dice_->options.latency_ms <= 0 && dice_->options.fail_rate <= 0) return handler;
  // The dice fall when a call arrives, not when its turn comes: so the order of the calls decides alone.
  return [dice = dice_, handler = std::move(handler)](Json arguments, CallContext& context) {
    Fate fate = Fate::kAnswers;
    const double draw = dice->random.unit();
    if (draw < dice->options.fail_rate)
      fate = draw < dice->options.fail_rate / 2 ? Fate::kFailsBefore : Fate::kFailsAfter;
    return misbehave(fate, std::chrono::milliseconds(dice->options.latency_ms), handler, std::move(arguments),
                     context);
  };
}

Result<HttpServeOptions> parse_listen(std::string_view text, HttpServeOptions otherwise) {
  HttpServeOptions options = std::move(otherwise);
  const auto wrong = [&](std::string_view why) {
    return fail(Code::kInvalidArgument, fmt::format("--http {}: {}", text, why),
                "write ADDRESS:PORT, for example 127.0.0.1:8080; port 0 takes any free one");
  };
  std::string_view address = text, port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return wrong("a bracket is not closed");
    address = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return wrong("a colon is missing after the bracket");
    if (!port.empty()) port.remove_prefix(1);
    if (address.empty()) return wrong("there is no address in the brackets");
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (text.find(':', colon + 1) != std::string_view::npos)
      return wrong("an IPv6 address needs brackets, as in [::1]:8080");
    address = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return wrong("there is no port after the colon");
  } else if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
    address = {};
    port = text;
  }
  if (!address.empty()) options.address = address == "localhost" ? "127.0.0.1" : std::string(address);
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
    if (error != std::errc() || end != port.data() + port.size())
      return wrong("a port is a number from 0 to 65535");
  }
  return options;
}

Result<HttpServeOptions> ServerProgram::http_options() const {
  HttpServeOptions defaults;
  defaults.port = port;
  TSUKAI_TRY(HttpServeOptions options, parse_listen(http, std::move(defaults)));
  options.hosts = hosts;
  TSUKAI_TRY(options.bearer_keys, read_keys(keys));
  if (options.bearer_keys.empty() && !only_this_machine(options.address)) {
    return fail(Code::kInvalidArgument,
                fmt::format("--http {}: anybody on the network could call this server", options.address),
                "give --key, or listen on 127.0.0.1");
  }
  return options;
}

Result<void> ServerProgram::check() const {
  if (misbehaviour.latency_ms < 0 || misbehaviour.latency_ms > Misbehaviour::kLatencyMax) {
    return fail(Code::kInvalidArgument, fmt::format("--latency {}", misbehaviour.latency_ms),
                fmt::format("give milliseconds from 0 to {}", Misbehaviour::kLatencyMax));
  }
  if (!(misbehaviour.fail_rate >= 0 && misbehaviour.fail_rate <= 1)) {
    return fail(Code::kInvalidArgument, fmt::format("--fail-rate {}", misbehaviour.fail_rate),
                "give a share from 0 to 1");
  }
  if (http == kStdio) {
    if (keys.empty() && hosts.empty()) return {};
    return fail(Code::kInvalidArgument, "--key and --host are for HTTP alone", "add --http");
  }
  TSUKAI_TRY_VOID(http_options());
  return {};
}

int ServerProgram::serve(Server& server) const {
  asio::io_context context(1);
  Result<void> done;
  if (http == kStdio) {
    done = run_to_end(context, server.serve_stdio());
  } else if (auto options = http_options(); !options) {
    done = fail(std::move(options).error());
  } else {
    options->on_listening = [address = options->address, path = options->path](std::uint16_t bound) {
      const bool six = address.find(':') != std::string::npos;
      fmt::print("http://{}{}{}:{}{}\n", six ? "[" : "", address, six ? "]" : "", bound, path);
      std::fflush(stdout);
    };
    done = run_to_end(context, serve_until_signal(server, std::move(*options)));
  }
  if (done) return 0;
  fmt::print(stderr, "{}: {}\n", name, done.error().text());
  return static_cast<int>(exit_code(done.error().code()));
}

}  // namespace tsukai::mcp
